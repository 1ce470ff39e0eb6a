// A LIST, UIDL or XDATES listing under way: a cursor over the maildrop that fills the output piece
// by piece, so that a listing of any length costs one bounded buffer.

#pragma once

#include <cstdint>

#include "core/base/byte_buffer.h"
#include "core/proto/pop3/maildrop.h"

namespace poplar::pop3 {

class Listing {
 public:
  enum class Column : uint8_t { kOctets, kUidl, kReceived };

  // REQUIRES: none is under way.
  void Start(Column column);
  bool under_way() const { return under_way_; }

  // Appends rows, and the final `.`, until the end or until `out` holds `out_bytes_max` or a little
  // more. Deleted messages are left out. REQUIRES: under_way().
  void Fill(const Maildrop& maildrop, size_t out_bytes_max, base::ByteBuffer& out);

 private:
  uint32_t next_ = 0;  // The first message not listed yet.
  Column column_ = Column::kOctets;
  bool under_way_ = false;
};

}  // namespace poplar::pop3
