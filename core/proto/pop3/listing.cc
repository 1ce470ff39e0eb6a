#include "core/proto/pop3/listing.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <span>

#include "core/base/check.h"
#include "core/base/limits.h"

namespace poplar::pop3 {
namespace {

constexpr size_t kOctetsDigitsMax = 20;
// Numbers of messages and UIDLs of common lengths are copied as so many octets, whatever they have.
constexpr size_t kNumberCopyBytes = 8;
constexpr size_t kUidlCopyBytes = 32;
constexpr size_t kRowBytesMax =
    kNumberCopyBytes + 1 + std::max<size_t>(kOctetsDigitsMax, kUidlBytesMax) + 2;

// Room is asked for, and the view is, so many rows at a time.
constexpr uint32_t kRowsPerPiece = 32;

// The number of a message in decimal, which is cheaper to count up than to write anew. It stays in
// a register: memory that was just written octet by octet would be slow to read as a whole.
class RowNumber {
 public:
  explicit RowNumber(uint32_t number) { Set(number); }

  void Next() {
    ++number_;
    if (text_ >= nine_last_) return Set(number_);
    text_ += one_last_;
  }

  // May write kNumberCopyBytes, whatever it returns.
  char* Write(char* at) const {
    std::memcpy(at, &text_, sizeof text_);
    return at + digits_;
  }

 private:
  void Set(uint32_t number) {
    char text[sizeof text_] = {};
    number_ = number;
    digits_ = static_cast<uint32_t>(std::to_chars(text, text + sizeof text, number).ptr - text);
    std::memcpy(&text_, text, sizeof text_);
    one_last_ = uint64_t{1} << (8 * (digits_ - 1));
    nine_last_ = one_last_ * '9';
  }

  uint32_t number_ = 0;
  uint32_t digits_ = 0;
  uint64_t text_ = 0;  // The last digit in the highest octet that is used.
  uint64_t one_last_ = 0;
  uint64_t nine_last_ = 0;
};
static_assert(kMessagesPerMaildropMax < 99'999'999, "a number and the next one fit");
static_assert(std::endian::native == std::endian::little);

// The eight decimal digits of a number, the first in the lowest octet: halves, pairs and digits are
// each divided all at once, in lanes of one register.
uint64_t EightDigits(uint32_t number) {
  const uint64_t halves = number / 10'000 | uint64_t{number % 10'000} << 32;
  const uint64_t hundreds = (halves * 10'486 >> 20) & 0x0000007F'0000007F;
  const uint64_t pairs = hundreds | (halves - hundreds * 100) << 16;
  const uint64_t tens = (pairs * 103 >> 10) & 0x000F000F'000F000F;
  return tens | (pairs - tens * 10) << 8;
}

char* WriteValue(uint64_t octets, char* at) {
  if (octets > 99'999'999) return std::to_chars(at, at + kOctetsDigitsMax, octets).ptr;
  // Most by far, and without a branch on how long they are.
  const uint64_t digits = EightDigits(static_cast<uint32_t>(octets));
  const uint32_t zeros = std::countr_zero(digits | uint64_t{1} << 56) / 8;  // But for the last.
  const uint64_t text = (digits | 0x30303030'30303030) >> (8 * zeros);
  std::memcpy(at, &text, sizeof text);
  return at + sizeof text - zeros;
}

char* WriteValue(int64_t received_us, char* at) {
  return std::to_chars(at, at + kOctetsDigitsMax, received_us).ptr;
}

char* WriteValue(const UidlText& uidl, char* at) {
  // The view promises no more; the row's room does not rely on it.
  const size_t bytes = std::min<size_t>(uidl.bytes, kUidlBytesMax);
  if (bytes <= kUidlCopyBytes) {
    std::memcpy(at, uidl.text.data(), kUidlCopyBytes);
  } else {
    std::memcpy(at, uidl.text.data(), bytes);
  }
  return at + bytes;
}

// Rows of the messages from `first` on, of those that are not deleted; each has its value. Returns
// their end.
template <class Value>
char* WriteRows(const Maildrop& maildrop, uint32_t first, std::span<const Value> values, char* at) {
  RowNumber number(first + 1);
  for (uint32_t i = 0; i < values.size(); ++i, number.Next()) {
    if (maildrop.IsDeleted(MessageIndex(first + i))) continue;
    at = number.Write(at);
    *at++ = ' ';
    at = WriteValue(values[i], at);
    *at++ = '\r';
    *at++ = '\n';
  }
  return at;
}

// The same for the rows of a piece.
char* WritePiece(const Maildrop& maildrop, Listing::Column column, uint32_t first, uint32_t count,
                 char* at) {
  const MaildropView& view = maildrop.view();
  if (column == Listing::Column::kUidl) {
    std::array<UidlText, kRowsPerPiece> uidls;
    view.CopyUidls(MessageIndex(first), std::span(uidls).first(count));
    return WriteRows<UidlText>(maildrop, first, std::span(uidls).first(count), at);
  }
  if (column == Listing::Column::kOctets) {
    std::array<uint64_t, kRowsPerPiece> octets;
    view.CopyOctets(MessageIndex(first), std::span(octets).first(count));
    return WriteRows<uint64_t>(maildrop, first, std::span(octets).first(count), at);
  }
  std::array<int64_t, kRowsPerPiece> received_us;
  for (uint32_t i = 0; i < count; ++i) {
    received_us[i] = view.received_us(MessageIndex(first + i));
  }
  return WriteRows<int64_t>(maildrop, first, std::span(received_us).first(count), at);
}

}  // namespace

void Listing::Start(Column column) {
  POP_CHECK(!under_way_);
  next_ = 0;
  column_ = column;
  under_way_ = true;
}

void Listing::Fill(const Maildrop& maildrop, size_t out_bytes_max, base::ByteBuffer& out) {
  POP_CHECK(under_way_);
  const uint32_t count = maildrop.view().count();
  while (next_ < count && out.size() < out_bytes_max) {
    char* const begin = out.Tail(kRowsPerPiece * kRowBytesMax).data();
    const uint32_t rows = std::min(kRowsPerPiece, count - next_);
    const char* const end = WritePiece(maildrop, column_, next_, rows, begin);
    out.Extend(static_cast<size_t>(end - begin));
    next_ += rows;
  }
  if (next_ < count) return;
  out.Append(".\r\n");
  under_way_ = false;
}

}  // namespace poplar::pop3
