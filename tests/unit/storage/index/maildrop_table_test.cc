// The table and the index together, against a plain model, through checkpoints that succeed, fail
// and overlap with loads.

#include "storage/index/maildrop_table.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

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
    entry.octets = 5;
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

TEST_F(MaildropTableTest, AsAModelThroughCheckpoints) {
  std::mt19937 random(11);
  const std::vector<std::string> keys{EncodeMaildropKey(Key("a")), EncodeMaildropKey(Key("b")),
                                      EncodeMaildropKey(Key("ab")), EncodeMaildropKey(Key("c", 2))};
  std::map<std::string, std::vector<uint64_t>> model;
  auto table = std::make_unique<MaildropTable>(1);  // Nothing clean stays.
  table->AddSegment(1, {1, 1000, 0, 0});
  std::optional<Checkpoint> under_way;
  bool was_written = false;
  MaildropState* loading = nullptr;
  std::shared_ptr<MessageList> loaded;
  for (int step = 0; step < 6000; ++step) {
    const std::string& key = keys[random() % keys.size()];
    switch (random() % 8) {
      case 0:
      case 1:
      case 2: {
        const MessageEntry entry = NextEntry();
        table->Add(table->FindOrMake(key), entry, "");
        model[key].push_back(entry.id.value());
        break;
      }
      case 3: {
        if (loading != nullptr && loading->key == key) break;
        MaildropState& maildrop = Load(*table, key);
        ASSERT_EQ(IdsOf(maildrop), model[key]) << step;
        std::vector<MessageId> gone;
        for (const uint64_t id : model[key]) {
          if (random() % 4 == 0) gone.emplace_back(id);
        }
        table->Expunge(maildrop, gone);
        std::erase_if(model[key], [&](uint64_t id) {
          return std::binary_search(gone.begin(), gone.end(), MessageId(id));
        });
        break;
      }
      case 4:
        if (random() % 8 != 0 || (loading != nullptr && loading->key == key)) break;
        table->Remove(Load(*table, key), MessageId(next_id_++));
        model[key].clear();
        break;
      case 5:  // A checkpoint begins, or ends.
        if (!under_way.has_value()) {
          under_way = table->TakeCheckpoint();
          was_written = random() % 3 != 0;
          if (was_written) {
            ASSERT_TRUE(index_->Write(*under_way).ok());
          }
          break;
        }
        // One in four that were written is told to have failed.
        table->FinishCheckpoint(*under_way, was_written && random() % 4 != 0);
        under_way.reset();
        break;
      case 6:  // A load begins, or ends: other things happen between.
        if (loading != nullptr) {
          table->InstallList(*loading, std::move(loaded));
          ASSERT_EQ(IdsOf(*loading), model[loading->key]) << step;
          table->Unpin(*std::exchange(loading, nullptr));
        } else if (MaildropState& maildrop = table->FindOrMake(key); maildrop.list == nullptr) {
          ++maildrop.pins;
          loading = &maildrop;
          loaded = *index_->Load(key);
        }
        break;
      default:
        table->Evict();
        break;
    }
  }
  // At last everything is in the index, and its counts are right.
  if (under_way.has_value()) table->FinishCheckpoint(*under_way, was_written);
  const Checkpoint last = table->TakeCheckpoint();
  ASSERT_TRUE(index_->Write(last).ok());
  uint64_t messages = 0;
  for (const std::string& key : keys) {
    const auto list = index_->Load(key);
    ASSERT_TRUE(list.ok()) << list.status();
    std::vector<uint64_t> ids;
    uint32_t hint = 0;
    for (uint32_t i = 0; i < (*list)->count(); ++i) {
      ids.push_back((*list)->At(i, hint).id.value());
    }
    EXPECT_EQ(ids, model[key]);
    messages += ids.size();
  }
  EXPECT_EQ(table->segments().at(1).live_records, messages);
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

}  // namespace
}  // namespace poplar::storage
