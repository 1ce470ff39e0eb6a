// A segment whose bytes were changed at will must never yield a record that was not written, nor
// one twice or out of order; and bytes that never were a segment must do no harm.
//
// Input: one octet for the number of batches, one for records a batch, one for the size of bodies,
// one for options; then changes of 4 octets each: offset (3), new value (1). What does not fit that
// is read as a raw segment besides.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/unit/storage/segment/segment_builder.h"

namespace poplar::storage {
namespace {

constexpr uint64_t kSegmentBytes = 128 * kKiB;

void CheckChanged(std::string_view input) {
  SegmentBuilder builder(3, 0x5a17ULL, kSegmentBytes);
  const auto octet = [&](size_t i) { return static_cast<uint8_t>(input[i]); };
  for (int b = 0; b < octet(0) % 6; ++b) {
    const std::vector<std::string> bodies(1 + octet(1) % 4,
                                          std::string(octet(2) * size_t{16}, 'x'));
    if (!builder.AddBatch(bodies)) break;
  }
  std::string bytes = builder.bytes();
  for (size_t i = 4; i + 4 <= input.size(); i += 4) {
    const uint32_t offset = octet(i) | (octet(i + 1) << 8U) | (octet(i + 2) << 16U);
    bytes[offset % bytes.size()] = input[i + 3];
  }
  WalkOptions options = builder.Options();
  if ((octet(3) & 1) != 0) options.end = builder.end();
  if ((octet(3) & 2) != 0) options.proven = Lsn(4, 0);
  KeepingVisitor visitor;
  WalkSegment(bytes, options, visitor);
  const std::vector<BuiltRecord> all = builder.Records(builder.batches().size());
  size_t next = 0;
  for (const BuiltRecord& record : visitor.records) {
    while (next < all.size() && !(all[next] == record)) ++next;
    if (next++ == all.size()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (size >= 4) CheckChanged(input);
  KeepingVisitor visitor;
  WalkOptions options;
  options.segment = 1;
  WalkSegment(input, options, visitor);
  (void)DecodeSegmentHead(input);
  (void)DecodeRecordHead(input, Lsn(1, 4096), 0);
  (void)ReadFirstBatch(input, 1, std::nullopt);
  return 0;
}

}  // namespace poplar::storage
