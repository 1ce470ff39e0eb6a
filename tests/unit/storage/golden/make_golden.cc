// Makes the golden store of the current format (README.md of this folder): `storage_make_golden
// DIR` writes DIR/store and DIR/expected.txt.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include "core/base/check.h"
#include "tests/unit/storage/golden/golden_listing.h"

namespace poplar::storage {
namespace {

// 2023-11-14; a second passes at every look.
class GoldenClock final : public base::Clock {
 public:
  uint64_t MonotonicUs() const override { return base::SystemClock().MonotonicUs(); }
  int64_t WallUs() const override { return now_us_ += 1'000'000; }
  void SleepUs(uint64_t us) const override { now_us_ += static_cast<int64_t>(us); }

 private:
  mutable std::atomic<int64_t> now_us_{1'700'000'000'000'000};
};

void Delete(StoreFixture& fixture, const MaildropKey& key, std::vector<uint32_t> positions) {
  OpenResult opened = fixture.OpenMaildrop(0, key);
  POP_CHECK(opened.outcome == OpenOutcome::kOpen);
  POP_CHECK(fixture.Commit(0, std::move(opened.maildrop), std::move(positions)) ==
            CommitOutcome::kDone);
}

void DeliverTo(StoreFixture& fixture, std::vector<MaildropKey> recipients, std::string wire) {
  for (const DeliveryOutcome outcome : fixture.Deliver(0, std::move(recipients), std::move(wire))) {
    POP_CHECK(outcome == DeliveryOutcome::kStored);
  }
}

void FirstRun(StoreFixture& fixture) {
  for (const MaildropKey& key : GoldenMaildrops()) {
    for (uint64_t i = 0; i < 6; ++i) DeliverTo(fixture, {key}, MakeMessage(i, 400 + i * 500));
  }
  DeliverTo(fixture, {Key("alice"), Key("bob")}, MakeMessage(50, 20'000));
  DeliverTo(fixture, {Key("alice")}, MakeMessage(51, 9'000));
  Delete(fixture, Key("alice"), {1, 2, 7});
  Delete(fixture, Key("bob"), {0});
  POP_CHECK(fixture.Remove(0, Key("carol")).ok());
  DeliverTo(fixture, {Key("carol")}, MakeMessage(60));
}

void SecondRun(StoreFixture& fixture) {
  for (uint64_t i = 0; i < 45; ++i) {
    DeliverTo(fixture, {Key("dave", 2)}, MakeMessage(100 + i, 200));
  }
  DeliverTo(fixture, {Key("carol"), Key("alice", 2)}, MakeMessage(150, 700));
  DeliverTo(fixture, {Key("bob")}, MakeMessage(151, 10'000));
  DeliverTo(fixture, {Key("bob")}, MakeMessage(152, 11'000));
  Delete(fixture, Key("dave", 2), {0, 10, 44});
  Delete(fixture, Key("bob"), {7});
  POP_CHECK(fixture.Remove(0, Key("erin")).ok());
}

// Until compaction has done all that it will.
void AwaitCompaction(StoreFixture& fixture) {
  constexpr int kQuietPolls = 30;
  double emptied = -1;
  for (int quiet = 0; quiet < kQuietPolls; ++quiet) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const double now = fixture.Metric("poplar_store_compacted_segments_total");
    if (now != emptied) quiet = 0;
    emptied = now;
  }
  POP_CHECK(fixture.Metric("poplar_store_moved_messages_total") > 0);
  POP_CHECK(fixture.Metric("poplar_store_carried_records_total") > 0);
}

int Make(const std::string& directory) {
  const GoldenClock clock;
  TemporaryFolder folder;
  StoreFixture fixture(1);
  StoreOptions options = GoldenOptions(folder.path());
  options.clock = &clock;
  POP_CHECK(fixture.Create(folder.path(), 2).ok());
  POP_CHECK(fixture.Open(options).ok());
  FirstRun(fixture);
  POP_CHECK(fixture.Close().ok());
  POP_CHECK(fixture.Open(options).ok());
  SecondRun(fixture);
  AwaitCompaction(fixture);
  std::filesystem::create_directories(directory);
  CopyOpenStore(folder.path(), directory + "/store");
  std::ofstream(directory + "/expected.txt") << GoldenListing(fixture);
  POP_CHECK(fixture.Close().ok());
  // What belongs to a process.
  std::ofstream(directory + "/store/lock", std::ios::trunc).flush();
  for (const char* partition : {"/p000", "/p001"}) {
    std::filesystem::remove(directory + "/store" + partition + "/index/lock.mdb");
  }
  return 0;
}

}  // namespace
}  // namespace poplar::storage

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: storage_make_golden DIR\n");
    return 64;
  }
  return poplar::storage::Make(argv[1]);
}
