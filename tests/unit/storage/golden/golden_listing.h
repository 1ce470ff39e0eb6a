// What the golden stores hold, as text; for the program that makes them and the test that reads
// them.

#pragma once

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <string>
#include <vector>

#include "storage/format/checksum.h"
#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {

inline std::vector<MaildropKey> GoldenMaildrops() {
  return {Key("alice"),    Key("bob"),     Key("carol"),    Key("erin"),
          Key("alice", 2), Key("dave", 2), Key("frank", 3), Key("gina", 4)};
}

// Segments and blobs of a few blocks.
inline StoreOptions GoldenOptions(const std::string& path) {
  StoreOptions options = SmallStoreOptions(path);
  options.segment_bytes = options.first_segment_bytes = 64 * kKiB;
  options.blob_bytes_min = 8 * kKiB;
  return options;
}

// A line a deleted message of `key` that is kept.
inline std::string GoldenKeptListing(StoreFixture& fixture, const MaildropKey& key) {
  const auto kept = fixture.Run<StatusOr<std::vector<KeptMessage>>>(
      0, [&](ShardStore* store) { return ListKeptTask(store, key); });
  if (!kept.ok()) return "no kept mail: " + kept.status().ToString();
  std::vector<std::string> lines;
  for (const KeptMessage& message : *kept) {
    char line[256];
    std::snprintf(line, sizeof line,
                  "kept %" PRIu64 " %s %s %" PRId64 " %" PRIu64 " %" PRId64 " %" PRIu64 "\n",
                  key.tenant.value(), key.account.c_str(), message.uidl.c_str(),
                  message.received_us, message.octets, message.deleted_us,
                  message.deleted_by.value());
    lines.emplace_back(line);
  }
  std::ranges::sort(lines);  // They come in no particular order.
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

// A line a message of the open store, kept ones behind the others of their maildrop.
inline std::string GoldenListing(StoreFixture& fixture) {
  std::string text;
  for (const MaildropKey& key : GoldenMaildrops()) {
    OpenResult opened = fixture.OpenMaildrop(0, key);
    if (opened.outcome != OpenOutcome::kOpen) return "not open: " + opened.why.ToString();
    for (uint32_t i = 0; i < opened.maildrop->count(); ++i) {
      const MessageInfo info = opened.maildrop->Info(MessagePosition(i));
      const std::string uidl(info.uidl);
      const StatusOr<std::string> wire = fixture.ReadBody(0, *opened.maildrop, i);
      char line[256];
      std::snprintf(line, sizeof line,
                    "%" PRIu64 " %s %s %" PRId64 " %" PRIu64 " %" PRIu64 " %016" PRIx64 "%s%s\n",
                    key.tenant.value(), key.account.c_str(), uidl.c_str(), info.received_us,
                    info.octets, info.wire_bytes, Checksum(wire.ok() ? *wire : "unreadable"),
                    (info.flags & kMessageImported) != 0 ? " imported" : "",
                    (info.flags & kMessageRead) != 0 ? " read" : "");
      text += line;
    }
    (void)fixture.Commit(0, std::move(opened.maildrop), {});
    text += GoldenKeptListing(fixture, key);
  }
  return text;
}

}  // namespace poplar::storage
