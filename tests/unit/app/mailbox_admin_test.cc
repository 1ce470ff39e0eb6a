#include "core/app/mailbox_admin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "tests/unit/app/memory_store.h"

namespace poplar::app {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

// Knows alice; eve's tenant is disabled; nobody can be asked about mallory.
class OneUser : public auth::ShardAuth {
 public:
  LoginMechanisms MechanismsOf(std::optional<TenantId>) override { return {}; }
  std::unique_ptr<auth::SaslMechanism> StartSasl(std::string_view, auth::SaslConnection) override {
    return nullptr;
  }
  void Resolve(std::string address, io::Completion<auth::ResolveResult>& done) override {
    auth::ResolveResult result;
    result.outcome = auth::ResolveOutcome::kUnknown;
    if (address == "alice@example.org") {
      result.outcome = auth::ResolveOutcome::kFound;
      result.principal = {.tenant = TenantId(3),
                          .account = "a1",
                          .address = "Alice@example.org",
                          .tenant_name = "acme",
                          .quota = {.octets = 5000, .messages = 50}};
    }
    if (address == "eve@example.org") result.outcome = auth::ResolveOutcome::kDisabled;
    if (address == "mallory@example.org") {
      result.outcome = auth::ResolveOutcome::kTemporary;
      result.reason = "the disk is gone";
    }
    done.Set(std::move(result));
  }
  void VerifyPassword(std::string, base::Secret, auth::ClientInfo,
                      io::Completion<auth::AuthResult>&) override {
    POP_CHECK(false);
  }
  void FetchVerifier(std::string, std::string, auth::ClientInfo,
                     io::Completion<auth::VerifierResult>&) override {
    POP_CHECK(false);
  }
  bool IsOutdated(const auth::VerifierResult&, const std::string&) override {
    POP_CHECK(false);
    return false;
  }
  void VerifyToken(std::string, base::Secret, auth::ClientInfo,
                   io::Completion<auth::AuthResult>&) override {
    POP_CHECK(false);
  }
  void ResolveLogin(std::string, auth::ClientInfo, io::Completion<auth::AuthResult>&) override {
    POP_CHECK(false);
  }
  void CountLogin(auth::Outcome, const std::string&, const auth::ClientInfo&) override {
    POP_CHECK(false);
  }
  void Leave(SessionId) override { POP_CHECK(false); }
};

class MailboxAdminTest : public testing::Test {
 protected:
  MailboxAdminTest() {
    io::ShardSetOptions options;
    options.count = 1;
    options.pin = false;
    shards_ = *io::ShardSet::Start(options);
    AddMailboxHandlers({*shards_, store_, auth_, board_, /*page_messages=*/2}, handlers_);
  }
  StatusOr<json> Ask(const std::string& command, json arguments) {
    arguments.emplace("address", "alice@example.org");
    return handlers_.at(command)(arguments);
  }
  static storage::MaildropTotals TwoMessages() {
    storage::MaildropTotals totals;
    totals.messages = 2;
    totals.octets = 700;
    return totals;
  }
  static storage::KeptMessage Kept(const std::string& uidl, uint64_t session, int64_t deleted_us) {
    storage::KeptMessage message;
    message.uidl = uidl;
    message.octets = 100;
    message.deleted_us = deleted_us;
    message.deleted_by = SessionId(session);
    return message;
  }

