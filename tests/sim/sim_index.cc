#include "tests/sim/sim_index.h"

#include <iterator>
#include <utility>

#include "storage/format/bytes.h"
#include "storage/format/segment_format.h"

namespace poplar::sim {
namespace {

using storage::Database;
using storage::File;
using storage::KeyValueStore;
using storage::KeyValueTransaction;
using storage::RoundUp;

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kMagic = 0x58444e494d4953;  // "SIMINDX"

}  // namespace

class SimIndexEngine::Store final : public KeyValueStore {
 public:
  Store(SimIndexEngine* engine, State* state, std::unique_ptr<File> file)
      : engine_(*engine), state_(*state), file_(std::move(file)) {}

  StatusOr<std::unique_ptr<KeyValueTransaction>> Begin(Access access) override;
  StatusOr<uint64_t> FileBytes() override { return file_->Bytes(); }
  bool broken() const override { return panicked_; }
  Status Commit(std::shared_ptr<const Content> content);

 private:
  Status Grow(const Content& content);

  SimIndexEngine& engine_;
  State& state_;
  const std::unique_ptr<File> file_;
  bool panicked_ = false;
};

class SimIndexEngine::Transaction final : public KeyValueTransaction {
 public:
  Transaction(Store* store, std::shared_ptr<const Content> content) : store_(*store) {
    content_ = std::move(content);
  }
  // A changing one works at a copy.
  Transaction(Store* store, std::shared_ptr<Content> copy)
      : store_(*store), content_(copy), changed_(std::move(copy)) {}

  StatusOr<std::string_view> Get(Database database, std::string_view key) override {
    const Pairs& pairs = Of(database);
    const auto found = pairs.find(key);
    if (found == pairs.end()) return MakeStatus(StatusCode::kNotFound, "index read");
    return std::string_view(found->second);
  }

  StatusOr<std::pair<std::string_view, std::string_view>> LastBefore(
      Database database, std::string_view key) override {
    const Pairs& pairs = Of(database);
    auto found = pairs.lower_bound(key);
    if (found == pairs.begin()) return MakeStatus(StatusCode::kNotFound, "index cursor");
    --found;
    return std::pair<std::string_view, std::string_view>(found->first, found->second);
  }

  StatusOr<Pair> FirstFrom(Database database, std::string_view key) override {
    const Pairs& pairs = Of(database);
    const auto found = pairs.lower_bound(key);
    if (found == pairs.end()) return MakeStatus(StatusCode::kNotFound, "index cursor");
    return Pair(found->first, found->second);
  }

  Status ForEach(Database database, std::string_view prefix, Visit visit) override {
    return VisitFrom(database, prefix, prefix, visit);
  }

  Status ForEachFrom(Database database, std::string_view first, Visit visit) override {
    return VisitFrom(database, first, {}, visit);
  }

  void Expect(Database /*database*/, std::string_view /*prefix*/) override {}

  Status Put(Database database, std::string_view key, std::string_view value) override {
    (*changed_)[static_cast<size_t>(database)].insert_or_assign(std::string(key),
                                                                std::string(value));
    return OkStatus();
  }

  Status Delete(Database database, std::string_view key) override {
    (*changed_)[static_cast<size_t>(database)].erase(std::string(key));
    return OkStatus();
  }

  Status Commit() override { return store_.Commit(std::exchange(changed_, nullptr)); }

 private:
  const Pairs& Of(Database database) const { return (*content_)[static_cast<size_t>(database)]; }

  Status VisitFrom(Database database, std::string_view first, std::string_view prefix,
                   Visit visit) {
    const Pairs& pairs = Of(database);
    for (auto at = pairs.lower_bound(first); at != pairs.end(); ++at) {
      if (!at->first.starts_with(prefix)) break;
      if (store_.broken()) return MakeStatus(StatusCode::kUnavailable, "index: open it again");
      POP_RETURN_IF_ERROR(visit(std::string_view(at->first).substr(prefix.size()), at->second));
    }
    return OkStatus();
  }

