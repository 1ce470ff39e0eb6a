// Deliveries: what is acknowledged is listed and read back byte for byte.

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <numeric>

#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

class DeliverTest : public testing::TestWithParam<uint32_t> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fixture_.Create(folder_.path(), 3).ok());
    ASSERT_TRUE(fixture_.Open(SmallStoreOptions(folder_.path())).ok());
  }

  uint32_t AShard(uint64_t i) const { return static_cast<uint32_t>(i % GetParam()); }
  size_t Blobs() const {
    const std::filesystem::recursive_directory_iterator files(folder_.path());
    return static_cast<size_t>(std::count_if(begin(files), end(files), [](const auto& file) {
      return file.path().extension() == ".blob";
    }));
  }

  TemporaryFolder folder_;
  StoreFixture fixture_{GetParam()};
};

TEST_P(DeliverTest, WhatArrivedIsReadBack) {
  std::vector<std::string> sent;
  for (uint64_t i = 0; i < 60; ++i) {
    sent.push_back(MakeMessage(i, 100 + i * 700));
    fixture_.MustDeliver(AShard(i), Key("alice"), sent.back());
  }
  const std::vector<Listed> list = fixture_.List(AShard(1), Key("alice"));
  ASSERT_EQ(list.size(), sent.size());
  for (size_t i = 0; i < sent.size(); ++i) EXPECT_EQ(list[i].wire, sent[i]) << i;
  EXPECT_TRUE(fixture_.List(0, Key("bob")).empty());
  EXPECT_EQ(fixture_.Metric("poplar_store_deliveries_total"), 60);
}

TEST_P(DeliverTest, RecipientsOnManyPartitionsAndOneTwice) {
  std::vector<MaildropKey> recipients;
  for (int i = 0; i < 20; ++i) recipients.push_back(Key("user" + std::to_string(i), i % 2));
  recipients.push_back(recipients[3]);
  const std::string wire = MakeMessage(7, 3000);
  const auto outcomes = fixture_.Deliver(0, recipients, wire);
  EXPECT_EQ(outcomes, std::vector<DeliveryOutcome>(21, DeliveryOutcome::kStored));
  for (int i = 0; i < 20; ++i) {
    const auto list = fixture_.List(AShard(i), recipients[i]);
    ASSERT_EQ(list.size(), i == 3 ? 2U : 1U);
    EXPECT_EQ(list[0].wire, wire);
  }
}

TEST_P(DeliverTest, AnAccountIdThatCannotBeIsRefusedAlone) {
  const auto outcomes = fixture_.Deliver(
      0, {Key("alice"), Key(""), Key(std::string(129, 'x')), Key(std::string(128, 'x'))},
      MakeMessage(1));
  EXPECT_EQ(outcomes,
            (std::vector<DeliveryOutcome>{DeliveryOutcome::kStored, DeliveryOutcome::kTemporary,
                                          DeliveryOutcome::kTemporary, DeliveryOutcome::kStored}));
}

// Otherwise no QUIT could ever delete all of them.
TEST_P(DeliverTest, AMaildropHoldsNoMoreThanOneRecordCanDelete) {
  ASSERT_TRUE(fixture_.Close().ok());
  StoreOptions options = SmallStoreOptions(folder_.path());
  options.segment_bytes = options.first_segment_bytes = 64 * kKiB;
  options.blob_bytes_min = 8 * kKiB;
  ASSERT_TRUE(fixture_.Open(options).ok());
  const uint64_t fit = 64 * kKiB / 16;
  (void)fixture_.List(0, Key("alice"));
  uint64_t stored = 0;
  DeliveryOutcome outcome = DeliveryOutcome::kStored;
  for (; stored <= fit && outcome == DeliveryOutcome::kStored; stored += 8) {
    const std::vector<MaildropKey> eight(8, Key("alice"));
    outcome = fixture_.Deliver(0, eight, MakeMessage(stored, 20)).back();
  }
  EXPECT_EQ(outcome, DeliveryOutcome::kTooMany);
  EXPECT_GT(stored, fit * 8 / 10);
  OpenResult opened = fixture_.OpenMaildrop(0, Key("alice"));
  ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
  std::vector<uint32_t> all(opened.maildrop->count());
  std::iota(all.begin(), all.end(), 0U);
  EXPECT_EQ(fixture_.Commit(0, std::move(opened.maildrop), all), CommitOutcome::kDone);
  EXPECT_TRUE(fixture_.List(0, Key("alice")).empty());
}

