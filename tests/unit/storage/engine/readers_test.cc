// Snapshots without a lease: any number at once, beside one session that may delete.

#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

class ReadersTest : public testing::TestWithParam<uint32_t> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fixture_.Create(folder_.path(), 2).ok());
    ASSERT_TRUE(fixture_.Open(SmallStoreOptions(folder_.path())).ok());
    for (uint64_t i = 0; i < 20; ++i) fixture_.MustDeliver(0, Key("alice"), MakeMessage(i));
  }
  uint32_t Last() const { return GetParam() - 1; }
  std::unique_ptr<Maildrop> Read(uint32_t shard) {
    OpenResult opened = fixture_.OpenToRead(shard, Key("alice"));
    EXPECT_EQ(opened.outcome, OpenOutcome::kOpen);
    return std::move(opened.maildrop);
  }
  void Drop(uint32_t shard, std::unique_ptr<Maildrop> maildrop) {
    fixture_.On(shard, [&] { maildrop.reset(); });
  }

  TemporaryFolder folder_;
  StoreFixture fixture_{GetParam()};
};

TEST_P(ReadersTest, ManyReadBesideOneWhoDeletes) {
  OpenResult session = fixture_.OpenMaildrop(0, Key("alice"), SessionId(41));
  ASSERT_EQ(session.outcome, OpenOutcome::kOpen);
  std::unique_ptr<Maildrop> first = Read(0);
  std::unique_ptr<Maildrop> second = Read(Last());
  ASSERT_TRUE(first != nullptr && second != nullptr);
  EXPECT_EQ(fixture_.OpenMaildrop(Last(), Key("alice")).outcome, OpenOutcome::kInUse);
  EXPECT_EQ(fixture_.Metric("poplar_store_leases"), 1);
  std::vector<uint32_t> all(20);
  for (uint32_t i = 0; i < 20; ++i) all[i] = i;
  EXPECT_EQ(fixture_.Commit(0, std::move(session.maildrop), all), CommitOutcome::kDone);
  // What they saw stays, and stays readable.
  for (uint32_t i = 0; i < 20; ++i) {
    const StatusOr<std::string> wire = fixture_.ReadBody(Last(), *second, i);
    ASSERT_TRUE(wire.ok()) << wire.status();
    EXPECT_EQ(*wire, MakeMessage(i));
  }
  EXPECT_FALSE(second->lease_lost());
  Drop(0, std::move(first));
  Drop(Last(), std::move(second));
  EXPECT_TRUE(fixture_.List(0, Key("alice")).empty());
}

TEST_P(ReadersTest, TheyDeleteNothing) {
  const std::vector<Listed> before = fixture_.List(0, Key("alice"));
  EXPECT_EQ(fixture_.Commit(Last(), Read(Last()), {0, 1}), CommitOutcome::kRefused);
  EXPECT_EQ(fixture_.Commit(Last(), Read(Last()), {}, {0}), CommitOutcome::kRefused);
  EXPECT_EQ(fixture_.Commit(Last(), Read(Last()), {}), CommitOutcome::kDone);
  Drop(0, Read(0));
  EXPECT_EQ(fixture_.Metric("poplar_store_leases"), 0);
  EXPECT_EQ(fixture_.List(0, Key("alice")), before);
}

TEST_P(ReadersTest, TheyHearOfTheEndOfTheAccount) {
  std::unique_ptr<Maildrop> reader = Read(Last());
  EXPECT_TRUE(fixture_.Remove(0, Key("alice")).ok());
  EXPECT_TRUE(reader->lease_lost());
  std::unique_ptr<Maildrop> later = Read(Last());  // The same key, made again.
  EXPECT_FALSE(later->lease_lost());
  Drop(Last(), std::move(reader));
  Drop(Last(), std::move(later));
}

// A large message is a file of its own, which goes at once: that is no damage.
TEST_P(ReadersTest, ALargeMessageThatIsDeletedMeanwhileIsGone) {
  fixture_.MustDeliver(0, Key("alice"), MakeMessage(77, 3 * kMiB));
  std::unique_ptr<Maildrop> reader = Read(Last());
  OpenResult session = fixture_.OpenMaildrop(0, Key("alice"));
  ASSERT_EQ(session.outcome, OpenOutcome::kOpen);
  EXPECT_EQ(fixture_.Commit(0, std::move(session.maildrop), {20}), CommitOutcome::kDone);
  EXPECT_TRUE(Eventually([&] {
    return fixture_.ReadBody(Last(), *reader, 20).status().code() == StatusCode::kNotFound;
  }));
  EXPECT_EQ(fixture_.Metric("poplar_store_damaged_bodies_total"), 0);
  const StatusOr<std::string> wire = fixture_.ReadBody(Last(), *reader, 19);
  ASSERT_TRUE(wire.ok()) << wire.status();
  EXPECT_EQ(*wire, MakeMessage(19));
  Drop(Last(), std::move(reader));
}

TEST_P(ReadersTest, WhatCameSince) {
  std::unique_ptr<Maildrop> reader = Read(Last());
  const int64_t received_us = reader->Info(MessagePosition(0)).received_us;
  EXPECT_EQ(reader->ReceivedSince(received_us).size(), 20U);
  EXPECT_EQ(reader->ReceivedSince(received_us).back(), MessagePosition(19));
  EXPECT_TRUE(reader->ReceivedSince(received_us + 1).empty());
  Drop(Last(), std::move(reader));
}

INSTANTIATE_TEST_SUITE_P(Shards, ReadersTest, testing::Values(1, 3));

}  // namespace
}  // namespace poplar::storage
