// What the store does most: reading a maildrop's list from a warm index, and appending to a segment
// so that a flush covers it. Files lie in TMPDIR, which decides what a flush costs; CPU time is the
// shard's.

#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/units.h"
#include "core/io/offload_pool.h"
#include "core/io/reactor.h"
#include "storage/env/env.h"
#include "storage/format/checksum.h"
#include "storage/index/index.h"
#include "storage/segment/log.h"

namespace poplar::storage {
namespace {

class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / "poplar-micro-XXXXXX") {
    POP_CHECK(mkdtemp(path_.data()) != nullptr);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// As a log-in does it: of a maildrop whose list is not in memory, while the index's file is.
void BM_IndexOpen(benchmark::State& state) {
  const Folder folder;
  const auto index = Index::Open({folder.path(), kGiB});
  POP_CHECK(index.ok());
  const std::string key = EncodeMaildropKey({TenantId(5), "0123456789abcdef"});
  MaildropChange change{.key = key, .changes = {}, .totals = {}, .appended = {}};
  for (int64_t i = 0; i < state.range(0); ++i) {
    MessageEntry& entry = change.appended.entries.emplace_back();
    entry.id = MessageId(1000 + static_cast<uint64_t>(i));
    entry.lsn = {1, static_cast<uint32_t>(4096 + 8 * i)};
    entry.octets = entry.wire_bytes = 4096;
    entry.header_bytes = 400;
    entry.day = 19'675;
  }
  Checkpoint checkpoint;
  checkpoint.maildrops.push_back(std::move(change));
  POP_CHECK((*index)->Write(checkpoint).ok());
  for (auto _ : state) {
    const auto list = (*index)->Load(key);
    POP_CHECK(list.ok() && (*list)->count() == state.range(0));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_IndexOpen)->Arg(1)->Arg(40)->Arg(1'000)->Arg(100'000);

// Nobody reads what was written.
class RemovesSegments final : public Log::Listener {
 public:
  explicit RemovesSegments(const Folder& folder) : folder_(folder) {}
  void SegmentBegun(const SegmentHead&) override {}
  void SegmentEnded(uint32_t number, uint32_t) override {
    std::filesystem::remove(folder_.path() + "/" + SegmentName(number));
  }

 private:
  const Folder& folder_;
};

class Append final : public LogAppend {
 public:
  explicit Append(const std::string& body) {
    record.tenant = TenantId(5);
    record.time_us = 1'700'000'000'000'000;
    record.octets = record.wire_bytes = record.body_bytes = static_cast<uint32_t>(body.size());
    record.header_bytes = 400;
    record.account = "0123456789abcdef";
    record.body = body;
    record.body_checksum = Checksum(body);
  }
  bool durable = false;

 protected:
  void Appended(AppendOutcome outcome, Lsn) override {
    POP_CHECK(outcome == AppendOutcome::kDurable);
    durable = true;
  }
};

OpenSegment LayOut(const Folder& folder, uint32_t number, uint64_t bytes) {
  const std::atomic<bool> hurry{true};
  SegmentLayout layout{.env = &SystemEnv(), .directory = folder.path(), .head = {}};
  layout.head.number = number;
  layout.head.salt = number;
  layout.head.bytes = bytes;
  auto segment = LayOutSegment(layout, hurry);
  POP_CHECK(segment.ok());
  return std::move(*segment);
}

// So many messages of 8 KB at once, which one write and one flush make durable.
void BM_SegmentAppend(benchmark::State& state) {
  constexpr uint64_t kSegmentBytes = 64 * kMiB;
  const Folder folder;
  const auto reactor = io::Reactor::Create({});
  POP_CHECK(reactor.ok());
  RemovesSegments listener(folder);
  const std::string body(8192, 'x');
  {
    io::OffloadPool pool({.name = "disk"});
    LogStart start{.flushed = {1, 2 * kBlockBytes},
                   .next_id = 1,
                   .next_segment = 3,
                   .active = {},
                   .reserve = {}};
    start.active = LayOut(folder, 1, kSegmentBytes);
    start.reserve = LayOut(folder, 2, kSegmentBytes);
    Log log({.env = &SystemEnv(),
             .directory = folder.path(),
             .segment_bytes = kSegmentBytes,
             .clock = &base::SystemClock()},
            std::move(start), **reactor, pool, listener);
    std::vector<std::unique_ptr<Append>> appends;
    for (int64_t i = 0; i < state.range(0); ++i) appends.push_back(std::make_unique<Append>(body));
    for (auto _ : state) {
      for (const auto& append : appends) {
        append->durable = false;
        log.Append(*append);
      }
      while (!appends.back()->durable) (*reactor)->Turn(1'000);
    }
    log.BeginClose();
    while (!log.idle()) (*reactor)->Turn(10);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_SegmentAppend)->Arg(1)->Arg(16)->Arg(128)->UseRealTime();

}  // namespace
}  // namespace poplar::storage
