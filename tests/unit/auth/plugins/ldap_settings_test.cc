// What a directory's section may say, and the sentence for each mistake.

#include <gtest/gtest.h>
#include <ldap.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "auth/plugins/ldap/settings.h"
#include "tests/unit/auth/plugins/setting_lines.h"
#include "tests/unit/auth/temp_dir.h"

namespace poplar::ldap {
namespace {

using plugins::Lines;
using plugins::With;
using plugins::Without;

const Lines kSearch = {
    {"server", "ldap://127.0.0.1"}, {"base", "ou=people,o=hosting"}, {"filter", "(mail=%{login})"}};
const Lines kDirect = {{"mode", "direct-bind"},
                       {"server", "ldap://127.0.0.1"},
                       {"dn_template", "uid=%{local},o=hosting"},
                       {"bind_dn", "cn=poplar,o=hosting"},
                       {"bind_password", "secret"}};

std::optional<Settings> Read(const Lines& lines, std::string& fault) {
  return ReadSettings(plugins::SettingList(lines).data(), fault);
}
Settings Good(const Lines& lines) {
  std::string fault;
  const std::optional<Settings> read = Read(lines, fault);
  EXPECT_TRUE(read.has_value()) << fault;
  EXPECT_EQ(fault, "");
  return read.value_or(Settings());
}
std::string FaultOf(const Lines& lines) {
  std::string fault;
  EXPECT_FALSE(Read(lines, fault).has_value());
  return fault;
}

TEST(LdapSettings, Defaults) {
  const Settings read = Good(kSearch);
  EXPECT_EQ(read.mode, Mode::kSearchBind);
  ASSERT_EQ(read.servers.size(), 1U);
  EXPECT_EQ(read.servers[0].host, "127.0.0.1");
  EXPECT_EQ(read.servers[0].port, 389);
  EXPECT_FALSE(read.servers[0].ldaps);
  EXPECT_EQ(read.scope, LDAP_SCOPE_SUBTREE);
  EXPECT_EQ(read.account_attribute, "entryUUID");
  EXPECT_EQ(read.password_attribute, "userPassword");
  EXPECT_EQ(read.disabled_attribute, "");
  EXPECT_EQ(read.bind_dn, "");
}

TEST(LdapSettings, Servers) {
  const Settings read = Good(With(Without(kSearch, "server"), {{"server", "ldaps://a.example"},
                                                               {"server", "ldaps://[::1]:1636/"},
                                                               {"server", "ldap://localhost"}}));
  ASSERT_EQ(read.servers.size(), 3U);
  EXPECT_EQ(read.servers[0].port, 636);
  EXPECT_TRUE(read.servers[0].ldaps);
  EXPECT_EQ(read.servers[1].host, "::1");
  EXPECT_EQ(read.servers[1].port, 1636);
  EXPECT_EQ(read.servers[2].port, 389);
  EXPECT_EQ(FaultOf(Without(kSearch, "server")),
            "server is missing: as \"ldaps://ldap1.example.net\"");
  for (const char* wrong : {"ldap1.example.net", "ldapi:///", "http://x", "ldap://", "",
                            "ldaps://a.example/o=hosting"}) {
    EXPECT_NE(FaultOf(With(kSearch, {{"server", wrong}})).find("is not as"), std::string::npos)
        << wrong;
  }
}

TEST(LdapSettings, PasswordsNeverTravelInClear) {
  EXPECT_EQ(FaultOf(With(kSearch, {{"server", "ldap://a.example"}})),
            "server: passwords would travel to ldap://a.example in clear: write starttls = true, "
            "or ldaps://");
  Good(With(kSearch, {{"server", "ldap://a.example"}, {"starttls", "true"}}));
  EXPECT_EQ(FaultOf(With(kSearch, {{"server", "ldaps://a.example"}, {"starttls", "true"}})),
            "server: ldaps://a.example speaks TLS from its first octet: without starttls");
  EXPECT_EQ(FaultOf(With(kSearch, {{"server", "ldaps://a.example"}, {"ca_file", "/nowhere"}})),
            "ca_file: /nowhere cannot be read");
}

TEST(LdapSettings, ServiceAccount) {
  auth::TempDir directory;
  const std::string path = directory.File("password");
  std::ofstream(path) << "from a file\nnot this\n";
  const Lines named = With(kSearch, {{"bind_dn", "cn=poplar,o=hosting"}});
  EXPECT_EQ(Good(With(named, {{"bind_password", "secret"}})).bind_password, "secret");
  EXPECT_EQ(Good(With(named, {{"bind_password_file", path}})).bind_password, "from a file");
  EXPECT_EQ(FaultOf(With(named, {{"bind_password_file", path}, {"bind_password", "x"}})),
            "bind_password and bind_password_file: write one of them");
  EXPECT_EQ(FaultOf(With(named, {{"bind_password_file", path + "x"}})),
            "bind_password_file: " + path + "x cannot be read: No such file or directory");
  const std::string apart = "bind_dn and bind_password (or bind_password_file) belong together";
  EXPECT_EQ(FaultOf(named), apart);
  EXPECT_EQ(FaultOf(With(named, {{"bind_password", ""}})), apart);
  EXPECT_EQ(FaultOf(With(kSearch, {{"bind_password", "x"}})), apart);
}

TEST(LdapSettings, EachModeHasItsPlaces) {
  EXPECT_EQ(Good(kDirect).mode, Mode::kDirectBind);
  EXPECT_EQ(Good(With(kSearch, {{"mode", "lookup"}})).mode, Mode::kLookup);
  EXPECT_EQ(FaultOf(With(kSearch, {{"mode", "bind"}})),
            "mode is one of \"search-bind\", \"direct-bind\", \"lookup\"");
  for (const auto& [lines, fault] : std::vector<std::pair<Lines, std::string>>{
           {Without(kDirect, "dn_template"), "dn_template is missing"},
           {With(Without(kDirect, "dn_template"), {{"dn_template", "uid=x"}}),
            "same for everybody"},
           {With(kDirect, {{"base", "o=hosting"}}), "base and filter are not for"},
           {Without(Without(kDirect, "bind_dn"), "bind_password"), "needs bind_dn too"},
           {With(kSearch, {{"dn_template", "uid=%{local}"}}),
            "dn_template is for mode direct-bind"},
           {Without(kSearch, "base"), "base is missing"},
           {Without(kSearch, "filter"), "filter is missing"},
           {With(Without(kSearch, "filter"), {{"filter", "(uid=x)"}}), "same for everybody"},
           {With(Without(kSearch, "filter"), {{"filter", "(&(mail=%{login})"}}), "no filter"},
           {With(Without(kSearch, "filter"), {{"filter", "(mail=%u)"}}), "filter: \"%u)\""},
           {With(Without(kSearch, "base"), {{"base", "people"}}), "no distinguished name"},
           {With(kSearch, {{"bind_dn", "poplar"}, {"bind_password", "x"}}),
            "bind_dn is no distinguished name"},
           {With(kSearch, {{"scope", "tree"}}), "scope is one of"}}) {
    EXPECT_NE(FaultOf(lines).find(fault), std::string::npos) << FaultOf(lines);
  }
  // A tree for each domain is a place that is not the same for everybody.
  Good(With(Without(kSearch, "base"), {{"base", "ou=%{domain},o=hosting"}}));
}

TEST(LdapSettings, OtherMistakes) {
  EXPECT_EQ(FaultOf(With(kSearch, {{"acount_attribute", "x"}})),
            "there is no setting \"acount_attribute\"; auth/LDAP.md lists them");
  EXPECT_EQ(FaultOf(With(kSearch, {{"connections", "0"}})), "connections is a number from 1 to 64");
  EXPECT_EQ(FaultOf(With(kSearch, {{"timeout_ms", "1s"}})),
            "timeout_ms is a number from 10 to 60000");
  EXPECT_EQ(FaultOf(With(kSearch, {{"starttls", "yes"}})), "starttls is true or false");
  EXPECT_EQ(FaultOf(With(kSearch, {{"base", "o=other"}})), "base has one value");
  EXPECT_EQ(FaultOf(With(kSearch, {{"account_attribute", ""}})), "account_attribute is missing");
}

}  // namespace
}  // namespace poplar::ldap