  Store& store_;
  std::shared_ptr<const Content> content_;
  std::shared_ptr<Content> changed_;
};

StatusOr<std::unique_ptr<KeyValueTransaction>> SimIndexEngine::Store::Begin(Access access) {
  if (panicked_) return MakeStatus(StatusCode::kUnavailable, "index: open it again");
  if (engine_.disk_.off()) return MakeStatus(StatusCode::kUnavailable, "index: the disk is off");
  if (access == Access::kRead) {
    return std::unique_ptr<KeyValueTransaction>(new Transaction(this, state_.committed));
  }
  auto copy = std::make_shared<Content>(*state_.committed);
  return std::unique_ptr<KeyValueTransaction>(new Transaction(this, std::move(copy)));
}

// The file is as long as what it holds.
Status SimIndexEngine::Store::Grow(const Content& content) {
  uint64_t bytes = kPageBytes;
  for (const Pairs& pairs : content) {
    for (const auto& [key, value] : pairs) bytes += key.size() + value.size();
  }
  bytes = RoundUp(bytes, kPageBytes);
  POP_ASSIGN_OR_RETURN(const uint64_t have, file_->Bytes());
  if (have >= bytes) return OkStatus();
  return file_->WriteAt(std::string(bytes - have, '\0'), have);
}

Status SimIndexEngine::Store::Commit(std::shared_ptr<const Content> content) {
  POP_RETURN_IF_ERROR(Grow(*content));
  Status flushed = file_->SyncData();
  if (flushed.ok()) {
    state_ = {std::move(content), nullptr};
    return OkStatus();
  }
  const uint64_t what = engine_.dice_.Below(4);
  if (what == 0) state_ = {content, nullptr};  // It is there, whatever was said.
  if (what == 1) state_.doubtful = std::move(content);
  if (!engine_.disk_.off() && engine_.dice_.OneIn(3)) {
    panicked_ = true;
    ++engine_.panics_;
  }
  return flushed;
}

StatusOr<uint64_t> SimIndexEngine::MakeAnew(File& file) {
  const uint64_t number = next_file_++;
  std::string page(kPageBytes, '\0');
  storage::StoreLe<uint64_t>(page.data(), kMagic);
  storage::StoreLe<uint64_t>(page.data() + sizeof(uint64_t), number);
  POP_RETURN_IF_ERROR(file.WriteAt(page, 0));
  POP_RETURN_IF_ERROR(file.SyncData());
  states_[number] = {};
  return number;
}

uint64_t SimIndexEngine::NumberIn(std::string_view content) const {
  if (content.size() < 2 * sizeof(uint64_t)) return 0;
  if (storage::LoadLe<uint64_t>(content.data()) != kMagic) return 0;
  const auto number = storage::LoadLe<uint64_t>(content.data() + sizeof(uint64_t));
  return states_.contains(number) ? number : 0;
}

std::string SimIndexEngine::DamageList(const std::string& directory) {
  const std::string* const file = disk_.Content(directory + "/data.mdb");
  const uint64_t number = file == nullptr ? 0 : NumberIn(*file);
  if (number == 0) return {};
  State& state = states_[number];
  auto damaged = std::make_shared<Content>(*state.committed);
  const Database database = dice_.OneIn(2) ? Database::kMaildrops : Database::kChunks;
  Pairs& pairs = (*damaged)[static_cast<size_t>(database)];
  if (pairs.empty()) return {};
  auto pair = pairs.begin();
  std::advance(pair, static_cast<ptrdiff_t>(dice_.Below(pairs.size())));
  char& octet = pair->second[dice_.Below(pair->second.size())];
  octet = static_cast<char>(static_cast<uint64_t>(octet) + 1 + dice_.Below(255));
  const size_t behind_key = database == Database::kChunks ? sizeof(uint32_t) : 0;
  const std::string key = pair->first.substr(0, pair->first.size() - behind_key);
  state = {std::move(damaged), nullptr};
  return key;
}

StatusOr<std::unique_ptr<KeyValueStore>> SimIndexEngine::Open(const std::string& directory,
                                                              uint64_t /*map_bytes*/) {
  const SimDisk::Alone alone(disk_);  // One that is opened again is locked.
  const std::string path = directory + "/data.mdb";
  StatusOr<std::unique_ptr<File>> file = disk_.OpenToRead(path);
  if (file.status().code() == StatusCode::kNotFound) file = disk_.CreateFile(path);
  if (!file.ok()) return file.status();
  uint64_t number = 0;
  POP_ASSIGN_OR_RETURN(const uint64_t bytes, (*file)->Bytes());
  if (bytes == 0) {
    POP_ASSIGN_OR_RETURN(number, MakeAnew(**file));
  } else {
    POP_ASSIGN_OR_RETURN(number, ReadNumber(**file, path));
  }
  return OpenState(number, std::move(*file));
}

StatusOr<std::unique_ptr<KeyValueStore>> SimIndexEngine::OpenToRead(const std::string& directory,
                                                                    uint64_t /*map_bytes*/) {
  const std::string path = directory + "/data.mdb";
  POP_ASSIGN_OR_RETURN(auto file, disk_.OpenToRead(path));
  POP_ASSIGN_OR_RETURN(const uint64_t bytes, file->Bytes());
  if (bytes == 0) return MakeStatus(StatusCode::kNotFound, path + ": empty");
  POP_ASSIGN_OR_RETURN(const uint64_t number, ReadNumber(*file, path));
  return OpenState(number, std::move(file));
}

StatusOr<uint64_t> SimIndexEngine::ReadNumber(const File& file, const std::string& path) const {
  std::string head(2 * sizeof(uint64_t), '\0');
  POP_ASSIGN_OR_RETURN(const size_t got, file.ReadAt(head, 0));
  const uint64_t number = NumberIn(std::string_view(head).substr(0, got));
  if (number == 0) return MakeStatus(StatusCode::kDataLoss, path + ": not an index");
  return number;
}

StatusOr<std::unique_ptr<KeyValueStore>> SimIndexEngine::OpenState(uint64_t number,
                                                                   std::unique_ptr<File> file) {
  State& state = states_[number];
  if (state.doubtful != nullptr && dice_.OneIn(2)) state.committed = state.doubtful;
  state.doubtful = nullptr;
  return std::unique_ptr<KeyValueStore>(std::make_unique<Store>(this, &state, std::move(file)));
}

}  // namespace poplar::sim
