// The table and the index together, against a plain model, through checkpoints that succeed, fail
// and overlap with loads.

#include "storage/index/maildrop_table.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

constexpr uint32_t kEntryOctets = 5;

class MaildropTableTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = Index::Open({folder_.path(), 256 * kMiB});
    ASSERT_TRUE(opened.ok()) << opened.status();
    index_ = std::move(*opened);
  }

  MessageEntry NextEntry() {
    MessageEntry entry;
    entry.id = MessageId(next_id_++);
    entry.lsn = Lsn(1, entry.id.value() * 8);
    entry.octets = kEntryOctets;
    entry.wire_bytes = 8;
    return entry;
  }
  std::vector<uint64_t> IdsOf(MaildropState& maildrop) {
    std::vector<uint64_t> ids;
    uint32_t hint = 0;
    for (uint32_t i = 0; i < maildrop.list->count(); ++i) {
      ids.push_back(maildrop.list->At(i, hint).id.value());
    }
    return ids;
  }
  MaildropState& Load(MaildropTable& table, const std::string& key) {
    MaildropState& maildrop = table.FindOrMake(key);
    if (maildrop.list == nullptr) {
      auto list = index_->Load(key);
      EXPECT_TRUE(list.ok()) << list.status();
      table.InstallList(maildrop, std::move(*list));
    }
    return maildrop;
  }

  TemporaryFolder folder_;
  std::unique_ptr<Index> index_;
  uint64_t next_id_ = 1;
};

// A table under random changes, and what must be in it.
class MaildropTableModelTest : public MaildropTableTest {
 protected:
  void SetUp() override {
    MaildropTableTest::SetUp();
    table_ = std::make_unique<MaildropTable>(1);  // Nothing clean stays.
    table_->AddSegment(1, {1, 1000, 0, 0});
  }

  void Deliver(const std::string& key) {
    const MessageEntry entry = NextEntry();
    table_->Add(table_->FindOrMake(key), entry, "");
    model_[key].push_back(entry.id.value());
  }
  void Expunge(const std::string& key) {
    if (IsLoading(key)) return;
    MaildropState& maildrop = Load(*table_, key);
    ASSERT_EQ(IdsOf(maildrop), model_[key]);
    std::vector<MessageId> gone;
    for (const uint64_t id : model_[key]) {
      if (random_() % 4 == 0) gone.emplace_back(id);
    }
    table_->Expunge(maildrop, gone);
    std::erase_if(model_[key], [&](uint64_t id) {
      return std::binary_search(gone.begin(), gone.end(), MessageId(id));
    });
  }
  void Remove(const std::string& key) {
    if (random_() % 8 != 0 || IsLoading(key)) return;
    table_->Remove(Load(*table_, key), MessageId(next_id_++));
    model_[key].clear();
  }
  // Begins one, or ends the one under way.
  void Checkpoint() {
    if (!under_way_.has_value()) {
      under_way_ = table_->TakeCheckpoint();
      was_written_ = random_() % 3 != 0;
      if (was_written_) {
        ASSERT_TRUE(index_->Write(*under_way_).ok());
      }
      return;
    }
    // One in four that were written is told to have failed.
    table_->FinishCheckpoint(*under_way_, was_written_ && random_() % 4 != 0);
    under_way_.reset();
  }
  // Begins to, or ends: other things happen between.
  void LoadList(const std::string& key) {
    if (loading_ != nullptr) {
      table_->InstallList(*loading_, std::move(loaded_));
      ASSERT_EQ(IdsOf(*loading_), model_[loading_->key]);
      table_->Unpin(*std::exchange(loading_, nullptr));
    } else if (MaildropState& maildrop = table_->FindOrMake(key); maildrop.list == nullptr) {
      ++maildrop.pins;
      loading_ = &maildrop;
      loaded_ = *index_->Load(key);
    }
  }
  // Begins to ask what it holds, or ends.
  void Count(const std::string& key) {
    if (counting_ != nullptr) {
      table_->InstallTotals(*counting_, totals_);
      ASSERT_TRUE(counting_->counted());
      table_->Unpin(*std::exchange(counting_, nullptr));
    } else if (MaildropState& maildrop = table_->FindOrMake(key); !maildrop.counted()) {
      ++maildrop.pins;
      counting_ = &maildrop;
      totals_ = *index_->LoadTotals(key);
    }
  }
  void CheckCounts() {
    for (const auto& [key, ids] : model_) {
      const MaildropState* const maildrop = table_->Find(key);
      if (maildrop == nullptr || !maildrop->counted()) continue;
      ASSERT_EQ(maildrop->messages(), ids.size()) << key;
      ASSERT_EQ(maildrop->octets(), kEntryOctets * ids.size()) << key;
      counts_seen_ += maildrop->list == nullptr ? 1 : 0;
    }
  }
  void Step(const std::string& key) {
    const uint64_t what = random_() % 9;
    if (what <= 2) {
      Deliver(key);
    } else if (what == 3) {
      Expunge(key);
    } else if (what == 4) {
      Remove(key);
    } else if (what == 5) {
      Checkpoint();
    } else if (what == 6) {
      LoadList(key);
    } else if (what == 7) {
      Count(key);
    } else {
      table_->Evict();
    }
  }
  bool IsLoading(const std::string& key) const {
    return loading_ != nullptr && loading_->key == key;
  }
  std::vector<uint64_t> IdsInIndex(const std::string& key) {
    const auto list = index_->Load(key);
    EXPECT_TRUE(list.ok()) << list.status();
    std::vector<uint64_t> ids;
    uint32_t hint = 0;
    for (uint32_t i = 0; list.ok() && i < (*list)->count(); ++i) {
      ids.push_back((*list)->At(i, hint).id.value());
    }
    return ids;
  }

