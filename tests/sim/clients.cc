#include "tests/sim/clients.h"

#include <algorithm>
#include <set>
#include <utility>

#include "tests/sim/damage.h"

namespace poplar::sim {
namespace {

using storage::CommitOutcome;
using storage::DeliveryOutcome;
using storage::MaildropKey;
using storage::MessagePosition;
using storage::OpenOutcome;

constexpr uint64_t kImportedUidls = 12;

class Rest {
 public:
  Rest(io::Reactor* reactor, uint64_t ms) : timer_(reactor, this) { timer_.Arm(ms); }
  io::Completion<bool>& over() { return over_; }

 private:
  void OnTimer() { over_.Set(true); }

  io::Completion<bool> over_;
  io::TimerFor<&Rest::OnTimer> timer_;
};

const char* NameOf(DeliveryOutcome outcome) {
  constexpr const char* kNames[] = {"stored",     "already there",     "full",
                                    "over quota", "over tenant quota", "too many",
                                    "temporary"};
  return kNames[static_cast<size_t>(outcome)];
}

bool IsOverQuota(DeliveryOutcome outcome) {
  return outcome == DeliveryOutcome::kOverQuota || outcome == DeliveryOutcome::kOverTenantQuota;
}

}  // namespace

std::vector<Listed> ListOf(const storage::Maildrop& maildrop) {
  std::vector<Listed> list;
  for (uint32_t i = 0; i < maildrop.count(); ++i) {
    const storage::MessageInfo info = maildrop.Info(MessagePosition(i));
    list.push_back({Damager::NumberOf(info.received_us), std::string(info.uidl), info.octets,
                    info.wire_bytes, info.header_bytes});
  }
  return list;
}

// How a session goes.
struct Clients::Manner {
  uint32_t looks = 1;
  uint64_t read_one_in = 1;
  uint64_t delete_one_in = 0;  // 0: nothing.
  bool commits = true;         // Else it just ends.
  bool check = false;          // It is sure to get the maildrop.
};

Clients::Clients(const ClientOptions& options, World* world, Model* model, Dice* dice, Trace* trace)
    : options_(options), world_(*world), model_(*model), dice_(*dice), trace_(*trace) {
  for (uint32_t i = 0; i < options_.accounts; ++i) {
    keys_.push_back({TenantId(1 + i % 2), "account" + std::to_string(i)});
  }
}

Clients::~Clients() = default;

void Clients::Start(const std::string& what,
                    const std::function<io::Task<void>(ShardIndex)>& make) {
  const ShardIndex shard(static_cast<uint32_t>(dice_.Below(world_.shards().count())));
  trace_.Note("client on shard " + std::to_string(shard.value()) + ": " + what);
  running_.push_back(make(shard));
  io::Task<void>& task = running_.back();
  world_.shards().RunOn(shard, [&](io::Shard&) { task.Start(); });
}

void Clients::Collect() {
  running_.remove_if([](const io::Task<void>& task) { return task.done(); });
}

void Clients::StartAny() {
  const uint64_t kind = dice_.Below(22);
  const MaildropKey& key = AnyKey();
  if (kind < 9 && dice_.OneIn(5)) return StartImport(key);
  if (kind < 9) {
    std::vector<MaildropKey> recipients;
    const uint64_t count = dice_.OneIn(3) ? dice_.Between(1, 4) : 1;
    recipients.reserve(count);
    for (uint64_t i = 0; i < count; ++i) recipients.push_back(AnyKey());
    return StartDelivery(std::move(recipients));
  }
  if (kind < 18) {
    Manner manner;
    manner.looks = static_cast<uint32_t>(dice_.Between(1, 3));
    manner.read_one_in = dice_.Between(1, 4);
    manner.delete_one_in = dice_.Below(4);
    manner.commits = !dice_.OneIn(5);
    return Start("session of " + key.account,
                 [this, key, manner](ShardIndex shard) { return Session(shard, key, manner); });
  }
  if (kind == 20) return StartListKept(key);
  if (kind == 21) {
    const std::string uidl = dice_.OneIn(3) ? "" : model_.KeptUidl(key, dice_.Next());
    return StartUndelete(key, uidl);
  }
  if (kind == 18 || !dice_.OneIn(4)) return StartTotals(key);
  Start("removal of " + key.account, [this, key](ShardIndex shard) { return Remove(shard, key); });
}

void Clients::StartDelivery(std::vector<MaildropKey> recipients) {
  std::string what = "delivery to";
  for (const MaildropKey& key : recipients) what += " " + key.account;
  auto body = MakeBody();
  Start(what + ", " + std::to_string(body->wire.size()), [&](ShardIndex shard) {
    return Deliver(shard, std::move(recipients), std::move(body), "");
  });
}

void Clients::StartImport(const MaildropKey& key) {
  const std::string uidl = "old-" + std::to_string(dice_.Below(kImportedUidls));
  for (uint64_t at_once = dice_.OneIn(3) ? 2 : 1; at_once > 0; --at_once) {
    auto body = MakeBody();
    Start("import of " + uidl + " to " + key.account + ", " + std::to_string(body->wire.size()),
          [&](ShardIndex shard) { return Deliver(shard, {key}, std::move(body), uidl); });
  }
}

void Clients::StartTotals(const MaildropKey& key) {
  Start("totals of " + key.account, [this, key](ShardIndex shard) { return Totals(shard, key); });
}

void Clients::StartListKept(const MaildropKey& key) {
  Start("list of what is kept of " + key.account,
        [this, key](ShardIndex shard) { return ListKept(shard, key); });
}

void Clients::StartUndelete(const MaildropKey& key, const std::string& uidl) {
  if (model_.Crowded(key)) return;
  Start("undelete " + uidl + " of " + key.account,
        [this, key, uidl](ShardIndex shard) { return Undelete(shard, key, uidl); });
}

void Clients::StartCheck(const MaildropKey& key, uint64_t delete_one_in) {
  Manner manner;
  manner.delete_one_in = delete_one_in;
  manner.check = true;
  Start("check of " + key.account,
        [this, key, manner](ShardIndex shard) { return Session(shard, key, manner); });
}

// Lines that no two messages share.
std::shared_ptr<const Body> Clients::MakeBody() {
  const uint64_t most = dice_.OneIn(8) ? options_.large_bytes_max : options_.body_bytes_max;
  const uint64_t bytes = dice_.OneIn(20) ? 0 : dice_.Below(most);
  auto body = std::make_shared<Body>();
  const uint64_t mark = dice_.Next();
  body->wire = "Subject: " + std::to_string(mark) + "\r\n\r\n";
  body->facts.header_bytes = body->wire.size();
  for (uint64_t line = 0; body->wire.size() < bytes; ++line) {
    body->wire += std::to_string(mark ^ (line * 0x9E3779B97F4A7C15U)) + "\r\n";
  }
  body->facts.octets = body->wire.size();
  body->wire += ".\r\n";
  body->facts.wire_bytes = body->wire.size();
  return body;
}

io::Task<void> Clients::Deliver(ShardIndex shard, std::vector<MaildropKey> recipients,
                                std::shared_ptr<const Body> body, std::string imported_uidl) {
  const uint64_t number = model_.BeginDelivery(recipients, body, imported_uidl);
  storage::DeliveryRequest request;
  request.imported_uidl = imported_uidl;
  for (const storage::MaildropKey& key : recipients)
    request.recipients.push_back({key, model_.quota()});
  request.received_us = Damager::ReceivedUs(number);
  if (dice_.OneIn(2)) request.expected_bytes = body->wire.size();
  const auto delivery = world_.StoreOn(shard).BeginDelivery(std::move(request));
  const std::string_view wire = body->wire;
  const bool gives_up = dice_.OneIn(20);
  for (size_t at = 0; at < wire.size();) {
    const size_t piece = std::min<size_t>(dice_.Between(1, 8'000), wire.size() - at);
    io::Completion<Status> written;
    delivery->Write(wire.substr(at, piece), written);
    const Status status = co_await written;
    at += piece;
    const bool ends = gives_up && at > wire.size() / 2;
    if (status.ok() && !ends) continue;
    model_.Require(gives_up || !model_.may_write(),
                   "a delivery cannot be written: " + status.ToString());
    ++counts_.refused;
    model_.DropDelivery(number);
    co_return;
  }
  io::Completion<std::vector<DeliveryOutcome>> done;
  delivery->Commit(body->facts, done);
  const std::vector<DeliveryOutcome> outcomes = co_await done;
  std::string said = "delivery " + std::to_string(number) + ":";
  for (const DeliveryOutcome outcome : outcomes) {
    said += std::string(" ") + NameOf(outcome);
    const bool there = outcome == DeliveryOutcome::kAlreadyThere;
    const bool stored = outcome == DeliveryOutcome::kStored;
    ++(there ? counts_.already_there : stored ? counts_.stored : counts_.refused);
    if (stored && !imported_uidl.empty()) ++counts_.imported;
    if (IsOverQuota(outcome)) ++counts_.over_quota;
  }
  trace_.Note(said);
  model_.EndDelivery(number, outcomes);
}

io::Task<void> Clients::Session(ShardIndex shard, MaildropKey key, Manner manner) {
  Model::Opening opening = model_.BeginOpen(key);
  io::Completion<storage::OpenResult> opened;
  world_.StoreOn(shard).Open(key, SessionId(next_session_++), opened);
  storage::OpenResult result = co_await opened;
  trace_.Note(key.account + " opened: " + std::to_string(static_cast<int>(result.outcome)));
  // Expiry holds a maildrop for a moment, as a session does.
  while (manner.check && result.outcome == OpenOutcome::kInUse && model_.Expires(key.tenant)) {
    Rest rest(&world_.shards().shard(shard).reactor(), 1);
    io::Completion<bool>& over = rest.over();
    co_await over;
    opening = model_.BeginOpen(key);
    io::Completion<storage::OpenResult> again;
    world_.StoreOn(shard).Open(key, SessionId(next_session_++), again);
    result = co_await again;
  }
  if (result.outcome != OpenOutcome::kOpen) {
    model_.OpenRefused(opening, result, manner.check);
    ++counts_.in_use;
    co_return;
  }
  ++counts_.sessions;
  storage::Maildrop* const maildrop = result.maildrop.get();
  const Model::Session session = model_.Opened(opening, ListOf(*maildrop));
  trace_.Note(key.account + " has " + std::to_string(maildrop->count()));
  std::set<uint32_t> fetched;
  for (uint32_t look = 0; look < manner.looks; ++look) {
    if (look > 0 && !ending_) {
      Rest rest(&world_.shards().shard(shard).reactor(), dice_.Below(options_.rest_ms_max));
      io::Completion<bool>& over = rest.over();
      co_await over;
    }
    io::Task<void> looking = Look(&session, maildrop, manner, &fetched);
    co_await looking;
  }
  io::Task<void> ending = End(&session, maildrop, manner, std::move(fetched));
  co_await ending;
}

io::Task<void> Clients::Look(const Model::Session* session, storage::Maildrop* maildrop,
                             Manner manner, std::set<uint32_t>* fetched) {
  const std::vector<Listed> list = ListOf(*maildrop);
  model_.CheckSnapshot(*session, list, maildrop->octets());
  for (uint32_t i = 0; i < maildrop->count(); ++i) {
    if (!dice_.OneIn(manner.read_one_in)) continue;
    if (ending_ && !manner.check) break;
    io::Task<StatusOr<std::string>> reading = Read(maildrop, i);
    const StatusOr<std::string> wire = co_await reading;
    ++counts_.bodies;
    model_.CheckBody(*session, i, wire);
    if (maildrop->wants_fetched() && !manner.check) fetched->insert(i);
  }
  model_.CheckLease(*session, maildrop->lease_lost());
}

io::Task<StatusOr<std::string>> Clients::Read(storage::Maildrop* maildrop, uint32_t position) {
  const auto body = maildrop->OpenBody(MessagePosition(position));
  std::string wire(body->wire_bytes(), '\0');
  if (dice_.OneIn(2) && body->TryReadAll(wire)) co_return wire;
  if (dice_.OneIn(2)) {
    io::Completion<Status> verified;
    body->Verify(verified);
    const Status sound = co_await verified;
    if (!sound.ok()) co_return sound;
  }
  for (size_t at = 0; at < wire.size();) {
    const size_t most = std::min<size_t>(dice_.Between(1, 20'000), wire.size() - at);
    io::Completion<StatusOr<size_t>> read;
    body->Read(at, std::span(wire).subspan(at, most), read);
    const StatusOr<size_t> got = co_await read;
    if (!got.ok()) co_return got.status();
    model_.Require(*got == most, "a read of a body that is short");
    at += *got;
  }
  co_return wire;
}

io::Task<void> Clients::End(const Model::Session* session, storage::Maildrop* maildrop,
                            Manner manner, std::set<uint32_t> fetched) {
  std::vector<MessagePosition> deleted;
  std::vector<MessagePosition> read(fetched.begin(), fetched.end());
  const TenantPolicy& policy = model_.PolicyOf(session->opening.maildrop->key.tenant);
  const bool read_goes = policy.expire_read_days == 0U;
  std::vector<Model::Copy*> copies;
  for (uint32_t i = 0; i < maildrop->count() && manner.delete_one_in > 0; ++i) {
    if (!dice_.OneIn(manner.delete_one_in)) continue;
    deleted.emplace_back(i);
    copies.push_back(session->copies[i]);
    fetched.erase(i);
  }
  for (const uint32_t i : fetched) {
    if (read_goes) copies.push_back(session->copies[i]);
  }
  model_.Release(*session);
  if (!manner.commits) co_return;
  model_.MarkFetched(*session, fetched);
  Model::Deletion* const deletion = model_.BeginCommit(*session, copies);
  io::Completion<CommitOutcome> done;
  maildrop->Commit(std::move(deleted), std::move(read), done);
  const CommitOutcome outcome = co_await done;
  trace_.Note("commit of " + std::to_string(copies.size()) + ": " +
              std::to_string(static_cast<int>(outcome)));
  ++(outcome == CommitOutcome::kDone ? counts_.commits : counts_.doubtful_commits);
  model_.EndCommit(deletion, outcome);
}

io::Task<void> Clients::Remove(ShardIndex shard, MaildropKey key) {
  Model::Deletion* const removal = model_.BeginRemove(key);
  io::Completion<Status> done;
  world_.StoreOn(shard).Remove(key, done);
  const Status status = co_await done;
  trace_.Note("removal of " + key.account + ": " + status.ToString());
  ++counts_.removals;
  model_.EndRemove(removal, status);
}

io::Task<void> Clients::Totals(ShardIndex shard, MaildropKey key) {
  const Model::Opening opening = model_.BeginOpen(key);
  io::Completion<StatusOr<storage::MaildropTotals>> done;
  world_.StoreOn(shard).Totals(key, done);
  const StatusOr<storage::MaildropTotals> totals = co_await done;
  model_.CheckTotals(opening, totals);
}

io::Task<void> Clients::ListKept(ShardIndex shard, MaildropKey key) {
  const Model::Opening opening = model_.BeginOpen(key);
  io::Completion<StatusOr<std::vector<storage::KeptMessage>>> done;
  world_.StoreOn(shard).ListKept(key, done);
  const StatusOr<std::vector<storage::KeptMessage>> list = co_await done;
  model_.CheckKept(opening, list);
}

io::Task<void> Clients::Undelete(ShardIndex shard, MaildropKey key, std::string uidl) {
  Model::Undeletion* const undeletion = model_.BeginUndelete(key, uidl);
  io::Completion<storage::UndeleteResult> done;
  storage::UndeleteRequest request;
  request.uidl = uidl;
  world_.StoreOn(shard).Undelete(key, std::move(request), done);
  const storage::UndeleteResult result = co_await done;
  trace_.Note("undelete of " + key.account + ": " + std::to_string(result.messages) + " " +
              result.why.ToString());
  counts_.restored += result.messages;
  model_.EndUndelete(undeletion, result);
}

}  // namespace poplar::sim
