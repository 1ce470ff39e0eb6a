#include "tests/unit/storage/store_fixture.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "core/base/check.h"
#include "storage/engine/layout.h"
#include "storage/format/ids.h"

namespace poplar::storage {

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "poplar-store-XXXXXX").string();
  POP_CHECK(::mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void CopyOpenStore(const std::string& from, const std::string& to) {
  constexpr auto kOver =
      std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing;
  std::error_code fault;
  for (int attempt = 0; attempt < 20; ++attempt) {
    std::filesystem::remove_all(to);
    std::filesystem::copy(from, to, kOver, fault);
    if (fault != std::errc::no_such_file_or_directory) break;
  }
  ASSERT_FALSE(fault) << fault.message();
}

std::map<std::string, std::string> ContentsOf(const std::string& folder) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().lexically_relative(folder);
    if (entry.is_directory()) {
      contents[name + "/"];
      continue;
    }
    std::ifstream in(entry.path(), std::ios::binary);
    contents[name] = {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  return contents;
}

void BreakIndexHead(const std::string& directory) {
  const std::string path = std::filesystem::canonical(directory) / "data.mdb";
  int broken = 0;
  for (int fd = 0; fd < 4096; ++fd) {
    std::error_code none;
    const auto target = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), none);
    if (none || target != path || (::fcntl(fd, F_GETFL) & O_ACCMODE) != O_WRONLY) continue;
    const int reader = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    ASSERT_GE(reader, 0);
    ASSERT_EQ(::dup3(reader, fd, O_CLOEXEC), fd);
    ASSERT_EQ(::close(reader), 0);
    ++broken;
  }
  ASSERT_EQ(broken, 1);
}

namespace {

void DamageTotalsOf(const std::string& encoded, const std::string& store, uint32_t partition) {
  const auto index = Lmdb().Open(PartitionDirectory(store, partition) + "/index", kGiB);
  ASSERT_TRUE(index.ok()) << index.status();
  const auto change = (*index)->Begin(KeyValueStore::Access::kChange);
  ASSERT_TRUE(change.ok()) << change.status();
  const auto totals = (*change)->Get(Database::kMaildrops, encoded);
  ASSERT_TRUE(totals.ok()) << totals.status();
  std::string damaged(*totals);
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  ASSERT_TRUE((*change)->Put(Database::kMaildrops, encoded, damaged).ok());
  ASSERT_TRUE((*change)->Commit().ok());
}

}  // namespace

void DamageTotals(const std::string& store, uint32_t partition, const MaildropKey& key) {
  DamageTotalsOf(EncodeMaildropKey(key), store, partition);
}

void DamageKeptTotals(const std::string& store, uint32_t partition, const MaildropKey& key) {
  DamageTotalsOf(KeptKeyOf(EncodeMaildropKey(key)), store, partition);
}

