#include "core/proto/pop3/maildrop.h"

#include <gtest/gtest.h>

#include <string>

#include "core/base/limits.h"
#include "core/proto/pop3/listing.h"
#include "tests/support/pop3_peer.h"

namespace poplar::pop3 {
namespace {

test::MemoryMaildrop Messages(uint32_t count) {
  test::MemoryMaildrop view;
  for (uint32_t i = 0; i < count; ++i) view.AddOctets(20 + i, "uid-" + std::to_string(i));
  return view;
}

TEST(Maildrop, MarksChangeWhatIsCounted) {
  const test::MemoryMaildrop view = Messages(200);
  Maildrop maildrop;
  maildrop.Open(view);
  EXPECT_EQ(maildrop.count(), 200u);
  EXPECT_EQ(maildrop.octets(), view.total_octets());
  EXPECT_TRUE(maildrop.Deleted().empty());

  uint64_t octets = view.total_octets();
  for (const uint32_t i : {199u, 0u, 63u, 64u, 127u, 128u}) {
    EXPECT_FALSE(maildrop.IsDeleted(MessageIndex(i)));
    maildrop.Delete(MessageIndex(i));
    EXPECT_TRUE(maildrop.IsDeleted(MessageIndex(i)));
    octets -= 20 + i;
    EXPECT_EQ(maildrop.octets(), octets);
  }
  EXPECT_EQ(maildrop.count(), 194u);
  const std::vector<MessageIndex> expected = {MessageIndex(0),   MessageIndex(63),
                                              MessageIndex(64),  MessageIndex(127),
                                              MessageIndex(128), MessageIndex(199)};
  EXPECT_EQ(maildrop.Deleted(), expected);

  maildrop.Undelete();
  EXPECT_EQ(maildrop.count(), 200u);
  EXPECT_EQ(maildrop.octets(), view.total_octets());
  EXPECT_TRUE(maildrop.Deleted().empty());
}

std::string RowsOf(const Maildrop& maildrop, Listing::Column column) {
  std::string rows;
  for (uint32_t i = 0; i < maildrop.view().count(); ++i) {
    const MessageIndex message(i);
    if (maildrop.IsDeleted(message)) continue;
    rows += std::to_string(i + 1) + " " +
            (column == Listing::Column::kUidl ? std::string(maildrop.view().uidl(message).view())
                                              : std::to_string(maildrop.view().octets(message))) +
            "\r\n";
  }
  return rows + ".\r\n";
}

TEST(Listing, RowsAreTheSameInPiecesOfAnySize) {
  const test::MemoryMaildrop view = Messages(1000);
  Maildrop maildrop;
  maildrop.Open(view);
  for (uint32_t i = 0; i < 1000; i += 3) maildrop.Delete(MessageIndex(i));
  for (const Listing::Column column : {Listing::Column::kOctets, Listing::Column::kUidl}) {
    const std::string expected = RowsOf(maildrop, column);
    for (const size_t bytes_max : {1, 100, 4096, 1 << 20}) {
      Listing listing;
      listing.Start(column);
      std::string rows;
      base::ByteBuffer out;
      while (listing.under_way()) {
        listing.Fill(maildrop, bytes_max, out);
        EXPECT_LE(out.size(), bytes_max + 32 * 100);
        rows += out.view();
        out.Clear();
      }
      EXPECT_EQ(rows, expected) << bytes_max;
    }
  }
}

void ExpectItsRows(const MaildropView& view, Listing::Column column) {
  Maildrop maildrop;
  maildrop.Open(view);
  Listing listing;
  listing.Start(column);
  base::ByteBuffer out;
  while (listing.under_way()) listing.Fill(maildrop, 1 << 20, out);
  EXPECT_EQ(out.view(), RowsOf(maildrop, column));
}

// Whatever it costs to copy them fast.
TEST(Listing, UidlsOfAllLengths) {
  test::MemoryMaildrop view;
  for (uint32_t i = 1; i <= 2 * kUidlBytesMax; ++i) {
    view.AddOctets(2 + i, std::string((i + 1) / 2, static_cast<char>('a' + i % 26)));
  }
  ExpectItsRows(view, Listing::Column::kUidl);
}

// Sizes on both sides of each further digit, and of what 32 bits hold.
class PowersView : public test::MemoryMaildrop {
 public:
  uint32_t count() const override { return 40; }
  void CopyOctets(MessageIndex first, std::span<uint64_t> into) const override {
    for (uint32_t i = 0; i < into.size(); ++i) {
      uint64_t power = 1;
      for (uint32_t p = 0; p < (first.value() + i) / 2; ++p) power *= 10;
      into[i] = power - (first.value() + i) % 2;
    }
  }
};

TEST(Listing, SizesOfAllLengths) {
  const PowersView view;
  ExpectItsRows(view, Listing::Column::kOctets);
}

// Every digit in every place.
class ManySizesView : public test::MemoryMaildrop {
 public:
  uint32_t count() const override { return 20'000; }
  void CopyOctets(MessageIndex first, std::span<uint64_t> into) const override {
    for (uint32_t i = 0; i < into.size(); ++i) {
      into[i] = (first.value() + i) * 7'654'321ULL % 123'456'789;
    }
  }
};

TEST(Listing, SizesOfAllDigits) {
  const ManySizesView view;
  ExpectItsRows(view, Listing::Column::kOctets);
}

TEST(Listing, EverythingDeletedAndNothingThere) {
  const test::MemoryMaildrop view = Messages(70);
  Maildrop maildrop;
  maildrop.Open(view);
  for (uint32_t i = 0; i < 70; ++i) maildrop.Delete(MessageIndex(i));
  const test::MemoryMaildrop empty;
  Maildrop nothing;
  nothing.Open(empty);
  for (const Maildrop* const each : {&maildrop, &nothing}) {
    Listing listing;
    listing.Start(Listing::Column::kUidl);
    base::ByteBuffer out;
    while (listing.under_way()) listing.Fill(*each, 1 << 20, out);
    EXPECT_EQ(out.view(), ".\r\n");
  }
}

// A view with the largest values that can be.
class LargeView : public MaildropView {
 public:
  uint32_t count() const override { return kMessagesPerMaildropMax; }
  uint64_t total_octets() const override { return ~uint64_t{0}; }
  void CopyOctets(MessageIndex, std::span<uint64_t> into) const override {
    std::ranges::fill(into, ~uint64_t{0});
  }
  void CopyUidls(MessageIndex, std::span<UidlText> into) const override {
    for (UidlText& uidl : into) {
      uidl.bytes = kUidlBytesMax;
      uidl.text.fill('~');
    }
  }
  int64_t received_us(MessageIndex) const override { return INT64_MIN; }
};

TEST(Listing, TheWidestRowsFit) {
  const LargeView view;
  Maildrop maildrop;
  maildrop.Open(view);
  for (const Listing::Column column :
       {Listing::Column::kOctets, Listing::Column::kUidl, Listing::Column::kReceived}) {
    Listing listing;
    listing.Start(column);
    base::ByteBuffer out;
    std::string last;
    while (listing.under_way()) {
      out.Clear();
      listing.Fill(maildrop, 1 << 16, out);
      last = out.view();
    }
    std::string value = "18446744073709551615";
    if (column == Listing::Column::kUidl) value = std::string(kUidlBytesMax, '~');
    if (column == Listing::Column::kReceived) value = "-9223372036854775808";
    EXPECT_TRUE(last.ends_with("\r\n1000000 " + value + "\r\n.\r\n"));
  }
}

}  // namespace
}  // namespace poplar::pop3
