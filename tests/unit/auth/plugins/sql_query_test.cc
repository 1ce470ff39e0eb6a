// Queries of the configuration, as each kind of server prepares them.

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "auth/plugins/sql/query.h"

namespace poplar::sql {
namespace {

constexpr Dialect kPg = Dialect::kPostgresql;
constexpr Dialect kMy = Dialect::kMariadb;

std::string TextOf(std::string_view text, Dialect dialect) {
  std::string fault;
  const std::optional<Query> query = Query::Parse(text, dialect, fault);
  EXPECT_EQ(query.has_value(), fault.empty());
  return query.has_value() ? query->text() : "fault: " + fault;
}
std::string FaultOf(std::string_view text, Dialect dialect) {
  std::string fault;
  EXPECT_FALSE(Query::Parse(text, dialect, fault).has_value()) << text;
  return fault;
}

TEST(SqlQuery, PlaceholdersAreParameters) {
  constexpr std::string_view kText = "SELECT id FROM u WHERE l = %{local} AND d=%{domain}";
  EXPECT_EQ(TextOf(kText, kPg), "SELECT id FROM u WHERE l = $1 AND d=$2");
  EXPECT_EQ(TextOf(kText, kMy), "SELECT id FROM u WHERE l = ? AND d=?");
  EXPECT_EQ(TextOf("%{login}%{login}", kPg), "$1$2");
  EXPECT_EQ(TextOf("a % 2 = %{login} LIKE '50%'", kPg), "a % 2 = $1 LIKE '50%'");
}

TEST(SqlQuery, ValuesAreTheLoginsParts) {
  std::string fault;
  const Query query = *Query::Parse("%{domain} %{login} %{local}", kPg, fault);
  EXPECT_EQ(query.Values("a'@b.example"),
            (std::vector<std::string>{"b.example", "a'@b.example", "a'"}));
  EXPECT_FALSE(query.Values("alice").has_value());
  EXPECT_FALSE(query.Values("@b.example").has_value());
}

TEST(SqlQuery, APlaceholderInQuotesIsAFault) {
  for (const Dialect dialect : {kPg, kMy}) {
    for (const char* text :
         {"m = '%{login}'", "m = 'x''%{login}'", "m = \"%{login}\"", "m = 'x\\\\%{login}'",
          "m = '-- %{login}'", "m = '/*' || '%{login}'", "m = E'a\\'%{login}'",
          "x = %{login} AND m = '%{domain}'", "m LIKE '%{login}%'"}) {
      EXPECT_NE(FaultOf(text, dialect).find("a placeholder stands without quotes"),
                std::string::npos)
          << text << ": " << FaultOf(text, dialect);
    }
  }
  EXPECT_EQ(FaultOf("m = '%{login}'", kPg),
            "\"'%{login}'\": a placeholder stands without quotes, as in \"WHERE address = "
            "%{login}\"");
  EXPECT_NE(FaultOf("m = $$%{login}$$", kPg).find("without quotes"), std::string::npos);
  EXPECT_NE(FaultOf("m = $a$ $$ %{login}$a$", kPg).find("without quotes"), std::string::npos);
  EXPECT_NE(FaultOf("m = `%{login}`", kMy).find("without quotes"), std::string::npos);
}

// What ends a quote differs: were it misread, a placeholder would be left in it, or a query
// refused.
TEST(SqlQuery, QuotesEndAsTheServerReadsThem) {
  EXPECT_EQ(TextOf("'\\' = %{login}", kPg), "'\\' = $1");
  EXPECT_EQ(TextOf("e'\\'' = %{login}", kPg), "e'\\'' = $1");
  EXPECT_EQ(TextOf("type'\\' = %{login}", kPg), "type'\\' = $1");
  EXPECT_EQ(TextOf("'\\'' = %{login}", kMy), "'\\'' = ?");
  EXPECT_EQ(TextOf("\"\\\"\" = %{login}", kMy), "\"\\\"\" = ?");
  EXPECT_EQ(TextOf("\"\\\" = %{login}", kPg), "\"\\\" = $1");
  EXPECT_EQ(TextOf("'it''s' = %{login}", kMy), "'it''s' = ?");
  EXPECT_EQ(TextOf("`a``'` = %{login}", kMy), "`a``'` = ?");
  EXPECT_EQ(TextOf("$x$'$x$ = %{login}", kPg), "$x$'$x$ = $1");
  EXPECT_EQ(TextOf("a$x$ = %{login}", kPg), "a$x$ = $1");
  EXPECT_NE(FaultOf("$x$' = %{login} '", kMy).find("without quotes"), std::string::npos);
}

TEST(SqlQuery, CommentsAreLeftAlone) {
  EXPECT_EQ(TextOf("-- it's %{login}\n%{login}", kPg), "-- it's %{login}\n$1");
  EXPECT_EQ(TextOf("-- it's\n%{login}", kMy), "-- it's\n?");
  EXPECT_EQ(TextOf("# it's\n%{login}", kMy), "# it's\n?");
  EXPECT_EQ(TextOf("a # %{login}", kPg), "a # $1");
  EXPECT_EQ(TextOf("1--%{login}", kMy), "1--?");
  EXPECT_EQ(TextOf("/* it's */ %{login}", kMy), "/* it's */ ?");
  EXPECT_EQ(TextOf("/* /* */ ' */ %{login}", kPg), "/* /* */ ' */ $1");
  EXPECT_EQ(TextOf("/* /* */ %{login} -- */", kMy), "/* /* */ ? -- */");
  EXPECT_EQ(TextOf("%{login} --", kMy), "? --");
}

TEST(SqlQuery, SaysWhatIsWrong) {
  EXPECT_EQ(FaultOf("m = %{user}", kPg), "\"%{user}\": there are %{login}, %{local}, %{domain}");
  EXPECT_EQ(FaultOf("m = 'x", kPg), "\"'x\" has no end");
  EXPECT_EQ(FaultOf("/* x", kMy), "\"/* x\" has no end");
  EXPECT_EQ(FaultOf("$a$ $b$", kPg), "\"$a$ $b$\" has no end");
  EXPECT_EQ(FaultOf("m = ? OR %{login}", kMy),
            "\"? OR %{login}\": parameters are written %{login}, %{local}, %{domain}");
  EXPECT_NE(FaultOf("m = $1", kPg).find("parameters are written"), std::string::npos);
  EXPECT_EQ(TextOf("j ? 'x' = %{login}", kPg), "j ? 'x' = $1");
  EXPECT_NE(FaultOf("SELECT 1", kPg).find("the same for everybody"), std::string::npos);
  EXPECT_NE(FaultOf("SELECT 1 -- %{login}", kPg).find("the same for everybody"), std::string::npos);
}

}  // namespace
}  // namespace poplar::sql
