#include "tests/sim/damage.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "storage/engine/layout.h"
#include "storage/segment/walker.h"

namespace poplar::sim {
namespace {

using storage::RecordKind;

constexpr int64_t kNumberZeroUs = 1'700'000'000'000'000;
constexpr uint64_t kDamageBytesMax = 16;

struct Standing {
  uint64_t begin = 0;
  uint64_t end = 0;
  RecordKind kind = RecordKind::kAdd;
  storage::MaildropKey key;
  uint64_t number = 0;
};

class Collector final : public storage::LogVisitor {
 public:
  void OnRecord(const storage::Record& record, storage::Lsn at) override {
    records.push_back({at.offset(),
                       at.offset() + record.log_bytes(),
                       record.kind,
                       {record.tenant, std::string(record.account)},
                       Damager::NumberOf(record.time_us)});
  }
  void OnDamage(const storage::Damage& /*damage*/) override {}

  std::vector<Standing> records;
};

// Where the batch that `offset` belongs to begins and ends, and whether another one follows it.
struct Batch {
  uint64_t begin = 0;
  uint64_t end = 0;
  bool last = true;
};

std::vector<Batch> BatchesOf(std::string_view bytes, uint32_t segment, uint64_t salt) {
  std::vector<Batch> batches;
  for (uint64_t at = storage::kFirstBatchOffset; at < bytes.size();) {
    const auto head = storage::DecodeBatchHead(
        bytes.substr(at), storage::Lsn(segment, static_cast<uint32_t>(at)), salt);
    if (!head.has_value()) {
      at += storage::kBlockBytes;
      continue;
    }
    if (!batches.empty()) batches.back().last = false;
    const uint64_t end = storage::RoundUp(at + head->bytes, storage::kBlockBytes);
    batches.push_back({at, end, true});
    at = end;
  }
  return batches;
}

}  // namespace

Damager::Damager(std::string store, SimDisk* disk, SimIndexEngine* index_engine, Model* model,
                 Dice* dice, Trace* trace)
    : store_(std::move(store)),
      disk_(*disk),
      index_engine_(*index_engine),
      model_(*model),
      dice_(*dice),
      trace_(*trace) {}

uint64_t Damager::NumberOf(int64_t received_us) {
  return static_cast<uint64_t>(received_us - kNumberZeroUs);
}
int64_t Damager::ReceivedUs(uint64_t number) {
  return kNumberZeroUs + static_cast<int64_t>(number);
}

bool Damager::LoseIndex(uint32_t partition) {
  const std::string path = storage::PartitionDirectory(store_, partition) + "/index/data.mdb";
  const std::string* const content = disk_.Content(path);
  if (content == nullptr) return false;
  trace_.Note("lost: " + path);
  if (content->size() < sizeof(uint64_t) || dice_.OneIn(2)) {
    disk_.Drop(path);
  } else {
    disk_.Damage(path, dice_.Below(sizeof(uint64_t)), "#");
  }
  return true;
}

bool Damager::DamageList(uint32_t partition) {
  const std::string key =
      index_engine_.DamageList(storage::PartitionDirectory(store_, partition) + "/index");
  if (key.empty()) return false;
  const storage::MaildropKey maildrop = storage::DecodeMaildropKey(key);
  trace_.Note("damaged: the list of " + maildrop.account);
  model_.RelaxList(maildrop);
  return true;
}

bool Damager::DamageSomething(uint32_t partition) {
  const std::string directory = storage::PartitionDirectory(store_, partition);
  if (dice_.OneIn(4)) return DamageBlob(directory + "/blobs");
  std::vector<std::string> segments = disk_.Names(directory + "/log");
  std::erase_if(segments, [](const std::string& name) { return !name.ends_with(".seg"); });
  if (segments.empty()) return false;
  return DamageSegment(directory + "/log/" + segments[dice_.Below(segments.size())]);
}

bool Damager::DamageSegment(const std::string& path) {
  const uint64_t bytes = disk_.Content(path)->size();
  if (bytes <= storage::kFirstBatchOffset + kDamageBytesMax) return false;
  if (dice_.OneIn(6)) {
    trace_.Note("lost: " + path);
    RelaxWhatStandsIn(path, 0, bytes);
    disk_.Drop(path);
    return true;
  }
  const uint64_t count = dice_.Between(1, kDamageBytesMax);
  // Segments are mostly empty; what is written stands at the front.
  const uint64_t within = dice_.OneIn(2) ? bytes : std::min<uint64_t>(bytes, 16'384);
  const uint64_t at = dice_.Below(within - count);
  trace_.Note("damaged: " + path + " " + std::to_string(at) + "+" + std::to_string(count));
  const bool again = !damaged_.insert(path).second;
  RelaxWhatStandsIn(path, again ? 0 : at, again ? bytes : at + count);
  std::string garbage;
  for (uint64_t i = 0; i < count; ++i) garbage += static_cast<char>(dice_.Next());
  disk_.Damage(path, at, garbage);
  return true;
}

uint64_t Damager::DamageWherever(const std::string& wire) {
  uint64_t places = 0;
  model_.RelaxBody(wire);
  for (uint32_t p = 0; disk_.List(storage::PartitionDirectory(store_, p)).ok(); ++p) {
    const std::string log = storage::PartitionDirectory(store_, p) + "/log";
    for (const std::string& name : disk_.Names(log)) {
      const std::string path = log + "/" + name;
      const std::string bytes = *disk_.Content(path);
      for (size_t at = 0; (at = bytes.find(wire, at)) != std::string::npos; at += wire.size()) {
        const size_t middle = at + wire.size() / 2;
        trace_.Note("damaged: " + path + " " + std::to_string(middle));
        disk_.Damage(path, middle, std::string(1, static_cast<char>(bytes[middle] ^ 0x40)));
        ++places;
      }
    }
  }
  return places;
}

void Damager::RelaxWhatStandsIn(const std::string& path, uint64_t begin, uint64_t end) {
  const std::string& bytes = *disk_.Content(path);
  const size_t name_at = path.rfind('/') + 1;
  const auto segment = static_cast<uint32_t>(std::stoul(path.substr(name_at), nullptr, 16));
  // Without its first batch nobody may know where the log before this segment ends.
  model_.RelaxDoubts();
  const auto head =
      storage::DecodeSegmentHead(std::string_view(bytes).substr(0, storage::kFirstBatchOffset));
  const auto first = storage::ReadFirstBatch(
      std::string_view(bytes).substr(storage::kFirstBatchOffset), segment, std::nullopt);
  if (!head.ok() && !first.has_value()) return;
  const uint64_t salt = head.ok() ? head->salt : first->salt;
  // Without both heads nobody can read the rest, this simulator neither.
  if (begin < storage::kFirstBatchOffset + storage::kBatchHeadBytes) {
    begin = 0;
    end = bytes.size();
  }
  // The last batch goes as a whole: nothing proves that it had been flushed.
  for (const Batch& batch : BatchesOf(bytes, segment, salt)) {
    if (!batch.last || batch.begin >= end || begin >= batch.end) continue;
    begin = std::min(begin, batch.begin);
    end = std::max(end, batch.end);
  }
  Collector collector;
  const storage::WalkOptions walk{segment, salt, storage::Lsn(), storage::kLsnMax,
                                  storage::kLsnMax};
  storage::WalkSegment(bytes, walk, collector);
  for (const Standing& record : collector.records) {
    if (record.begin >= end || begin >= record.end) continue;
    if (record.kind == RecordKind::kExpunge || record.kind == RecordKind::kRemove) {
      model_.Relax(record.key);
    } else {
      model_.RelaxCopy(record.key, record.number);
    }
  }
}

bool Damager::DamageBlob(const std::string& directory) {
  for (const std::string& epoch : disk_.Names(directory)) {
    const std::vector<std::string> names = disk_.Names(directory + "/" + epoch);
    if (names.empty() || dice_.OneIn(3)) continue;
    const std::string path = directory + "/" + epoch + "/" + names[dice_.Below(names.size())];
    const std::string& bytes = *disk_.Content(path);
    if (bytes.empty()) continue;
    trace_.Note("damaged: " + path);
    model_.RelaxBody(bytes);
    disk_.Damage(path, dice_.Below(bytes.size()), std::string(1, static_cast<char>(dice_.Next())));
    return true;
  }
  return false;
}

}  // namespace poplar::sim
