// Ends and faults that lives met, each by itself: what the store did wrong once, it does right.

#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "core/base/log.h"
#include "storage/engine/layout.h"
#include "tests/sim/world.h"

namespace poplar::sim {
namespace {

using storage::DeliveryOutcome;
using storage::MaildropKey;
using storage::MessagePosition;
using storage::OpenOutcome;

class SimStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    base::StartLog({.level = base::LogLevel::kNone});
    storage::CreateOptions create;
    create.partitions = 1;
    create.env = &world_.disk();
    create.clock = &world_.clock();
    ASSERT_TRUE(storage::CreateStore("/store", create).ok());
    options_.path = "/store";
    options_.segment_bytes = options_.first_segment_bytes = 64 * kKiB;
    options_.segment_pace_us_per_mib = 0;
    options_.blob_bytes_min = 8 * kKiB;
    options_.reserve_bytes = 0;
    options_.recovery_threads = 1;
    ASSERT_TRUE(Open().ok());
  }
  void TearDown() override {
    if (world_.open()) (void)world_.Close();
    base::StopLog();
  }

  Status Open() { return world_.Open(options_, 1); }

  // The power goes or the process ends, whatever is under way.
  void EndBy(void (SimDisk::*end)()) {
    (world_.disk().*end)();
    Settle();
    (void)world_.Close();
    world_.disk().Restart();
  }

  void Begin(io::Task<void> task) {
    tasks_.push_back(std::move(task));
    world_.shards().RunOn(ShardIndex(0), [this](io::Shard&) { tasks_.back().Start(); });
  }
  void Settle() {
    world_.StepUntil("tasks", [this] {
      std::erase_if(tasks_, [](const io::Task<void>& task) { return task.done(); });
      return tasks_.empty();
    });
  }

  static std::string Message(size_t bytes) {
    std::string wire = "Subject: m\r\n\r\n";
    while (wire.size() < bytes) wire += std::to_string(wire.size()) + "\r\n";
    return wire + ".\r\n";
  }

  // `between` is called before the last piece is handed over.
  io::Task<void> DeliverTask(std::string wire, std::function<void()> between,
                             DeliveryOutcome* outcome) {
    storage::ShardStore& store = world_.StoreOn(ShardIndex(0));
    storage::DeliveryRequest request;
    request.recipients.push_back({key_, {}});
    request.received_us = 1;
    const auto delivery = store.BeginDelivery(std::move(request));
    const size_t half = wire.size() - 100;
    for (const auto& [at, bytes] : {std::pair(size_t{0}, half), std::pair(half, size_t{100})}) {
      io::Completion<Status> written;
      delivery->Write(std::string_view(wire).substr(at, bytes), written);
      const Status status = co_await written;
      if (!status.ok()) co_return;
      if (at == 0 && between) between();
    }
    storage::DeliveryFacts facts;
    facts.wire_bytes = wire.size();
    facts.octets = wire.size() - 3;
    facts.header_bytes = 14;
    io::Completion<std::vector<DeliveryOutcome>> done;
    delivery->Commit(facts, done);
    const std::vector<DeliveryOutcome> outcomes = co_await done;
    *outcome = outcomes[0];
  }
  DeliveryOutcome Deliver(const std::string& wire, std::function<void()> between = nullptr) {
    auto outcome = DeliveryOutcome::kTemporary;
    Begin(DeliverTask(wire, std::move(between), &outcome));
    Settle();
    return outcome;
  }

  io::Task<void> ReadAllTask(std::vector<StatusOr<std::string>>* bodies) {
    io::Completion<storage::OpenResult> opened;
    world_.StoreOn(ShardIndex(0)).Open(key_, SessionId(1), opened);
    const storage::OpenResult result = co_await opened;
    if (result.outcome != OpenOutcome::kOpen) co_return;
    for (uint32_t i = 0; i < result.maildrop->count(); ++i) {
      const auto body = result.maildrop->OpenBody(MessagePosition(i));
      std::string wire(body->wire_bytes(), '\0');
      io::Completion<StatusOr<size_t>> read;
      body->Read(0, wire, read);
      const StatusOr<size_t> got = co_await read;
      bodies->push_back(got.ok() ? StatusOr<std::string>(wire) : got.status());
    }
  }
  io::Task<void> DeleteTask(uint32_t keep_one_in, storage::CommitOutcome* outcome) {
    io::Completion<storage::OpenResult> opened;
    world_.StoreOn(ShardIndex(0)).Open(key_, SessionId(1), opened);
    const storage::OpenResult result = co_await opened;
    if (result.outcome != OpenOutcome::kOpen) co_return;
    std::vector<MessagePosition> deleted;
    for (uint32_t i = 0; i < result.maildrop->count(); ++i) {
      if (i % keep_one_in != 0) deleted.emplace_back(i);
    }
    io::Completion<storage::CommitOutcome> done;
    result.maildrop->Commit(std::move(deleted), {}, done);
    *outcome = co_await done;
  }
  // All but every so many-th.
  storage::CommitOutcome Delete(uint32_t keep_one_in) {
    auto outcome = storage::CommitOutcome::kFailed;
    Begin(DeleteTask(keep_one_in, &outcome));
    Settle();
    return outcome;
  }

