#include "core/server/snapshot_view.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/base/check.h"

namespace poplar::server {
namespace {

// Message n is of n + 10 octets, has the UIDL "u<n>", and came at the n-th of the times given.
class ListedMaildrop : public storage::Maildrop {
 public:
  explicit ListedMaildrop(std::vector<int64_t> received_us)
      : received_us_(std::move(received_us)) {}

  uint32_t count() const override { return static_cast<uint32_t>(received_us_.size()); }
  uint64_t octets() const override { return 10 * count() + count() * (count() - 1) / 2; }
  storage::MessageInfo Info(storage::MessagePosition position) const override {
    storage::MessageInfo info;
    info.received_us = received_us_.at(position.value());
    return info;
  }
  void CopyOctets(storage::MessagePosition first, std::span<uint64_t> into) const override {
    ++calls;
    for (size_t i = 0; i < into.size(); ++i) into[i] = first.value() + i + 10;
  }
  void CopyUidls(storage::MessagePosition first, std::span<UidlText> into) const override {
    for (size_t i = 0; i < into.size(); ++i) {
      const std::string text = "u" + std::to_string(first.value() + i);
      into[i].bytes = static_cast<uint8_t>(text.copy(into[i].text.data(), text.size()));
    }
  }
  std::vector<storage::MessagePosition> ReceivedSince(int64_t since_us) const override {
    std::vector<storage::MessagePosition> positions;
    for (uint32_t i = 0; i < count(); ++i) {
      if (received_us_[i] >= since_us) positions.emplace_back(i);
    }
    return positions;
  }
  bool lease_lost() const override { return false; }
  bool wants_fetched() const override { return false; }
  std::unique_ptr<io::Body> OpenBody(storage::MessagePosition) override { POP_CHECK(false); }
  void Commit(std::vector<storage::MessagePosition>, std::vector<storage::MessagePosition>,
              io::Completion<storage::CommitOutcome>&) override {
    POP_CHECK(false);
  }

  mutable int calls = 0;

 private:
  const std::vector<int64_t> received_us_;
};

std::vector<std::string> UidlsOf(const SnapshotView& view, uint32_t first) {
  std::vector<UidlText> uidls(view.count() - first);
  view.CopyUidls(pop3::MessageIndex(first), uidls);
  std::vector<std::string> texts;
  texts.reserve(uidls.size());
  for (const UidlText& uidl : uidls) texts.emplace_back(uidl.view());
  return texts;
}

TEST(SnapshotView, All) {
  const ListedMaildrop maildrop({5, 1, 9});
  const SnapshotView view(maildrop);
  EXPECT_EQ(view.count(), 3U);
  EXPECT_EQ(view.total_octets(), 33U);
  EXPECT_EQ(view.PositionOf(pop3::MessageIndex(2)), storage::MessagePosition(2));
  EXPECT_EQ(UidlsOf(view, 0), (std::vector<std::string>{"u0", "u1", "u2"}));
}

TEST(SnapshotView, WhatIsRecentIsNumberedFromOneAndKeepsItsUidls) {
  // Imported mail is not in the order of its dates.
  const ListedMaildrop maildrop({50, 7, 60, 61, 3, 70});
  const SnapshotView view(maildrop, 50);
  ASSERT_EQ(view.count(), 4U);
  EXPECT_EQ(view.total_octets(), 10U + 12 + 13 + 15);
  EXPECT_EQ(UidlsOf(view, 0), (std::vector<std::string>{"u0", "u2", "u3", "u5"}));
  EXPECT_EQ(UidlsOf(view, 2), (std::vector<std::string>{"u3", "u5"}));
  EXPECT_EQ(view.octets(pop3::MessageIndex(1)), 12U);
  EXPECT_EQ(view.received_us(pop3::MessageIndex(3)), 70);
  EXPECT_EQ(view.PositionOf(pop3::MessageIndex(3)), storage::MessagePosition(5));
}

TEST(SnapshotView, NothingIsRecent) {
  const ListedMaildrop maildrop({1, 2});
  const SnapshotView view(maildrop, 3);
  EXPECT_EQ(view.count(), 0U);
  EXPECT_EQ(view.total_octets(), 0U);
}

TEST(SnapshotView, RunsAreCopiedAtOnce) {
  std::vector<int64_t> times(1000, 100);
  times[500] = 0;
  const ListedMaildrop maildrop(times);
  const SnapshotView view(maildrop, 1);
  ASSERT_EQ(view.count(), 999U);
  maildrop.calls = 0;
  std::vector<uint64_t> octets(999);
  view.CopyOctets(pop3::MessageIndex(0), octets);
  EXPECT_EQ(maildrop.calls, 2);
  EXPECT_EQ(octets[499], 509U);
  EXPECT_EQ(octets[500], 511U);
  EXPECT_EQ(octets[998], 1009U);
}

}  // namespace
}  // namespace poplar::server
