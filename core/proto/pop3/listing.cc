#include "core/proto/pop3/listing.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "core/base/check.h"
#include "core/base/limits.h"

namespace poplar::pop3 {
namespace {

constexpr size_t kNumberDigitsMax = 10;
constexpr size_t kOctetsDigitsMax = 20;
constexpr size_t kRowBytesMax =
    kNumberDigitsMax + 1 + std::max<size_t>(kOctetsDigitsMax, kUidlBytesMax) + 2;

// Room is asked for so many rows at a time.
constexpr uint32_t kRowsPerPiece = 32;

char* WriteRow(const MaildropView& view, Listing::Column column, MessageIndex message, char* at) {
  at = std::to_chars(at, at + kNumberDigitsMax, message.value() + 1).ptr;
  *at++ = ' ';
  if (column == Listing::Column::kOctets) {
    at = std::to_chars(at, at + kOctetsDigitsMax, view.octets(message)).ptr;
  } else if (column == Listing::Column::kReceived) {
    at = std::to_chars(at, at + kOctetsDigitsMax, view.received_us(message)).ptr;
  } else {
    // The view promises no more; the row's room does not rely on it.
    const std::string_view uidl = view.uidl(message).substr(0, kUidlBytesMax);
    std::memcpy(at, uidl.data(), uidl.size());
    at += uidl.size();
  }
  *at++ = '\r';
  *at++ = '\n';
  return at;
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
  const MaildropView& view = maildrop.view();
  const uint32_t count = view.count();
  while (next_ < count && out.size() < out_bytes_max) {
    char* const begin = out.Tail(kRowsPerPiece * kRowBytesMax).data();
    char* at = begin;
    const uint32_t piece_end = next_ + std::min(kRowsPerPiece, count - next_);
    for (; next_ < piece_end; ++next_) {
      const MessageIndex message(next_);
      if (!maildrop.IsDeleted(message)) at = WriteRow(view, column_, message, at);
    }
    out.Extend(static_cast<size_t>(at - begin));
  }
  if (next_ < count) return;
  out.Append(".\r\n");
  under_way_ = false;
}

}  // namespace poplar::pop3
