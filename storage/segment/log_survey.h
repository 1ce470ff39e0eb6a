// What segments a partition's log has on disk, and where each of them leaves the log (FORMAT.md
// section 5, 1 to 3). Reads heads and first batches, changes nothing. Blocking; any thread.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/env/env.h"
#include "storage/format/superblock.h"
#include "storage/segment/walker.h"

namespace poplar::storage {

// A segment that is there, before it is read whole.
struct SurveyedSegment {
  uint32_t number = 0;
  uint64_t bytes = 0;
  uint64_t salt = 0;
  uint32_t epoch = 0;
  bool sound = false;  // The salt is known, so it can be read.
  std::optional<BatchHead> first;
  Lsn end = kLsnMax;  // Where later segments say that the log leaves it.
};

struct LogSurvey {
  std::vector<uint32_t> present;          // Every segment's number, ascending.
  std::vector<SurveyedSegment> segments;  // Of these, the ones from `from` on.
  Lsn proven;                             // What lies before it had been flushed.
};

struct LogSurveyOptions {
  Env* env = nullptr;
  std::string directory;  // Of the log.
  StoreId store_id{};
  uint32_t partition = 0;
  Lsn from;  // What lies before it is known, and had been flushed.
  // A segment of which nothing can be read, or of another partition, is told as damage. For tools
  // that change nothing: a start waits for the disk.
  bool unreadable_is_damage = false;
};

using DamageHandler = std::function<void(const Damage&)>;

// Damaged heads go to `on_damage`. kFailedPrecondition: a segment of a version that this build does
// not know. kDataLoss: one of another partition of this store, so the folder stands in the wrong
// place. An error of the disk where nothing of a head can be read: that is no damage.
StatusOr<LogSurvey> SurveyLog(const LogSurveyOptions& options, const DamageHandler& on_damage);

// Where the log ends in a segment that no later one tells of: from batch head to batch head, from
// `from` on, where one stands or the log ends. Reads no records, so what is torn counts.
StatusOr<Lsn> FindLogEnd(const LogSurveyOptions& options, const SurveyedSegment& segment, Lsn from);

// The whole segment; blocks that cannot be read, tried twice, are zeros, and told to `on_damage`.
// The disk's error where no block can be read: that is no damage.
StatusOr<std::string> ReadSegment(const LogSurveyOptions& options, const SurveyedSegment& segment,
                                  const DamageHandler& on_damage);

// Reads what can be read, and returns how much that is. Where a piece fails, its blocks are read
// one by one: one bad sector costs a block, and a fault that passes nothing. The rest is zeros,
// told to `lost` with its place in the file and what was said of it.
using LostHandler = std::function<void(uint64_t at, uint64_t bytes, const Status& why)>;
uint64_t ReadReadable(const File& file, std::span<char> into, uint64_t offset,
                      const LostHandler& lost);

std::string SegmentPath(const std::string& log_directory, uint32_t number);
// The number in a segment's file name; nothing for other names.
std::optional<uint32_t> SegmentNumberOf(std::string_view file_name);

}  // namespace poplar::storage
