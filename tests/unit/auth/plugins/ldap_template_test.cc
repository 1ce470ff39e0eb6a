// Escaping for filters and distinguished names, by the examples of their RFCs and by what attackers
// would write; libldap reads back what is written.

#include <gtest/gtest.h>
#include <ldap.h>

#include <random>
#include <string>
#include <string_view>

#include "auth/plugins/ldap/template.h"

namespace poplar::ldap {
namespace {

using std::string_literals::operator""s;

Template Parsed(std::string_view text, Template::Place place) {
  std::string fault;
  std::optional<Template> parsed = Template::Parse(text, place, fault);
  EXPECT_TRUE(parsed.has_value()) << fault;
  return parsed.value_or(Template());
}
std::string Filter(std::string_view text, std::string_view login) {
  return Parsed(text, Template::Place::kFilter).Render(login).value_or("nobody");
}
std::string Dn(std::string_view text, std::string_view login) {
  return Parsed(text, Template::Place::kDn).Render(login).value_or("nobody");
}
std::string FaultOf(std::string_view text) {
  std::string fault;
  EXPECT_FALSE(Template::Parse(text, Template::Place::kFilter, fault).has_value());
  return fault;
}

// RFC 4515 section 4.
TEST(EscapeFilterValue, Rfc4515) {
  EXPECT_EQ(EscapeFilterValue("Babs Jensen"), "Babs Jensen");
  EXPECT_EQ(EscapeFilterValue("Parens R Us (for all your parenthetical needs)"),
            "Parens R Us \\28for all your parenthetical needs\\29");
  EXPECT_EQ(EscapeFilterValue("*"), "\\2A");
  EXPECT_EQ(EscapeFilterValue("C:\\MyFile"), "C:\\5CMyFile");
  EXPECT_EQ(EscapeFilterValue("\0\0\0\4"s), "\\00\\00\\00\\04");
  EXPECT_EQ(EscapeFilterValue("Lučić"), "Lu\\C4\\8Di\\C4\\87");
}

TEST(EscapeFilterValue, EveryOctetIsItselfOrItsNumber) {
  for (int octet = 0; octet < 256; ++octet) {
    const std::string value(1, static_cast<char>(octet));
    const std::string escaped = EscapeFilterValue(value);
    if (escaped.size() == 1) {
      EXPECT_EQ(escaped, value);
      EXPECT_EQ(std::string_view("*()\\").find(value), std::string_view::npos);
      EXPECT_TRUE(octet >= 0x20 && octet < 0x7f) << octet;
    } else {
      ASSERT_EQ(escaped.size(), 3U);
      EXPECT_EQ(escaped[0], '\\');
      EXPECT_EQ(std::stoi(escaped.substr(1), nullptr, 16), octet);
    }
  }
}

// RFC 4514 section 4, and the characters of section 2.4.
TEST(EscapeDnValue, Rfc4514) {
  EXPECT_EQ(EscapeDnValue("James \"Jim\" Smith, III"), "James \\\"Jim\\\" Smith\\, III");
  EXPECT_EQ(EscapeDnValue("Before\rAfter"), "Before\\0DAfter");
  EXPECT_EQ(EscapeDnValue("Lučić"), "Lu\\C4\\8Di\\C4\\87");
  EXPECT_EQ(EscapeDnValue("#hash # inside"), "\\#hash # inside");
  EXPECT_EQ(EscapeDnValue(" two  spaces "), "\\ two  spaces\\ ");
  EXPECT_EQ(EscapeDnValue(" "), "\\ ");
  EXPECT_EQ(EscapeDnValue("a+b;c<d>e\\f=g"), "a\\+b\\;c\\<d\\>e\\\\f\\=g");
  EXPECT_EQ(EscapeDnValue("nul\0nul"s), "nul\\00nul");
  EXPECT_EQ(EscapeDnValue("\x7f"), "\\7F");
}

TEST(Template, PutsInTheLoginsParts) {
  EXPECT_EQ(Filter("(&(objectClass=mailUser)(mail=%{login}))", "alice@a.example"),
            "(&(objectClass=mailUser)(mail=alice@a.example))");
  EXPECT_EQ(Dn("uid=%{local},ou=%{domain},dc=example", "alice@a.example"),
            "uid=alice,ou=a.example,dc=example");
  EXPECT_EQ(Filter("(a=100%%)", "x"), "(a=100%)");
  EXPECT_EQ(Filter("%{local}%{local}", "a@b@c.example"), "a@ba@b");
  // What a login brings is not looked through again.
  EXPECT_EQ(Filter("(mail=%{login})", "%{domain}@a.example"), "(mail=%{domain}@a.example)");
}

TEST(Template, InjectionsStayValues) {
  EXPECT_EQ(Filter("(uid=%{local})", "*)(uid=*@a.example"), "(uid=\\2A\\29\\28uid=\\2A)");
  EXPECT_EQ(Filter("(uid=%{local})", "\\2a@a.example"), "(uid=\\5C2a)");
  EXPECT_EQ(Filter("(uid=%{login})", "x)\0(|(a=b"s), "(uid=x\\29\\00\\28|\\28a=b)");
  EXPECT_EQ(Dn("uid=%{local},ou=people", "admin,ou=staff@a.example"),
            "uid=admin\\,ou\\=staff,ou=people");
  EXPECT_EQ(Dn("uid=%{local},ou=people", "a+cn=b@a.example"), "uid=a\\+cn\\=b,ou=people");
  EXPECT_EQ(Dn("uid=%{local},ou=people", "a\\@a.example"), "uid=a\\\\,ou=people");
}

TEST(Template, ANameWithoutAPartIsNobodys) {
  EXPECT_EQ(Filter("(uid=%{local})", "@a.example"), "nobody");
  EXPECT_EQ(Filter("(mail=%{domain})", "alice"), "nobody");
  EXPECT_EQ(Filter("(mail=%{domain})", "alice@"), "nobody");
  EXPECT_EQ(Filter("(mail=%{login})", ""), "nobody");
  EXPECT_EQ(Filter("(uid=%{local})", "alice"), "(uid=alice)");
}

TEST(Template, SaysWhatIsWrong) {
  EXPECT_EQ(FaultOf("(mail=%u)"),
            "\"%u)\": after a percent sign comes {login}, {local}, {domain}, or another one");
  EXPECT_NE(FaultOf("%{Login}"), "");
  EXPECT_NE(FaultOf("%{login"), "");
  EXPECT_NE(FaultOf("100%"), "");
}

TEST(Template, KnowsWhetherItIsTheSameForEverybody) {
  EXPECT_TRUE(Parsed("", Template::Place::kDn).fixed());
  EXPECT_TRUE(Parsed("ou=people", Template::Place::kDn).fixed());
  EXPECT_FALSE(Parsed("%{domain}", Template::Place::kDn).fixed());
  EXPECT_FALSE(Parsed("ou=%{domain},dc=example", Template::Place::kDn).fixed());
}

// Whatever a login holds, libldap reads the value back, in a name of as many parts.
TEST(EscapeDnValue, LibldapReadsItBack) {
  std::mt19937 random(4514);
  constexpr std::string_view kLikely = " #\"+,;<>=\\*()\n\x01\x7f@aAbB09%{}";
  for (int round = 0; round < 20'000; ++round) {
    std::string value;
    for (size_t length = 1 + random() % 8; value.size() < length;) {
      value += random() % 6 == 0 ? "é" : std::string(1, kLikely[random() % kLikely.size()]);
    }
    const std::string dn = "uid=" + EscapeDnValue(value) + ",ou=people,o=x";
    LDAPDN parsed = nullptr;
    ASSERT_EQ(ldap_str2dn(dn.c_str(), &parsed, LDAP_DN_FORMAT_LDAPV3), LDAP_SUCCESS) << dn;
    int rdns = 0;
    while (parsed[rdns] != nullptr) ++rdns;
    EXPECT_EQ(rdns, 3) << dn;
    EXPECT_EQ(parsed[0][1], nullptr) << dn;
    const berval& read = parsed[0][0]->la_value;
    EXPECT_EQ(std::string(read.bv_val, read.bv_len), value) << dn;
    ldap_dnfree(parsed);
  }
}

}  // namespace
}  // namespace poplar::ldap
