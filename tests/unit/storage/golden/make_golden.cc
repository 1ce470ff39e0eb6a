// Makes the golden store of the current format (README.md of this folder): `storage_make_golden
// DIR` writes DIR/store and DIR/expected.txt.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>
#include <utility>

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

void Delete(StoreFixture& fixture, const MaildropKey& key, const std::vector<uint32_t>& positions) {
  OpenResult opened = fixture.OpenMaildrop(0, key);
  POP_CHECK(opened.outcome == OpenOutcome::kOpen);
  POP_CHECK(fixture.Commit(0, std::move(opened.maildrop), positions) == CommitOutcome::kDone);
}

// A session that has fetched some messages and deletes some, under a tenant's policy.
void Session(StoreFixture& fixture, const MaildropKey& key, const std::vector<uint32_t>& deleted,
             const std::vector<uint32_t>& fetched, SessionId session) {
  OpenResult opened = fixture.OpenMaildrop(0, key, session);
  POP_CHECK(opened.outcome == OpenOutcome::kOpen);
  POP_CHECK(fetched.empty() || opened.maildrop->wants_fetched());
  POP_CHECK(fixture.Commit(0, std::move(opened.maildrop), deleted, fetched) ==
            CommitOutcome::kDone);
}

// Brings back what `session` has deleted.
void Undelete(StoreFixture& fixture, const MaildropKey& key, SessionId session) {
  const auto undeleted = fixture.Run<UndeleteResult>(0, [&](ShardStore* store) {
    return UndeleteTask(store, key, {.uidl = "", .session = session});
  });
  POP_CHECK(undeleted.why.ok() && undeleted.messages > 0);
}

io::Task<DeliveryOutcome> ImportTask(ShardStore* store, MaildropKey key, std::string uidl,
                                     std::string wire) {
  DeliveryRequest request;
  request.recipients.push_back({std::move(key), {}});
  request.received_us = 1'234'567'890'123'456;
  request.imported_uidl = std::move(uidl);
  const std::unique_ptr<Delivery> delivery = store->BeginDelivery(std::move(request));
  io::Completion<Status> written;
  delivery->Write(wire, written);
  const Status status = co_await written;
  POP_CHECK(status.ok());
  io::Completion<std::vector<DeliveryOutcome>> done;
  delivery->Commit(FactsOf(wire), done);
  const std::vector<DeliveryOutcome> outcomes = co_await done;
  co_return outcomes[0];
}

void Import(StoreFixture& fixture, const MaildropKey& key, const std::string& uidl,
            const std::string& wire) {
  POP_CHECK(fixture.Run<DeliveryOutcome>(0, [&](ShardStore* store) {
    return ImportTask(store, key, uidl, wire);
  }) == DeliveryOutcome::kStored);
}

void AwaitMetric(StoreFixture& fixture, const std::string& name, double least) {
  for (int polls = 0; fixture.Metric(name) < least; ++polls) {
    POP_CHECK(polls < 600);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

// Deleted mail of these tenants is kept, and what was read is known.
void SetPolicies(PolicyBoard& board, const std::vector<uint64_t>& tenants) {
  auto policies = std::make_shared<TenantPolicies>();
  for (const uint64_t tenant : tenants) {
    policies->by_tenant[tenant] = {
        .name = "kept", .keep_deleted_days = 3650, .expire_read_days = 3650};
  }
  board.Publish(std::move(policies));
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

// Leaves segments of frank's that compaction will empty, in them read and kept mail.
void FirstRunOfKeptMail(StoreFixture& fixture, PolicyBoard& board) {
  const MaildropKey frank = Key("frank", 3);
  const MaildropKey gina = Key("gina", 4);
  for (uint64_t i = 0; i < 20; ++i) DeliverTo(fixture, {frank}, MakeMessage(200 + i, 2'000));
  Delete(fixture, frank, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17});
  SetPolicies(board, {3, 4});
  Session(fixture, frank, {0, 1}, {2, 3}, SessionId(71));
  Session(fixture, frank, {0}, {}, SessionId(72));
  DeliverTo(fixture, {gina}, MakeMessage(230, 12'000));
  DeliverTo(fixture, {gina}, MakeMessage(231));
  Session(fixture, gina, {0, 1}, {}, SessionId(73));
}

// What was kept of gina's ends with the policy.
void LastRunOfKeptMail(StoreFixture& fixture, PolicyBoard& board) {
  const MaildropKey frank = Key("frank", 3);
  Undelete(fixture, frank, SessionId(72));
  SetPolicies(board, {3});
  AwaitMetric(fixture, "poplar_store_purged_total", 2);
  DeliverTo(fixture, {frank}, MakeMessage(240, 15'000));
  DeliverTo(fixture, {frank}, MakeMessage(241));
  Import(fixture, frank, "from-another-server", MakeMessage(242));
  Session(fixture, frank, {}, {1, 4}, SessionId(74));
}

// Behind all that compaction did, and behind the last checkpoint.
void LogOfKeptMail(StoreFixture& fixture) {
  const MaildropKey frank = Key("frank", 3);
  DeliverTo(fixture, {frank}, MakeMessage(250));
  Session(fixture, frank, {5}, {6}, SessionId(75));
}

void LastRun(StoreFixture& fixture) {
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
  PolicyBoard board;
  options.policies = &board;
  options.expiry_interval_ms = 1;
  POP_CHECK(fixture.Create(folder.path(), 2).ok());
  POP_CHECK(fixture.Open(options).ok());
  FirstRun(fixture);
  FirstRunOfKeptMail(fixture, board);
  POP_CHECK(fixture.Close().ok());
  // What the first left is moved, and its segments go: only the moved records know what was read.
  const uint64_t interval_ms = std::exchange(options.checkpoint_interval_ms, 50);
  POP_CHECK(fixture.Open(options).ok());
  AwaitMetric(fixture, "poplar_store_unlinked_segments_total", 2);
  POP_CHECK(fixture.Close().ok());
  options.checkpoint_interval_ms = interval_ms;
  POP_CHECK(fixture.Open(options).ok());
  LastRun(fixture);
  LastRunOfKeptMail(fixture, board);
  AwaitCompaction(fixture);
  LogOfKeptMail(fixture);
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