  std::unique_ptr<io::ShardSet> shards_;
  MemoryStore store_;
  OneUser auth_;
  PolicyBoard board_;
  ops::AdminHandlers handlers_;
};

TEST_F(MailboxAdminTest, ShowsWhatTheServerGoesBy) {
  auto policies = std::make_shared<TenantPolicies>();
  policies->by_tenant[3].quota = {.octets = 9000, .messages = 90};
  policies->by_tenant[3].keep_deleted_days = 14;
  board_.Publish(std::move(policies));
  store_.totals = TwoMessages();
  store_.totals->kept_messages = 1;
  store_.totals->kept_octets = 40;
  store_.tenants[3] = {.messages = 8, .octets = 800, .kept_messages = 6, .kept_octets = 60};
  const StatusOr<json> shown = Ask("mailbox.show", json::object());
  ASSERT_TRUE(shown.ok()) << shown.status();
  EXPECT_EQ(store_.asked, (storage::MaildropKey{TenantId(3), "a1"}));
  EXPECT_EQ(*shown, json::parse(R"({
    "address": "Alice@example.org", "account": "a1",
    "use": {"octets": 700, "messages": 2, "kept_octets": 40, "kept_messages": 1},
    "quota": {"octets": 5000, "messages": 50},
    "tenant": {"name": "acme", "id": 3,
      "use": {"octets": 800, "messages": 8, "kept_octets": 60, "kept_messages": 6},
      "quota": {"octets": 9000, "messages": 90},
      "keep_deleted_days": 14, "expire_days": 0, "expire_read_days": null}})"));
}

// The disk is damaged: who is asked for is told all the same.
TEST_F(MailboxAdminTest, WhatCannotBeReadIsNullAndTheRestIsShown) {
  store_.totals = MakeStatus(StatusCode::kDataLoss, "index chunk: not sound");
  StatusOr<json> shown = Ask("mailbox.show", json::object());
  ASSERT_TRUE(shown.ok()) << shown.status();
  EXPECT_EQ(shown->at("account"), "a1");
  EXPECT_EQ(shown->at("tenant").at("id"), 3);
  EXPECT_EQ(shown->at("quota").at("octets"), 5000);
  EXPECT_TRUE(shown->at("use").is_null());
  EXPECT_EQ(shown->at("why"), "index chunk: not sound");

  store_.totals = TwoMessages();
  store_.totals->kept_why = MakeStatus(StatusCode::kDataLoss, "index chunk: out of order");
  shown = Ask("mailbox.show", json::object());
  ASSERT_TRUE(shown.ok()) << shown.status();
  EXPECT_EQ(shown->at("use"), json::parse(R"({"octets": 700, "messages": 2,
    "kept_octets": null, "kept_messages": null})"));
  EXPECT_EQ(shown->at("why"), "index chunk: out of order");
}

TEST_F(MailboxAdminTest, WhoIsNotFoundIsSaid) {
  const auto code_of = [&](const char* address) {
    return handlers_.at("mailbox.show")({{"address", address}}).status();
  };
  EXPECT_EQ(code_of("bob@example.org").code(), StatusCode::kNotFound);
  EXPECT_EQ(code_of("eve@example.org").code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(code_of("mallory@example.org").ToString(), HasSubstr("the disk is gone"));
}

TEST_F(MailboxAdminTest, ListsDeletedMailByPages) {
  store_.kept = {Kept("old", 5, 100), Kept("b", 9, 300), Kept("a", 9, 300), Kept("gone", 0, 200),
                 Kept("other", 10, 300)};
  std::vector<std::string> order;
  json arguments = json::object();
  for (bool more = true; more;) {
    const StatusOr<json> page = Ask("mailbox.deleted", arguments);
    ASSERT_TRUE(page.ok()) << page.status();
    const json& messages = page->at("messages");
    ASSERT_LE(messages.size(), 2U);
    for (const json& message : messages) order.push_back(message.at("uidl"));
    more = page->at("more");
    if (more) arguments["after"] = messages.back();
  }
  EXPECT_EQ(order, (std::vector<std::string>{"a", "b", "other", "gone", "old"}));

  // What went in between (it was brought back, or its time is over) is not missed.
  store_.kept.erase(store_.kept.begin() + 1);
  const StatusOr<json> rest = Ask("mailbox.deleted", {{"after",
                                                       {{"uidl", "b"},
                                                        {"octets", 100},
                                                        {"received_us", 0},
                                                        {"deleted_us", 300},
                                                        {"session", "9"}}}});
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_EQ(rest->at("messages")[0]["uidl"], "other");
  EXPECT_EQ(rest->at("messages")[0]["session"], "10");
}

TEST_F(MailboxAdminTest, UndeletesWhatIsNamedAndNothingElse) {
  store_.undeleted.messages = 4;
  EXPECT_EQ(*Ask("mailbox.undelete", {{"uidl", "a"}}), (json{{"undeleted", 4}}));
  EXPECT_EQ(store_.undelete.uidl, "a");
  EXPECT_FALSE(store_.undelete.session.has_value());
  EXPECT_TRUE(Ask("mailbox.undelete", {{"session", "9"}}).ok());
  EXPECT_EQ(store_.undelete.uidl, "");
  EXPECT_EQ(store_.undelete.session, SessionId(9));
  EXPECT_TRUE(Ask("mailbox.undelete", {{"since_us", 250}}).ok());
  EXPECT_EQ(store_.undelete.since_us, 250);
  EXPECT_FALSE(store_.undelete.session.has_value());
  EXPECT_TRUE(Ask("mailbox.undelete", {{"all", true}}).ok());
  EXPECT_EQ(store_.undelete.since_us, storage::UndeleteRequest().since_us);
}

TEST_F(MailboxAdminTest, AnUndeletionThatNamesNothingIsRefused) {
  for (const json& arguments : {json::object(), json{{"uidl", ""}}, json{{"all", false}},
                                json{{"session", ""}}, json{{"session", "9x"}}}) {
    EXPECT_EQ(Ask("mailbox.undelete", arguments).status().code(), StatusCode::kInvalidArgument)
        << arguments;
  }
  EXPECT_EQ(store_.asked, storage::MaildropKey());
}

TEST_F(MailboxAdminTest, WhatTheStoreSaysIsPassedOn) {
  EXPECT_EQ(Ask("mailbox.undelete", {{"all", true}}).status().code(), StatusCode::kNotFound);
  store_.undeleted = {0, MakeStatus(StatusCode::kUnavailable, "the log is full")};
  EXPECT_EQ(Ask("mailbox.undelete", {{"all", true}}).status(), store_.undeleted.why);
  store_.undeleted.messages = 12;
  const Status partly = Ask("mailbox.undelete", {{"all", true}}).status();
  EXPECT_EQ(partly.code(), StatusCode::kUnavailable);
  EXPECT_EQ(Message(partly), "messages back: 12. The others are still kept: the log is full");
}

}  // namespace
}  // namespace poplar::app
