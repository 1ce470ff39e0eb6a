#include "tests/sim/snapshots.h"

#include <memory>
#include <utility>

#include "core/io/task.h"
#include "storage/tools/verify.h"
#include "tests/sim/clients.h"

namespace poplar::sim {
namespace {

const std::string kSnapshot = "/snapshot";

struct Content {
  storage::OpenResult opened;
  std::vector<Listed> list;
  std::vector<StatusOr<std::string>> wires;
};

io::Task<StatusOr<std::string>> ReadOne(storage::Maildrop* maildrop, uint32_t position) {
  const auto body = maildrop->OpenBody(storage::MessagePosition(position));
  std::string wire(body->wire_bytes(), '\0');
  for (size_t at = 0; at < wire.size();) {
    io::Completion<StatusOr<size_t>> read;
    body->Read(at, std::span(wire).subspan(at), read);
    const StatusOr<size_t> got = co_await read;
    if (!got.ok()) co_return got.status();
    at += *got;
  }
  co_return wire;
}

io::Task<void> ReadAll(storage::ShardStore* store, storage::MaildropKey key, Content* content) {
  io::Completion<storage::OpenResult> opened;
  store->Open(std::move(key), SessionId(1), opened);
  content->opened = co_await opened;
  storage::Maildrop* const maildrop = content->opened.maildrop.get();
  if (maildrop == nullptr) co_return;
  content->list = ListOf(*maildrop);
  for (uint32_t i = 0; i < maildrop->count(); ++i) {
    io::Task<StatusOr<std::string>> reading = ReadOne(maildrop, i);
    content->wires.push_back(co_await reading);
  }
}

}  // namespace

void Snapshots::Take() {
  Model::Picture picture = model_.BeginPicture();
  const uint64_t faults = world_.disk().faults();
  const auto report = world_.Snapshot(kSnapshot);
  model_.Require(report.ok() || !model_.may_write(),
                 "a snapshot failed without a cause: " + report.status().ToString());
  if (!report.ok()) return;
  const bool faulty = world_.disk().faults() > faults;
  model_.Require(report->missing == 0 || model_.any_damage() || faulty,
                 "a snapshot misses what is there");
  incomplete_ += report->missing > 0 ? 1 : 0;
  if (report->missing > 0 && faulty) return;  // What could not be read is told, and is not there.
  model_.EndPicture(&picture);
  picture_ = std::move(picture);
}

void Snapshots::CheckAndDrop(storage::StoreOptions options) {
  options.path = kSnapshot;
  options.policies = nullptr;  // It is to be seen as it is.
  if (picture_.has_value()) Check(options);
  picture_.reset();
  // What was not finished stays where the power went.
  for (const std::string& directory : {kSnapshot, kSnapshot + ".unfinished"}) {
    if (!world_.disk().List(directory).ok()) continue;
    const Status removed = RemoveTree(world_.disk(), directory);
    model_.Require(removed.ok(), "a snapshot cannot be removed: " + removed.ToString());
  }
  // What was removed before, too: else it is back when the power goes.
  model_.Require(world_.disk().SyncDirectory("/").ok(), "the root cannot be flushed");
}

void Snapshots::Check(const storage::StoreOptions& options) {
  ++checked_;
  storage::VerifyOptions verify;
  verify.path = kSnapshot;
  verify.env = &world_.disk();
  verify.index_engine = &world_.index_engine();
  std::string damaged;
  verify.on_damage = [&](uint32_t partition, const storage::Damage& damage) {
    damaged += " partition " + std::to_string(partition) + ": " + damage.what + ";";
  };
  const auto report = storage::VerifyStore(verify);
  model_.Require(report.ok(), "verify of a snapshot: " + report.status().ToString());
  model_.Require(report->damages == 0 || model_.any_damage() || model_.any_list_damaged(),
                 "a snapshot is damaged:" + damaged);
  const Status opened = world_.Open(options, 1);
  model_.Require(opened.ok(), "a snapshot does not open: " + opened.ToString());
  for (const Model::Opening& opening : picture_->maildrops) CheckMaildrop(opening);
  model_.Require(world_.Close().ok(), "close of a snapshot");
}

void Snapshots::CheckMaildrop(const Model::Opening& opening) {
  Content content;
  io::Task<void> task = ReadAll(&world_.StoreOn(ShardIndex(0)), opening.maildrop->key, &content);
  const auto on_shard = [this](const std::function<void()>& step) {
    world_.shards().RunOn(ShardIndex(0), [&](io::Shard&) { step(); });
  };
  on_shard([&] { task.Start(); });
  world_.StepUntil("a snapshot is read", [&] { return task.done(); });
  on_shard([&] { content.opened.maildrop.reset(); });
  if (!opening.maildrop->sound()) return;
  model_.Require(content.opened.outcome == storage::OpenOutcome::kOpen,
                 "a maildrop of a snapshot cannot be opened: " + content.opened.why.ToString());
  model_.CheckPicture(*picture_, opening, content.list, content.wires);
}

}  // namespace poplar::sim
