// Cuts segments that the log has left at their end (FORMAT.md section 4): it gives the space behind
// back, and a segment then tells by itself where it ends. Until then only the first batch of the
// next one does, so that one must stay.
//
// Lives on its partition's shard.

#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "core/io/offload_pool.h"
#include "core/io/reactor.h"
#include "storage/env/env.h"
#include "storage/index/maildrop_table.h"

namespace poplar::storage {

class SegmentTrimmer final : private io::OffloadJob {
 public:
  // `directory`: of the log.
  SegmentTrimmer(Env* env, std::string directory, uint32_t partition, MaildropTable& table,
                 io::Reactor& reactor, io::OffloadPool& disk);

  // Remembers what the table knows to be longer than its end, before `first_open`.
  void AddAll(uint32_t first_open);
  void Add(uint32_t number) { waiting_[number] = 0; }
  // It was unlinked.
  void Forget(uint32_t number) { waiting_.erase(number); }
  // Nothing before `number` waits.
  bool AllBefore(uint32_t number) const {
    return waiting_.empty() || waiting_.begin()->first >= number;
  }

  // Begins with the next one. Cheap; for the tick.
  void Look();
  bool idle() const { return !pending(); }

 private:
  void Work() override { status_ = env_.CutFile(path_, end_); }
  void Done() override;

  Env& env_;
  const std::string directory_;
  const uint32_t partition_;
  MaildropTable& table_;
  io::Reactor& reactor_;
  io::OffloadPool& disk_;

  std::map<uint32_t, uint64_t> waiting_;  // By number; not before this time.
  uint32_t number_ = 0;                   // Of the job.
  std::string path_;
  uint32_t end_ = 0;
  Status status_;
};

}  // namespace poplar::storage