  void ExpectBodies(const std::vector<std::string>& expected) {
    std::vector<StatusOr<std::string>> bodies;
    Begin(ReadAllTask(&bodies));
    Settle();
    ASSERT_EQ(bodies.size(), expected.size());
    for (size_t i = 0; i < bodies.size(); ++i) {
      ASSERT_TRUE(bodies[i].ok()) << bodies[i].status();
      EXPECT_EQ(*bodies[i], expected[i]);
    }
  }

  const MaildropKey key_{TenantId(1), "alice"};
  Dice dice_{11};
  Trace trace_{false};
  World world_{{}, &dice_, &trace_, [](const std::string& what) {
                 ADD_FAILURE() << what;
                 std::abort();
               }};
  storage::StoreOptions options_;
  std::list<io::Task<void>> tasks_;
};

TEST_F(SimStoreTest, ABlobWhoseLastWriteFailsIsNotStored) {
  const std::string wire = Message(20'000);
  EXPECT_EQ(Deliver(wire, [this] { world_.disk().Fail({.calls = Bit(DiskCall::kWrite)}); }),
            DeliveryOutcome::kTemporary);
  ExpectBodies({});
  EXPECT_EQ(Deliver(wire), DeliveryOutcome::kStored);
  ExpectBodies({wire});
}

// A read that gives fewer octets than asked is no damage. Often enough that each read is short
// once.
TEST_F(SimStoreTest, ShortReadsAreReadOn) {
  const std::string wire = Message(3'000);
  ASSERT_EQ(Deliver(wire), DeliveryOutcome::kStored);
  for (int i = 0; i < 100; ++i) ExpectBodies({wire});
}

TEST_F(SimStoreTest, AMissingIndexFolderIsMadeAnew) {
  const std::string wire = Message(500);
  ASSERT_EQ(Deliver(wire), DeliveryOutcome::kStored);
  ASSERT_TRUE(world_.Close().ok());
  world_.disk().Drop("/store/p000/index");
  ASSERT_TRUE(Open().ok());
  ExpectBodies({wire});
}

// A batch that a killed process wrote and never flushed is read from the cache by the next one, and
// must not be forgotten when the power goes then.
TEST_F(SimStoreTest, WhatARecoveryFoundStaysFound) {
  int found = 0;
  std::vector<std::string> expected;
  for (size_t i = 0; i < 40; ++i) {
    const std::string wire = Message(600 + 10 * i);
    auto outcome = DeliveryOutcome::kTemporary;
    const uint64_t calls = world_.disk().calls();
    Begin(DeliverTask(wire, nullptr, &outcome));
    world_.StepUntil("the write", [&] { return world_.disk().calls() > calls; });
    EndBy(&SimDisk::Kill);
    ASSERT_TRUE(Open().ok());
    std::vector<StatusOr<std::string>> bodies;
    Begin(ReadAllTask(&bodies));
    Settle();
    ASSERT_GE(bodies.size(), expected.size());
    if (bodies.size() > expected.size()) {
      ++found;
      expected.push_back(wire);
    }
    EndBy(&SimDisk::PowerCut);
    ASSERT_TRUE(Open().ok());
    ExpectBodies(expected);
  }
  EXPECT_GT(found, 0);
}

// Its messages stand in the log all the same: mail goes on, and the next start has everything.
TEST_F(SimStoreTest, ADamagedListHoldsUpNobody) {
  std::vector<std::string> expected;
  const auto deliver = [&](size_t bytes) {
    expected.push_back(Message(bytes));
    EXPECT_EQ(Deliver(expected.back()), DeliveryOutcome::kStored) << bytes;
  };
  for (size_t i = 0; i < 3; ++i) deliver(300 + i);
  ASSERT_TRUE(world_.Close().ok());
  ASSERT_NE(world_.index_engine().DamageList("/store/p000/index"), "");
  options_.checkpoint_changes = 2;  // The checkpoints meet the damage, too.
  ASSERT_TRUE(Open().ok());
  for (size_t i = 0; i < 40; ++i) deliver(400 + i);
  std::vector<StatusOr<std::string>> bodies;
  Begin(ReadAllTask(&bodies));
  Settle();
  EXPECT_TRUE(bodies.empty());
  ASSERT_TRUE(world_.Close().ok());
  ASSERT_TRUE(Open().ok());
  ExpectBodies(expected);
}

TEST_F(SimStoreTest, AReadThatFailsOnceAtAStartCostsNothing) {
  std::vector<std::string> expected;
  for (size_t i = 0; i < 5; ++i) {
    expected.push_back(Message(400 + i));
    ASSERT_EQ(Deliver(expected.back()), DeliveryOutcome::kStored);
  }
  for (uint64_t read = 0; read < 12; ++read) {
    EndBy(&SimDisk::PowerCut);
    // It may have gone with the power: LMDB does not flush its folder.
    const std::string index = "/store/p000/index/data.mdb";
    if (world_.disk().Content(index) != nullptr) world_.disk().Drop(index);
    world_.disk().Fail({.calls = Bit(DiskCall::kRead), .after = read});
    const Status opened = Open();
    world_.disk().Heal();
    if (!opened.ok()) {
      ASSERT_TRUE(Open().ok());
    }
    ExpectBodies(expected);
  }
}

// On a disk and clock where each slice of compaction takes a second of CPU time.
class SimCompactionTest : public SimStoreTest {
 protected:
  static constexpr uint32_t kPercent = 2;
  static constexpr uint64_t kHurry = 2;  // Most is dead: it is far behind.
  static constexpr uint64_t kSliceUs = 1'000'000;

  // With segments of which most is dead.
  void Reopen(uint64_t capacity_bytes) {
    ASSERT_TRUE(world_.Close().ok());
    world_.disk().set_capacity(capacity_bytes);
    world_.clock().set_slice_cpu_us(kSliceUs);
    options_.compact_cpu_percent = kPercent;
    options_.compact_bytes_per_second = 0;
    options_.checkpoint_interval_ms = 1'000;
    ASSERT_TRUE(Open().ok());
  }
  uint64_t Metric(const std::string& name) const {
    return static_cast<uint64_t>(world_.Metric(name));
  }
  uint64_t Emptied() const { return Metric("poplar_store_compacted_segments_total"); }
};

TEST_F(SimCompactionTest, TakesNoMoreOfACoreThanItMay) {
  Reopen(UINT64_MAX);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(Deliver(Message(3'000)), DeliveryOutcome::kStored);
  const uint64_t began_us = world_.clock().MonotonicUs();
  ASSERT_EQ(Delete(10), storage::CommitOutcome::kDone);
  constexpr uint64_t kSegments = 3;
  world_.StepUntil("compaction", [this] { return Emptied() == kSegments; });
  // The rest after its last group ended in this moment.
  const auto cpu_us = static_cast<uint64_t>(
      std::llround(world_.Metric("poplar_store_compaction_cpu_seconds_total") * 1e6));
  EXPECT_GE(cpu_us, kSegments * 2 * kSliceUs);  // At least a read and a group each.
  EXPECT_GE(world_.clock().MonotonicUs() - began_us, cpu_us * 100 / (kPercent * kHurry));
}

TEST_F(SimCompactionTest, AFullDiskIsEmptiedWithoutABudget) {
  Reopen(20 * 64 * kKiB);
  const std::string wire = Message(3'000);
  auto outcome = DeliveryOutcome::kStored;
  for (int i = 0; i < 1'000 && outcome == DeliveryOutcome::kStored; ++i) outcome = Deliver(wire);
  ASSERT_EQ(outcome, DeliveryOutcome::kFull);
  ASSERT_EQ(Delete(10), storage::CommitOutcome::kDone);
  const uint64_t began_us = world_.clock().MonotonicUs();
  while (outcome != DeliveryOutcome::kStored) {
    // The rest that one segment asks for is longer.
    ASSERT_LT(world_.clock().MonotonicUs() - began_us, 2 * kSliceUs * 100 / (kPercent * kHurry));
    outcome = Deliver(wire);
  }
}

TEST_F(SimStoreTest, ADiskThatReadsNothingIsNoDamage) {
  const std::string wire = Message(500);
  ASSERT_EQ(Deliver(wire), DeliveryOutcome::kStored);
  EndBy(&SimDisk::PowerCut);
  for (uint64_t read = 0; read < 6; ++read) {
    world_.disk().Fail({.calls = Bit(DiskCall::kRead), .after = read, .for_good = true});
    EXPECT_FALSE(Open().ok()) << read;
    world_.disk().Heal();
  }
  ASSERT_TRUE(Open().ok());
  ExpectBodies({wire});
}

}  // namespace
}  // namespace poplar::sim
