// Kept mail that comes back while its account is removed, at whatever moment: nothing of it stays.

#include "tests/sim/store_fixture.h"

namespace poplar::sim {
namespace {

using storage::CommitOutcome;
using storage::DeliveryOutcome;

class SimUndeleteTest : public SimStoreTest {
 protected:
  static constexpr int kStepsMax = 80;  // More than an undelete takes.

  void SetUp() override {
    SimStoreTest::SetUp();
    ASSERT_TRUE(world_.Close().ok());
    TenantPolicies policies;
    policies.by_tenant[1].keep_deleted_days = 10;
    policies_.Publish(std::make_shared<TenantPolicies>(policies));
    options_.policies = &policies_;
    options_.compact_by_itself = false;
    ASSERT_TRUE(Open().ok());
  }
  void TearDown() override {
    world_.disk().set_capacity(UINT64_MAX);
    SimStoreTest::TearDown();
  }

  void KeepTwo() {
    for (int i = 0; i < 2; ++i) ASSERT_EQ(Deliver(Message(500)), DeliveryOutcome::kStored);
    ASSERT_EQ(Delete([](uint32_t) { return true; }), CommitOutcome::kDone);
  }
  io::Task<void> UndeleteTask() {
    io::Completion<storage::UndeleteResult> done;
    world_.StoreOn(ShardIndex(0)).Undelete(key_, {}, done);
    messages_ += (co_await done).messages;
  }
  io::Task<void> RemoveTask(storage::MaildropKey key) {
    io::Completion<Status> done;
    world_.StoreOn(ShardIndex(0)).Remove(std::move(key), done);
    const Status removed = co_await done;
    EXPECT_TRUE(removed.ok()) << removed;
  }
  void RemoveAfter(int steps) {
    Begin(UndeleteTask());
    for (int i = 0; i < steps; ++i) world_.Step();
    Begin(RemoveTask(key_));
    Settle();
  }
  // Deletions have used what was laid out for them, and the disk had nothing more.
  void UseUpTheReserve() {
    world_.disk().set_capacity(0);
    for (PassTime(); Metric("poplar_store_log_laid_out_bytes") > 0; PassTime()) {
      Begin(RemoveTask({TenantId(1), "nobody"}));
      Settle();
    }
    world_.disk().set_capacity(UINT64_MAX);
  }
  // So that the disk is asked anew.
  void PassTime() {
    const uint64_t until_us = world_.clock().MonotonicUs() + 2'000'000;
    world_.StepUntil("time", [&] { return world_.clock().MonotonicUs() >= until_us; });
  }

  PolicyBoard policies_;
  uint64_t messages_ = 0;  // That came back first.
};

TEST_F(SimUndeleteTest, ARemovalLeavesNothing) {
  for (int steps = 0; steps < kStepsMax; ++steps) {
    KeepTwo();
    RemoveAfter(steps);
    ExpectBodies({});
  }
  EXPECT_GT(messages_, 0U);
  EXPECT_LT(messages_, 2U * kStepsMax);
}

// What is brought back waits for room, which a removal needs not.
TEST_F(SimUndeleteTest, ARemovalThatCouldOvertakeItLeavesNothing) {
  for (int steps = 0; steps < kStepsMax; ++steps) {
    KeepTwo();
    UseUpTheReserve();
    RemoveAfter(steps);
    PassTime();
    ExpectBodies({});
  }
  EXPECT_GT(messages_, 0U);
  EXPECT_LT(messages_, 2U * kStepsMax);
}

}  // namespace
}  // namespace poplar::sim
