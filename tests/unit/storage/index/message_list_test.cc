#include "storage/index/message_list.h"

#include <gtest/gtest.h>

#include <random>

namespace poplar::storage {
namespace {

MessageEntry Entry(uint64_t id) {
  MessageEntry entry;
  entry.id = MessageId(id);
  entry.lsn = Lsn(1, id * 8);
  entry.octets = 10;
  entry.wire_bytes = 13;
  return entry;
}

std::vector<uint64_t> Ids(const MessageList& list) {
  std::vector<uint64_t> ids;
  uint32_t hint = 0;
  for (uint32_t i = 0; i < list.count(); ++i) ids.push_back(list.At(i, hint).id.value());
  return ids;
}

// Against a plain vector: every position by every hint, totals, and what checkpoints would write.
TEST(MessageListTest, BehavesAsAVector) {
  std::mt19937 random(5);
  MessageList list;
  std::vector<uint64_t> model;
  std::map<uint32_t, Chunk> index;
  uint64_t next = 1;
  for (int step = 0; step < 300; ++step) {
    const auto snapshot = std::make_shared<const MessageList>(list);
    const std::vector<uint64_t> before = model;
    for (unsigned i = random() % 90; i > 0; --i) {
      list.Append(Entry(next), "");
      model.push_back(next++);
    }
    std::vector<MessageId> gone;
    for (const uint64_t id : model) {
      if (random() % 3 == 0) gone.emplace_back(id);
    }
    EXPECT_EQ(list.Erase(gone).entries.size(), gone.size());
    std::erase_if(model, [&](uint64_t id) {
      return std::binary_search(gone.begin(), gone.end(), MessageId(id));
    });
    ASSERT_EQ(Ids(list), model);
    ASSERT_EQ(list.octets(), model.size() * 10);
    for (int probe = 0; probe < 20 && !model.empty(); ++probe) {
      uint32_t hint = random() % 10;
      const uint32_t at = random() % model.size();
      ASSERT_EQ(list.At(at, hint).id.value(), model[at]);
      ASSERT_NE(list.Find(MessageId(model[at])), nullptr);
    }
    if (step % 3 == 0) {
      ListChanges changes = list.TakeChanges();
      if (step % 2 == 0) {  // It failed, and is tried again.
        list.PutBack(changes);
        changes = list.TakeChanges();
      }
      for (const uint32_t number : changes.dropped) index.erase(number);
      for (const auto& [number, chunk] : changes.put) index[number] = *chunk;
      std::vector<uint64_t> written;
      for (const auto& [number, chunk] : index) {
        for (const MessageEntry& entry : chunk.entries) written.push_back(entry.id.value());
      }
      ASSERT_EQ(written, model);
    }
    ASSERT_EQ(Ids(*snapshot), before);  // A copy never changes.
  }
}

TEST(MessageListTest, KeepsImportedUidls) {
  MessageList list;
  for (uint64_t i = 1; i <= 100; ++i) {
    MessageEntry entry = Entry(i);
    const std::string uidl = i % 2 == 0 ? "uid-" + std::to_string(i) : "";
    entry.uidl_bytes = static_cast<uint8_t>(uidl.size());
    if (!uidl.empty()) entry.flags = kEntryImported;
    list.Append(entry, uidl);
  }
  list.Erase(std::vector<MessageId>{MessageId(2), MessageId(50), MessageId(51)});
  EXPECT_EQ(list.Merge({{Entry(51)}, ""}), 0U);
  uint32_t hint = 0;
  for (uint32_t i = 0; i < list.count(); ++i) {
    const MessageEntry& entry = list.At(i, hint);
    const uint64_t id = entry.id.value();
    EXPECT_EQ(list.ImportedUidl(i, hint), id % 2 == 0 ? "uid-" + std::to_string(id) : "");
  }
  EXPECT_EQ(list.count(), 98U);
}

TEST(MessageListTest, MovesARecordOnlyFromWhereItStands) {
  MessageList list;
  list.Append(Entry(4), "");
  EXPECT_FALSE(list.Move(MessageId(4), Lsn(9, 9), Lsn(2, 8)));
  EXPECT_TRUE(list.Move(MessageId(4), Entry(4).lsn, Lsn(2, 8)));
  EXPECT_EQ(list.Find(MessageId(4))->lsn, Lsn(2, 8));
  EXPECT_FALSE(list.Move(MessageId(5), Lsn(2, 8), Lsn(3, 8)));
}

}  // namespace
}  // namespace poplar::storage