  std::mt19937 random_{11};
  std::unique_ptr<MaildropTable> table_;
  std::map<std::string, std::vector<uint64_t>> model_;
  std::optional<poplar::storage::Checkpoint> under_way_;
  bool was_written_ = false;
  MaildropState* loading_ = nullptr;
  std::shared_ptr<MessageList> loaded_;
  MaildropState* counting_ = nullptr;
  IndexTotals totals_;
  int counts_seen_ = 0;
};

TEST_F(MaildropTableModelTest, AsAModelThroughCheckpoints) {
  const std::vector<std::string> keys{EncodeMaildropKey(Key("a")), EncodeMaildropKey(Key("b")),
                                      EncodeMaildropKey(Key("ab")), EncodeMaildropKey(Key("c", 2))};
  for (int step = 0; step < 6000; ++step) {
    Step(keys[random_() % keys.size()]);
    CheckCounts();
    ASSERT_FALSE(HasFatalFailure()) << step;
  }
  EXPECT_GT(counts_seen_, 100);
  // At last everything is in the index, and its counts are right.
  if (under_way_.has_value()) table_->FinishCheckpoint(*under_way_, was_written_);
  ASSERT_TRUE(index_->Write(table_->TakeCheckpoint()).ok());
  uint64_t messages = 0;
  for (const std::string& key : keys) {
    EXPECT_EQ(IdsInIndex(key), model_[key]);
    messages += model_[key].size();
  }
  EXPECT_EQ(table_->segments().at(1).live_records, messages);
}

TEST_F(MaildropTableTest, DeletedBlobsAreDoomedOnce) {
  MaildropTable table(kMiB);
  const std::string key = EncodeMaildropKey(Key("a"));
  MessageEntry entry = NextEntry();
  entry.blob = BlobId(77);
  entry.flags = kEntryInBlob;
  table.Add(Load(table, key), entry, "");
  Checkpoint checkpoint = table.TakeCheckpoint();
  EXPECT_EQ(checkpoint.blobs.at(entry.id), BlobId(77));
  ASSERT_TRUE(index_->Write(checkpoint).ok());
  table.FinishCheckpoint(checkpoint, true);
  EXPECT_EQ(index_->ReadBlobs()->size(), 1U);
  table.Expunge(Load(table, key), std::vector<MessageId>{entry.id});
  EXPECT_EQ(table.TakeDoomedBlobs(), std::vector<BlobId>{BlobId(77)});
  EXPECT_FALSE(table.has_doomed_blobs());
  checkpoint = table.TakeCheckpoint();
  ASSERT_TRUE(index_->Write(checkpoint).ok());
  table.FinishCheckpoint(checkpoint, true);
  EXPECT_TRUE(index_->ReadBlobs()->empty());
}

TEST_F(MaildropTableTest, ListsInMemoryAreBounded) {
  MaildropTable table(64 * kKiB);
  for (int i = 0; i < 2000; ++i) {
    Load(table, EncodeMaildropKey(Key("user" + std::to_string(i))));
    table.Evict();
    ASSERT_LE(table.cached_bytes(), 64 * kKiB);
  }
  EXPECT_GT(table.size(), 10U);
  EXPECT_LT(table.size(), 500U);
}

TEST_F(MaildropTableTest, WhatItHoldsIsRememberedWithoutItsList) {
  MaildropTable table(64 * kKiB);
  const std::string key = EncodeMaildropKey(Key("a"));
  for (int i = 0; i < 100; ++i) table.Add(table.FindOrMake(key), NextEntry(), "");
  Checkpoint checkpoint = table.TakeCheckpoint();
  ASSERT_TRUE(index_->Write(checkpoint).ok());
  table.FinishCheckpoint(checkpoint, true);
  EXPECT_EQ(table.Find(key), nullptr);
  EXPECT_EQ(index_->LoadTotals(EncodeMaildropKey(Key("nobody")))->messages, 0U);
  MaildropState& maildrop = table.FindOrMake(key);
  ++maildrop.pins;
  table.InstallTotals(maildrop, *index_->LoadTotals(key));
  table.Unpin(maildrop);
  ASSERT_EQ(table.Find(key), &maildrop);
  const uint64_t counted_bytes = table.cached_bytes();
  EXPECT_GT(counted_bytes, 0U);
  EXPECT_EQ(maildrop.list, nullptr);
  table.Add(maildrop, NextEntry(), "");
  EXPECT_EQ(maildrop.messages(), 101U);
  // Its list takes the place of the count.
  EXPECT_EQ(IdsOf(Load(table, key)).size(), 101U);
  EXPECT_GT(table.cached_bytes(), 10 * counted_bytes);
}

}  // namespace
}  // namespace poplar::storage