// Once its list is known, that is: who delivers never waits for one.
TEST_P(DeliverTest, AMaildropHoldsSoManyMessagesAndNoMore) {
  ASSERT_TRUE(fixture_.Close().ok());
  StoreOptions options = SmallStoreOptions(folder_.path());
  options.messages_per_maildrop_max = 3;
  ASSERT_TRUE(fixture_.Open(options).ok());
  for (uint64_t i = 0; i < 3; ++i) fixture_.MustDeliver(0, Key("alice"), MakeMessage(i));
  const std::vector<Listed> before = fixture_.List(0, Key("alice"));
  ASSERT_EQ(before.size(), 3U);
  // In its record, and in a blob, of which nothing stays.
  for (const std::string& wire : {MakeMessage(3), MakeMessage(4, 2 * kMiB)}) {
    EXPECT_EQ(fixture_.Deliver(0, {Key("alice"), Key("bob")}, wire),
              (std::vector{DeliveryOutcome::kTooMany, DeliveryOutcome::kStored}));
  }
  EXPECT_EQ(fixture_.List(0, Key("alice")), before);
  EXPECT_EQ(fixture_.List(0, Key("bob")).size(), 2U);
  EXPECT_TRUE(Eventually([&] { return Blobs() == 1; }));
  EXPECT_EQ(fixture_.Metric("poplar_store_deliveries_total"), 5);

  OpenResult opened = fixture_.OpenMaildrop(0, Key("alice"));
  ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
  ASSERT_EQ(fixture_.Commit(0, std::move(opened.maildrop), {1}), CommitOutcome::kDone);
  fixture_.MustDeliver(0, Key("alice"), MakeMessage(5));
  EXPECT_EQ(fixture_.Deliver(0, {Key("alice")}, MakeMessage(6)),
            std::vector{DeliveryOutcome::kTooMany});
  EXPECT_EQ(fixture_.Metric("poplar_store_over_quota_total"), 3);
}

TEST_P(DeliverTest, TheSmallestMessage) {
  fixture_.MustDeliver(0, Key("alice"), ".\r\n");
  const auto list = fixture_.List(0, Key("alice"));
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0].wire, ".\r\n");
}

// Starts `count` deliveries at once on one shard and waits for all.
io::Task<int> DeliverManyTask(ShardStore* store, int count, uint64_t seed) {
  struct One {
    static io::Task<void> Run(ShardStore* on, uint64_t number, int* left, int* stored,
                              io::Completion<int>* all) {
      std::vector<MaildropKey> recipients(1, Key("user" + std::to_string(number % 7)));
      std::string message = MakeMessage(number, 4000);
      const auto outcomes =
          co_await DeliverTask(on, std::move(recipients), std::move(message), 4096);
      *stored += outcomes[0] == DeliveryOutcome::kStored ? 1 : 0;
      if (--*left == 0) all->Set(*stored);
    }
  };
  int left = count;
  int stored = 0;
  io::Completion<int> all;
  std::vector<io::Task<void>> tasks;
  for (int i = 0; i < count; ++i) {
    tasks.push_back(One::Run(store, seed + i, &left, &stored, &all));
    tasks.back().Start();
  }
  const int result = co_await all;
  co_return result;
}

TEST_P(DeliverTest, WhatArrivesTogetherIsFlushedTogether) {
  int stored = 0;
  for (uint64_t round = 0; round < 10; ++round) {
    stored += fixture_.Run<int>(AShard(round), [&](ShardStore* store) {
      return DeliverManyTask(store, 128, round * 1000);
    });
  }
  EXPECT_EQ(stored, 1280);
  // 3 partitions and 10 rounds: at best 30 flushes; far fewer than one a message.
  EXPECT_LE(fixture_.Metric("poplar_store_batches_total"), 200);
  uint64_t found = 0;
  for (int i = 0; i < 7; ++i) found += fixture_.List(0, Key("user" + std::to_string(i))).size();
  EXPECT_EQ(found, 1280U);
}

INSTANTIATE_TEST_SUITE_P(Shards, DeliverTest, testing::Values(1, 2, 4));

}  // namespace
}  // namespace poplar::storage
