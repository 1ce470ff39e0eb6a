// Ends and faults that lives met, each by itself: what the store did wrong once, it does right.

#include "tests/sim/store_fixture.h"

namespace poplar::sim {
namespace {

using storage::DeliveryOutcome;

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