bool Eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 6000; ++i) {  // A minute: disks stall.
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

StoreOptions SmallStoreOptions(const std::string& path) {
  static const MovedClock clock;
  StoreOptions options;
  options.path = path;
  options.clock = &clock;
  options.segment_bytes = 4 * kMiB;
  options.first_segment_bytes = 2 * kMiB;
  options.segment_pace_us_per_mib = 0;
  options.reserve_bytes = 0;
  options.index_map_bytes = kGiB;
  options.checkpoint_interval_ms = 60'000;
  return options;
}

std::string MakeMessage(uint64_t seed, size_t bytes) {
  std::string wire = "Subject: " + std::to_string(seed) + "\r\n\r\n";
  while (wire.size() + 80 < bytes) {
    wire += "line " + std::to_string(seed * 31 + wire.size()) + " of a message's text\r\n";
  }
  return wire + ".\r\n";
}

DeliveryFacts FactsOf(std::string_view wire) {
  const size_t blank = wire.find("\r\n\r\n");
  return {wire.size() - 3, wire.size(), blank == std::string_view::npos ? 0 : blank + 4};
}

io::Task<std::vector<DeliveryOutcome>> DeliverTask(ShardStore* store,
                                                   std::vector<MaildropKey> recipients,
                                                   std::string wire, size_t piece_bytes) {
  const size_t count = recipients.size();
  DeliveryRequest request;
  for (MaildropKey& key : recipients) request.recipients.push_back({std::move(key), {}});
  request.received_us = 1'700'000'000'000'000;
  const std::unique_ptr<Delivery> delivery = store->BeginDelivery(std::move(request));
  const std::string_view bytes = wire;
  for (size_t at = 0; at < bytes.size(); at += piece_bytes) {
    io::Completion<Status> written;
    delivery->Write(bytes.substr(at, piece_bytes), written);
    const Status status = co_await written;
    if (!status.ok()) {
      co_return std::vector<DeliveryOutcome>(count, DeliveryOutcome::kFull);
    }
  }
  io::Completion<std::vector<DeliveryOutcome>> done;
  delivery->Commit(FactsOf(wire), done);
  co_return co_await done;
}

io::Task<OpenResult> OpenTask(ShardStore* store, MaildropKey key, SessionId session) {
  io::Completion<OpenResult> done;
  store->Open(std::move(key), session, done);
  co_return co_await done;
}

io::Task<StatusOr<std::string>> ReadTask(io::Body* body) {
  std::string wire(body->wire_bytes(), '\0');
  if (body->TryReadAll(wire)) co_return wire;
  io::Completion<Status> verified;
  body->Verify(verified);
  const Status sound = co_await verified;
  if (!sound.ok()) co_return sound;
  for (size_t at = 0; at < wire.size();) {
    io::Completion<StatusOr<size_t>> read;
    body->Read(at, std::span(wire).subspan(at, std::min<size_t>(50'000, wire.size() - at)), read);
    const StatusOr<size_t> got = co_await read;
    if (!got.ok()) co_return got.status();
    at += *got;
  }
  co_return wire;
}

io::Task<CommitOutcome> CommitTask(Maildrop* maildrop, std::vector<MessagePosition> deleted,
                                   std::vector<MessagePosition> fetched) {
  io::Completion<CommitOutcome> done;
  maildrop->Commit(std::move(deleted), std::move(fetched), done);
  co_return co_await done;
}

io::Task<StatusOr<std::vector<KeptMessage>>> ListKeptTask(ShardStore* store, MaildropKey key) {
  io::Completion<StatusOr<std::vector<KeptMessage>>> done;
  store->ListKept(std::move(key), done);
  co_return co_await done;
}

io::Task<UndeleteResult> UndeleteTask(ShardStore* store, MaildropKey key, UndeleteRequest request) {
  io::Completion<UndeleteResult> done;
  store->Undelete(std::move(key), std::move(request), done);
  co_return co_await done;
}

StoreFixture::StoreFixture(uint32_t shards, uint32_t disk_threads) {
  io::ShardSetOptions options;
  options.count = shards;
  options.pin = false;
  auto started = io::ShardSet::Start(options);
  POP_CHECK(started.ok());
  shards_ = std::move(*started);
  io::OffloadPoolOptions pool;
  pool.name = "disk";
  pool.threads = disk_threads;
  disk_ = std::make_unique<io::OffloadPool>(pool);
}

StoreFixture::~StoreFixture() {
  if (store_ != nullptr) (void)Close();
  disk_.reset();
}

Status StoreFixture::Create(const std::string& path, uint32_t partitions) {
  CreateOptions options;
  options.partitions = partitions;
  return CreateStore(path, options);
}

Status StoreFixture::Open(const StoreOptions& options) {
  POP_ASSIGN_OR_RETURN(store_, OpenStore(options, *shards_, *disk_));
  registry_ = std::make_unique<base::MetricRegistry>();
  store_->Register(*registry_);
  return OkStatus();
}

Status StoreFixture::Close() {
  const Status status = store_->Close();
  registry_.reset();
  store_.reset();
  return status;
}

void StoreFixture::On(uint32_t shard, const std::function<void()>& step) {
  shards_->RunOn(ShardIndex(shard), [&](io::Shard&) { step(); });
}

std::vector<DeliveryOutcome> StoreFixture::Deliver(uint32_t shard,
                                                   std::vector<MaildropKey> recipients,
                                                   std::string wire, size_t piece_bytes) {
  return Run<std::vector<DeliveryOutcome>>(
      shard, [&](ShardStore* store) { return DeliverTask(store, recipients, wire, piece_bytes); });
}

void StoreFixture::MustDeliver(uint32_t shard, const MaildropKey& key, std::string wire) {
  const auto outcomes = Deliver(shard, {key}, std::move(wire));
  ASSERT_EQ(outcomes.size(), 1U);
  ASSERT_EQ(outcomes[0], DeliveryOutcome::kStored);
}

OpenResult StoreFixture::OpenMaildrop(uint32_t shard, const MaildropKey& key, SessionId session) {
  return Run<OpenResult>(shard, [&](ShardStore* store) { return OpenTask(store, key, session); });
}

OpenResult StoreFixture::OpenToRead(uint32_t shard, const MaildropKey& key) {
  struct Ask {
    static io::Task<OpenResult> Run(ShardStore* store, MaildropKey key) {
      io::Completion<OpenResult> done;
      store->OpenToRead(std::move(key), done);
      co_return co_await done;
    }
  };
  return Run<OpenResult>(shard, [&](ShardStore* store) { return Ask::Run(store, key); });
}

CommitOutcome StoreFixture::Commit(uint32_t shard, std::unique_ptr<Maildrop> maildrop,
                                   const std::vector<uint32_t>& positions,
                                   const std::vector<uint32_t>& fetched) {
  const auto to_positions = [](const std::vector<uint32_t>& numbers) {
    return std::vector<MessagePosition>(numbers.begin(), numbers.end());
  };
  const CommitOutcome outcome = Run<CommitOutcome>(shard, [&](ShardStore*) {
    return CommitTask(maildrop.get(), to_positions(positions), to_positions(fetched));
  });
  On(shard, [&] { maildrop.reset(); });
  return outcome;
}

StatusOr<std::string> StoreFixture::ReadBody(uint32_t shard, Maildrop& maildrop,
                                             uint32_t position) {
  std::unique_ptr<io::Body> body;
  StatusOr<std::string> wire = Run<StatusOr<std::string>>(shard, [&](ShardStore*) {
    body = maildrop.OpenBody(MessagePosition(position));
    return ReadTask(body.get());
  });
  On(shard, [&] { body.reset(); });
  return wire;
}

std::vector<Listed> StoreFixture::List(uint32_t shard, const MaildropKey& key) {
  OpenResult opened = OpenMaildrop(shard, key);
  EXPECT_EQ(opened.outcome, OpenOutcome::kOpen) << opened.why;
  std::vector<Listed> list;
  if (opened.maildrop == nullptr) return list;
  for (uint32_t i = 0; i < opened.maildrop->count(); ++i) {
    const MessageInfo info = opened.maildrop->Info(MessagePosition(i));
    const StatusOr<std::string> wire = ReadBody(shard, *opened.maildrop, i);
    EXPECT_TRUE(wire.ok()) << wire.status();
    EXPECT_EQ(wire.ok() ? wire->size() : 0, info.wire_bytes);
    list.push_back({std::string(info.uidl), wire.ok() ? *wire : ""});
  }
  EXPECT_EQ(Commit(shard, std::move(opened.maildrop), {}), CommitOutcome::kDone);
  return list;
}

StatusOr<MaildropTotals> StoreFixture::Totals(uint32_t shard, const MaildropKey& key) {
  struct Ask {
    static io::Task<StatusOr<MaildropTotals>> Run(ShardStore* store, MaildropKey key) {
      io::Completion<StatusOr<MaildropTotals>> done;
      store->Totals(std::move(key), done);
      co_return co_await done;
    }
  };
  return Run<StatusOr<MaildropTotals>>(shard,
                                       [&](ShardStore* store) { return Ask::Run(store, key); });
}

Status StoreFixture::Remove(uint32_t shard, const MaildropKey& key) {
  struct Ask {
    static io::Task<Status> Run(ShardStore* store, MaildropKey key) {
      io::Completion<Status> done;
      store->Remove(std::move(key), done);
      co_return co_await done;
    }
  };
  return Run<Status>(shard, [&](ShardStore* store) { return Ask::Run(store, key); });
}

double StoreFixture::Metric(const std::string& name) const {
  double sum = 0;
  for (const auto& entry : registry_->Entries()) {
    if (entry.name == name && entry.read) sum += entry.read();
  }
  return sum;
}

}  // namespace poplar::storage
