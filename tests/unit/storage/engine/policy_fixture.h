// A store under policies, on a wall clock that a test moves.

#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {

class PolicyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fixture_.Create(folder_.path(), 2).ok());
    Open();
  }

  virtual StoreOptions Options() {
    StoreOptions options = SmallStoreOptions(folder_.path());
    options.policies = &board_;
    options.clock = &clock_;
    options.expiry_interval_ms = 1;
    options.checkpoint_interval_ms = 20;
    return options;
  }
  void Open() { ASSERT_TRUE(fixture_.Open(Options()).ok()); }
  void Reopen() {
    ASSERT_TRUE(fixture_.Close().ok());
    Open();
  }
  // So that everything is read from the segments.
  void ReopenWithoutIndexes() {
    ASSERT_TRUE(fixture_.Close().ok());
    for (const char* partition : {"/p000/index", "/p001/index"}) {
      std::filesystem::remove_all(folder_.path() + partition);
      std::filesystem::create_directory(folder_.path() + partition);
    }
    Open();
  }
  void SetPolicy(const TenantPolicy& policy) {
    auto policies = std::make_shared<TenantPolicies>();
    policies->by_tenant[1] = policy;
    board_.Publish(std::move(policies));
  }

  DeliveryOutcome Deliver(const MaildropKey& key, std::string wire, const Quota& quota) {
    return fixture_.Run<DeliveryOutcome>(
        0, [&](ShardStore* store) { return DeliverWithQuota(store, {key, quota}, wire); });
  }
  Room HasRoom(const MaildropKey& key, const Quota& quota, uint64_t octets) {
    return fixture_
        .Run<StatusOr<Room>>(
            1, [&](ShardStore* store) { return HasRoomTask(store, {key, quota}, octets); })
        .value();
  }
  // A session that has fetched some messages and deletes some.
  CommitOutcome Session(const MaildropKey& key, const std::vector<uint32_t>& deleted,
                        const std::vector<uint32_t>& fetched = {},
                        SessionId session = SessionId(7)) {
    OpenResult opened = fixture_.OpenMaildrop(1, key, session);
    EXPECT_EQ(opened.outcome, OpenOutcome::kOpen);
    return fixture_.Commit(1, std::move(opened.maildrop), deleted, fetched);
  }
  std::vector<KeptMessage> Kept(const MaildropKey& key) {
    return fixture_
        .Run<StatusOr<std::vector<KeptMessage>>>(
            0, [&](ShardStore* store) { return ListKeptTask(store, key); })
        .value();
  }
  UndeleteResult TryUndelete(const MaildropKey& key, UndeleteRequest request) {
    return fixture_.Run<UndeleteResult>(
        0, [&](ShardStore* store) { return UndeleteTask(store, key, request); });
  }
  // How many; all that were wanted.
  uint64_t Undelete(const MaildropKey& key, UndeleteRequest request) {
    const UndeleteResult result = TryUndelete(key, std::move(request));
    EXPECT_TRUE(result.why.ok()) << result.why;
    return result.messages;
  }

  TemporaryFolder folder_;
  MovedClock clock_;
  PolicyBoard board_;
  StoreFixture fixture_{2};

 private:
  static io::Task<DeliveryOutcome> DeliverWithQuota(ShardStore* store, DeliveryRecipient recipient,
                                                    std::string wire) {
    DeliveryRequest request;
    request.recipients.push_back(std::move(recipient));
    request.received_us = base::SystemClock().WallUs();
    const std::unique_ptr<Delivery> delivery = store->BeginDelivery(std::move(request));
    io::Completion<Status> written;
    delivery->Write(wire, written);
    const Status status = co_await written;
    if (!status.ok()) co_return DeliveryOutcome::kTemporary;
    io::Completion<std::vector<DeliveryOutcome>> done;
    delivery->Commit(FactsOf(wire), done);
    const std::vector<DeliveryOutcome> outcomes = co_await done;
    co_return outcomes.front();
  }
  static io::Task<StatusOr<Room>> HasRoomTask(ShardStore* store, DeliveryRecipient recipient,
                                              uint64_t octets) {
    io::Completion<StatusOr<Room>> done;
    store->HasRoom(std::move(recipient), octets, done);
    co_return co_await done;
  }
};

}  // namespace poplar::storage
