// What a database's section may say, and the sentence for each mistake.

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "auth/plugins/sql/settings.h"
#include "tests/unit/auth/plugins/setting_lines.h"
#include "tests/unit/auth/temp_dir.h"

namespace poplar::sql {
namespace {

using plugins::Lines;
using plugins::With;
using plugins::Without;

constexpr Driver kDriver = {.dialect = Dialect::kPostgresql, .port = 5432, .connect = nullptr};
const Lines kGood = {{"server", "127.0.0.1"},
                     {"tls", "false"},
                     {"database", "mail"},
                     {"user", "poplar"},
                     {"user_query", "SELECT id AS account FROM users WHERE m = %{login}"}};

Settings Good(const Lines& lines) {
  std::string fault;
  const std::optional<Settings> read =
      ReadSettings(plugins::SettingList(lines).data(), kDriver, fault);
  EXPECT_TRUE(read.has_value()) << fault;
  return read.value_or(Settings());
}
std::string FaultOf(const Lines& lines) {
  std::string fault;
  EXPECT_FALSE(ReadSettings(plugins::SettingList(lines).data(), kDriver, fault).has_value());
  return fault;
}
Lines WithServer(const std::string& server, bool tls = true) {
  return With(Without(Without(kGood, "server"), "tls"),
              {{"server", server}, {"tls", tls ? "true" : "false"}});
}

TEST(SqlSettings, Servers) {
  const auto server = [](const std::string& text) { return Good(WithServer(text)).servers.at(0); };
  EXPECT_EQ(server("db.example").host, "db.example");
  EXPECT_EQ(server("db.example").port, 5432);
  EXPECT_EQ(server("db.example:6432").host, "db.example");
  EXPECT_EQ(server("db.example:6432").port, 6432);
  EXPECT_EQ(server("[2001:db8::1]").host, "2001:db8::1");
  EXPECT_EQ(server("[2001:db8::1]:6432").port, 6432);
  EXPECT_TRUE(server("db.example").tls);
  EXPECT_EQ(server("/run/postgresql").host, "/run/postgresql");
  EXPECT_EQ(server("/run/postgresql:6432").port, 6432);
  EXPECT_FALSE(server("/run/postgresql").tls);
  for (const char* wrong : {"", ":5432", "db:", "db:0", "db:65536", "db:x", "::1", "[::1", "[::1]x",
                            "user@db", "db1,db2", "postgres://db", "db/x", "a b"}) {
    EXPECT_NE(FaultOf(WithServer(wrong)).find("is not as \"db1.example.net\""), std::string::npos)
        << wrong;
  }
  const Settings read = Good(With(kGood, {{"server", "127.0.0.1:1"}, {"replica", "localhost:2"}}));
  EXPECT_EQ(read.servers.size(), 2U);
  EXPECT_EQ(read.replicas.at(0).port, 2);
  EXPECT_EQ(FaultOf(Without(kGood, "server")), "server is missing: as \"db1.example.net\"");
}

TEST(SqlSettings, PasswordsNeverTravelInClear) {
  EXPECT_EQ(FaultOf(WithServer("db.example", false)),
            "server: passwords would travel to db.example in clear: tls = false is for this "
            "machine only");
  EXPECT_FALSE(Good(WithServer("[::1]:1", false)).servers[0].tls);
  EXPECT_NE(FaultOf(With(kGood, {{"replica", "db.example"}})).find("replica: passwords would"),
            std::string::npos);
  EXPECT_EQ(FaultOf(With(WithServer("db.example"), {{"ca_file", "/nowhere"}})),
            "ca_file: /nowhere cannot be read");
}

TEST(SqlSettings, Password) {
  auth::TempDir directory;
  const std::string path = directory.File("password");
  std::ofstream(path) << "from a file\n";
  EXPECT_EQ(Good(With(kGood, {{"password", "x"}})).password, "x");
  EXPECT_EQ(Good(With(kGood, {{"password_file", path}})).password, "from a file");
  EXPECT_EQ(Good(kGood).password, "") << "a Unix socket may need none";
  EXPECT_EQ(FaultOf(With(kGood, {{"password_file", path}, {"password", "x"}})),
            "password and password_file: write one of them");
}

TEST(SqlSettings, Mistakes) {
  EXPECT_EQ(FaultOf(Without(kGood, "database")), "database is missing");
  EXPECT_NE(FaultOf(Without(kGood, "user")).find("user is missing"), std::string::npos);
  EXPECT_NE(FaultOf(Without(kGood, "user_query")).find("user_query is missing"), std::string::npos);
  EXPECT_EQ(FaultOf(With(Without(kGood, "user_query"), {{"user_query", "m = '%{login}'"}})),
            "user_query: \"'%{login}'\": a placeholder stands without quotes, as in \"WHERE "
            "address = %{login}\"");
  EXPECT_EQ(FaultOf(With(kGood, {{"query", "x"}})),
            "there is no setting \"query\"; auth/SQL.md lists them");
  EXPECT_EQ(FaultOf(With(kGood, {{"timeout_ms", "0"}})), "timeout_ms is a number from 10 to 60000");
}

}  // namespace
}  // namespace poplar::sql
