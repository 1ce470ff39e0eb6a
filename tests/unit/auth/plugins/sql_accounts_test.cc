// What each question is answered for each row, over a database that says what the test wants.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "auth/plugins/sql/accounts.h"
#include "tests/unit/auth/plugins/setting_lines.h"

struct poplar_answer {
  std::map<poplar_field, std::string> fields;
};

namespace poplar::sql {
namespace {

using plugins::Tried;

// What each server replies, by its name.
std::map<std::string, Reply>& Replies() {
  static std::map<std::string, Reply> replies;
  return replies;
}

class Scripted final : public Connection {
 public:
  explicit Scripted(std::string server) : server_(std::move(server)) {}
  Reply Ask(const std::string& query, const std::vector<std::string>& values, size_t rows_max,
            plugins::Deadline) override {
    if (rows_max > kUserRowsMax) return Replies()["tenants"];
    EXPECT_EQ(query, "m = ?");
    EXPECT_EQ(values, std::vector<std::string>{"alice@a.example"});
    return Replies()[server_];
  }
  bool Usable() const override { return true; }

 private:
  const std::string server_;
};

constexpr Driver kDriver = {.dialect = Dialect::kMariadb,
                            .port = 1,
                            .connect = [](const Settings&, const Server& server, plugins::Deadline,
                                          std::string&) -> std::unique_ptr<Connection> {
                              return std::make_unique<Scripted>(server.name);
                            }};

Reply RowOf(std::vector<std::pair<std::string, std::string>> columns) {
  Row row;
  for (auto& [name, value] : columns) row.push_back({.name = name, .value = value});
  return {.tried = {}, .refusal = "", .rows = {row}};
}
Reply NoRow() { return {}; }
Reply NoAnswer() {
  return {.tried = {.result = Tried::Result::kNoAnswer, .why = "down"}, .refusal = "", .rows = {}};
}

class AccountsTest : public testing::Test {
 protected:
  void SetUp() override {
    Replies().clear();
    Use({});
  }
  void Use(const plugins::Lines& more) {
    const plugins::Lines lines = plugins::With(
        {{"server", "/primary"}, {"database", "d"}, {"user", "u"}, {"user_query", "m = %{login}"}},
        more);
    std::string fault;
    accounts_ = Accounts::Make(plugins::SettingList(lines).data(), kDriver, host_, fault);
    ASSERT_NE(accounts_, nullptr) << fault;
  }
  poplar_outcome Ask(poplar_operation operation, const char* mechanism = "",
                     const char* login = "alice@a.example") {
    answer_.fields.clear();
    const poplar_question question = {.struct_bytes = sizeof(poplar_question),
                                      .operation = operation,
                                      .login = login,
                                      .secret = "x",
                                      .secret_bytes = 1,
                                      .mechanism = mechanism,
                                      .client_address = "",
                                      .deadline_ms = 10'000};
    return accounts_->Ask(question, &answer_);
  }
  std::string Told(poplar_field field) { return answer_.fields[field]; }

  const poplar_host host_{
      .struct_bytes = sizeof(poplar_host),
      .set =
          [](poplar_answer* answer, poplar_field field, const char* text, size_t bytes) {
            // Room for two tenants.
            if (field == POPLAR_TENANT && (answer->fields[field].size() > 20 || bytes > 100)) {
              return -1;
            }
            if (field == POPLAR_TENANT) {
              answer->fields[field] += std::string(text, bytes);
              return 0;
            }
            answer->fields[field] = std::string(text, bytes);
            return 0;
          },
      .log = [](poplar_level, const char*) {},
      .calls_max = 0};
  std::unique_ptr<Accounts> accounts_;
  poplar_answer answer_;
};

TEST_F(AccountsTest, WhatIsStoredIsHandedOut) {
  Replies()["/primary"] = RowOf({{"account", "7"}, {"password", "{PLAIN}x"}, {"address", "A@a"}});
  EXPECT_EQ(Ask(POPLAR_VERIFY_PASSWORD), POPLAR_OK);
  EXPECT_EQ(Told(POPLAR_ACCOUNT), "7");
  EXPECT_EQ(Told(POPLAR_ADDRESS), "A@a");
  EXPECT_EQ(Told(POPLAR_STORED_PASSWORD), "{PLAIN}x");
  EXPECT_EQ(Told(POPLAR_VERIFIER), "");
  EXPECT_EQ(Ask(POPLAR_FETCH_VERIFIER, "SCRAM-SHA-256"), POPLAR_OK);
  EXPECT_EQ(Told(POPLAR_VERIFIER), "{PLAIN}x");
  EXPECT_EQ(Told(POPLAR_STORED_PASSWORD), "");
  EXPECT_EQ(Ask(POPLAR_RESOLVE), POPLAR_OK);
  EXPECT_EQ(answer_.fields.size(), 2U) << "of the password nothing";
  EXPECT_EQ(Ask(POPLAR_VERIFY_TOKEN), POPLAR_UNSUPPORTED);
}

TEST_F(AccountsTest, WithoutAPassword) {
  Replies()["/primary"] = RowOf({{"account", "7"}, {"password", ""}});
  EXPECT_EQ(Ask(POPLAR_VERIFY_PASSWORD), POPLAR_REFUSED);
  EXPECT_EQ(Ask(POPLAR_FETCH_VERIFIER, "SCRAM-SHA-256"), POPLAR_UNSUPPORTED);
  EXPECT_EQ(Ask(POPLAR_RESOLVE), POPLAR_OK);
  // Without the column it is the query that is wrong.
  Replies()["/primary"] = RowOf({{"account", "7"}});
  EXPECT_EQ(Ask(POPLAR_VERIFY_PASSWORD), POPLAR_TEMPORARY);
  EXPECT_EQ(Ask(POPLAR_RESOLVE), POPLAR_OK);
}

TEST_F(AccountsTest, DisabledIsAboutLogInsOnly) {
  Replies()["/primary"] = RowOf({{"account", "7"}, {"password", "x"}, {"disabled", "1"}});
  EXPECT_EQ(Ask(POPLAR_VERIFY_PASSWORD), POPLAR_DISABLED);
  EXPECT_EQ(Told(POPLAR_STORED_PASSWORD), "x") << "told after the right one only";
  EXPECT_EQ(Ask(POPLAR_FETCH_VERIFIER, "SCRAM-SHA-256"), POPLAR_DISABLED);
  EXPECT_EQ(Told(POPLAR_VERIFIER), "x");
  EXPECT_EQ(Ask(POPLAR_RESOLVE), POPLAR_OK);
  EXPECT_EQ(Ask(POPLAR_RESOLVE, "EXTERNAL"), POPLAR_DISABLED);
}

TEST_F(AccountsTest, NobodyAndNobodyKnows) {
  Replies()["/primary"] = NoRow();
  EXPECT_EQ(Ask(POPLAR_RESOLVE), POPLAR_UNKNOWN);
  Replies()["/primary"] = NoAnswer();
  EXPECT_EQ(Ask(POPLAR_RESOLVE), POPLAR_UNREACHABLE);
  EXPECT_EQ(Told(POPLAR_REASON), "/primary: down");
  Replies()["/primary"] = {.tried = {}, .refusal = "no such table", .rows = {}};
  EXPECT_EQ(Ask(POPLAR_RESOLVE), POPLAR_TEMPORARY);
  EXPECT_EQ(Told(POPLAR_REASON), "user_query is refused: no such table");
  Reply twins = RowOf({{"account", "7"}});
  twins.rows.push_back(twins.rows[0]);
  Replies()["/primary"] = twins;
  EXPECT_EQ(Ask(POPLAR_RESOLVE), POPLAR_TEMPORARY);
}

TEST_F(AccountsTest, TenantsAreToldInParts) {
  EXPECT_EQ(Ask(POPLAR_LIST_TENANTS, "", "0"), POPLAR_UNSUPPORTED);
  Use({{"tenant_query", "SELECT …"}});
  Reply reply;
  for (const char* name : {"a", "b", "c"}) {
    reply.rows.push_back({{.name = "name", .value = name}, {.name = "domain", .value = name}});
  }
  Replies()["tenants"] = reply;
  EXPECT_EQ(Ask(POPLAR_LIST_TENANTS, "", "0"), POPLAR_OK);
  EXPECT_EQ(Told(POPLAR_TENANT), "name=a\ndomain=a\nname=b\ndomain=b\n");
  // It stays as it is until somebody begins anew.
  Replies()["tenants"] = NoAnswer();
  EXPECT_EQ(Ask(POPLAR_LIST_TENANTS, "", "2"), POPLAR_OK);
  EXPECT_EQ(Told(POPLAR_TENANT), "name=c\ndomain=c\n");
  EXPECT_EQ(Ask(POPLAR_LIST_TENANTS, "", "3"), POPLAR_OK);
  EXPECT_EQ(Told(POPLAR_TENANT), "");
  EXPECT_EQ(Ask(POPLAR_LIST_TENANTS, "", "0"), POPLAR_UNREACHABLE);
  // One that no answer can hold harms no other.
  reply.rows.insert(reply.rows.begin(), {{.name = "name", .value = "large"},
                                         {.name = "domain", .value = std::string(200, 'x')}});
  Replies()["tenants"] = reply;
  EXPECT_EQ(Ask(POPLAR_LIST_TENANTS, "", "0"), POPLAR_OK);
  EXPECT_EQ(Told(POPLAR_TENANT), "name=large\nit has more domains than an answer can hold\n");
  EXPECT_EQ(Ask(POPLAR_LIST_TENANTS, "", "1"), POPLAR_OK);
  EXPECT_EQ(Told(POPLAR_TENANT), "name=a\ndomain=a\nname=b\ndomain=b\n");
  Replies()["tenants"] = {.tried = {}, .refusal = "no such table", .rows = {}};
  EXPECT_EQ(Ask(POPLAR_LIST_TENANTS, "", "0"), POPLAR_TEMPORARY);
  EXPECT_EQ(Told(POPLAR_REASON), "tenant_query is refused: no such table");
}

TEST_F(AccountsTest, AReplicaIsNotBelievedThatThereIsNobody) {
  Use({{"replica", "/replica"}});
  Replies()["/primary"] = RowOf({{"account", "of the primary"}});
  Replies()["/replica"] = RowOf({{"account", "of the replica"}});
  EXPECT_EQ(Ask(POPLAR_RESOLVE), POPLAR_OK);
  EXPECT_EQ(Told(POPLAR_ACCOUNT), "of the replica");
  for (const Reply& reply : {NoRow(), NoAnswer(), Reply{.tried = {}, .refusal = "x", .rows = {}}}) {
    Replies()["/replica"] = reply;
    EXPECT_EQ(Ask(POPLAR_RESOLVE), POPLAR_OK);
    EXPECT_EQ(Told(POPLAR_ACCOUNT), "of the primary");
  }
  Replies()["/primary"] = NoAnswer();
  Replies()["/replica"] = NoRow();
  EXPECT_EQ(Ask(POPLAR_RESOLVE), POPLAR_UNREACHABLE);
  Replies()["/primary"] = NoRow();
  EXPECT_EQ(Ask(POPLAR_RESOLVE), POPLAR_UNKNOWN);
}

}  // namespace
}  // namespace poplar::sql
