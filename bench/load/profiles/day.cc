// day: mail as a provider's customers have it, for an hour or for a week. Of 1,000 operations
//
//   840  are sessions: connect, log in, STAT, and when that says nothing new, QUIT ("poll": five of
//        six of them); else UIDL, LIST, RETR of what is new, DELE, QUIT ("fetch_delete", or
//        "fetch_leave")
//   158  are deliveries of --octets (2 to 64 KiB by default) to one user ("deliver")
//     2  are deliveries of 4 to 12 MiB ("deliver_large")
//
// Every third user leaves mail on the server, and deletes what is older than the last 20 messages;
// the others delete all. Half of them pipeline. Each client has users of its own, empties their
// maildrops before the run begins, and from then on knows what must be in them: STAT, UIDL, LIST
// and every message are compared with that.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "bench/load/churn_model.h"
#include "bench/load/dots.h"
#include "bench/load/lmtp_client.h"
#include "bench/load/pop3_client.h"
#include "bench/load/profile.h"

namespace poplar::load {
namespace {

constexpr uint64_t kOperations = 1000;  // what the next two are out of
constexpr uint64_t kDeliveries = 158;
constexpr uint64_t kLargeDeliveries = 2;
constexpr SizeRange kSizes = {.octets_min = 2 * kKiB, .octets_max = 64 * kKiB};
constexpr SizeRange kLargeSizes = {.octets_min = 4 * kMiB, .octets_max = 12 * kMiB};
constexpr uint64_t kLeavesMailOneIn = 3;
constexpr uint32_t kPipelineDepth = 8;
constexpr size_t kKeptMessagesMax = 20;

struct KeptMessage {
  uint64_t id = 0;  // of the corpus
  std::string uidl;
  uint64_t octets = 0;
};

struct Maildrop {
  std::string user;
  bool leaves_mail = false;
  bool pipelines = false;
  MaildropModel model;            // what it must hold
  std::vector<KeptMessage> kept;  // what its owner has seen there, in order
};

uint64_t Octets(const std::vector<KeptMessage>& messages) {
  uint64_t octets = 0;
  for (const KeptMessage& message : messages) octets += message.octets;
  return octets;
}

class DayClient {
 public:
  DayClient(Worker* worker, uint32_t slot)
      : worker_(worker),
        options_(worker->options()),
        random_(Mix(options_.seed, slot)),
        next_id_(options_.first_id + (uint64_t{slot} << 32)) {
    for (uint64_t user = slot; user < options_.users; user += options_.connections) {
      maildrops_.push_back({.user = worker->UserName(user),
                            .leaves_mail = user % kLeavesMailOneIn == 0,
                            .pipelines = user / kLeavesMailOneIn % 2 == 0,
                            .model = {},
                            .kept = {}});
    }
  }

  // Deletes what earlier runs left.
  Task<Status> EmptyAll();
  // One thing, picked at random.
  Task<Status> Step(const Operation* operation);

 private:
  // All of them: what is pointed at must outlive the task.
  Task<Status> Deliver(const Operation* operation, Maildrop* maildrop, const SizeRange* sizes,
                       std::string_view name);
  Task<Status> Session(const Operation* operation, Maildrop* maildrop);
  // Fetches what is new, and compares the maildrop with what it must hold. The octets fetched.
  Task<StatusOr<uint64_t>> Fetch(Maildrop* maildrop, Pop3Client* client, const Pop3Totals* totals);
  // Deletes what the owner does not keep, and ends the session.
  Task<Status> DeleteAndQuit(Maildrop* maildrop, Pop3Client* client);
  // Whether UIDL and LIST say of the messages seen before what they said then.
  static Status CheckKept(const Maildrop& maildrop, const std::vector<std::string>& uidls,
                          const std::vector<uint64_t>& sizes);

  uint64_t Random(uint64_t below) { return (random_ = Mix(random_, below)) % below; }

  Worker* const worker_;
  const Options& options_;
  uint64_t random_;
  uint64_t next_id_;
  std::vector<Maildrop> maildrops_;
  TlsTicket ticket_;
};

Task<Status> DayClient::EmptyAll() {
  const Gate::Pass pass = co_await worker_->opening()->Enter();
  for (const Maildrop& maildrop : maildrops_) {
    if (worker_->ending()) co_return OkStatus();
    Stream stream(worker_->loop(), worker_->stream_options());
    Pop3Client client(&stream);
    LOAD_CO_RETURN_IF_ERROR(co_await worker_->OpenPop3(&stream, &ticket_));
    LOAD_CO_RETURN_IF_ERROR(co_await client.Login(maildrop.user, options_.password));
    LOAD_CO_ASSIGN_OR_RETURN(Pop3Totals totals, co_await client.Stat());
    LOAD_CO_RETURN_IF_ERROR(co_await client.DeleFirst(totals.messages));
    LOAD_CO_RETURN_IF_ERROR(co_await client.Quit());
  }
  co_return OkStatus();
}

Task<Status> DayClient::Step(const Operation* operation) {
  Maildrop* maildrop = &maildrops_[Random(maildrops_.size())];
  const uint64_t pick = Random(kOperations);
  const SizeRange sizes = options_.octets.value_or(kSizes);
  Status status;
  if (pick < kLargeDeliveries) {
    status = co_await Deliver(operation, maildrop, &kLargeSizes, "deliver_large");
  } else if (pick < kLargeDeliveries + kDeliveries) {
    status = co_await Deliver(operation, maildrop, &sizes, "deliver");
  } else {
    status = co_await Session(operation, maildrop);
  }
  if (!status.ok()) co_return Annotate(status, maildrop->user);
  co_return OkStatus();
}

// As an MTA does whose connection has gone idle: from the connection to its end.
Task<Status> DayClient::Deliver(const Operation* operation, Maildrop* maildrop,
                                const SizeRange* sizes, std::string_view name) {
  const uint64_t id = next_id_++;
  const uint64_t octets = PickOctets(*sizes, options_.seed, id);
  const std::string wire = Stuff(Generate({.seed = options_.seed, .id = id, .octets = octets}));
  const std::vector<std::string> recipients = {maildrop->user};
  const uint64_t start_ns = operation->StartNs();
  Stream stream(worker_->loop(), worker_->stream_options());
  LmtpClient client(&stream);
  LOAD_CO_RETURN_IF_ERROR(co_await stream.Connect(&options_.lmtp));
  LOAD_CO_RETURN_IF_ERROR(co_await client.Open());
  LOAD_CO_RETURN_IF_ERROR(co_await client.Deliver(&recipients, wire, options_.declare_size));
  maildrop->model.Delivered(id);
  LOAD_CO_RETURN_IF_ERROR(co_await client.Quit());
  worker_->Record(name, start_ns, octets);
  co_return OkStatus();
}

Task<Status> DayClient::Session(const Operation* operation, Maildrop* maildrop) {
  const uint64_t start_ns = operation->StartNs();
  Stream stream(worker_->loop(), worker_->stream_options());
  Pop3Client client(&stream);
  LOAD_CO_RETURN_IF_ERROR(co_await worker_->OpenPop3(&stream, &ticket_));
  LOAD_CO_RETURN_IF_ERROR(co_await client.Login(maildrop->user, options_.password));
  LOAD_CO_ASSIGN_OR_RETURN(Pop3Totals totals, co_await client.Stat());
  if (totals.messages != maildrop->model.size()) {
    co_return CountError("STAT says " + std::to_string(totals.messages) + " messages, and " +
                         std::to_string(maildrop->model.size()) + " must be there");
  }
  if (totals.messages == maildrop->kept.size()) {
    if (totals.octets != Octets(maildrop->kept)) {
      co_return CountError("STAT has other octets than before, and nothing was delivered");
    }
    LOAD_CO_RETURN_IF_ERROR(co_await client.Quit());
    worker_->Record("poll", start_ns);
    co_return OkStatus();
  }
  LOAD_CO_ASSIGN_OR_RETURN(uint64_t octets, co_await Fetch(maildrop, &client, &totals));
  LOAD_CO_RETURN_IF_ERROR(co_await DeleteAndQuit(maildrop, &client));
  worker_->Record(maildrop->leaves_mail ? "fetch_leave" : "fetch_delete", start_ns, octets);
  co_return OkStatus();
}

Status DayClient::CheckKept(const Maildrop& maildrop, const std::vector<std::string>& uidls,
                            const std::vector<uint64_t>& sizes) {
  for (size_t i = 0; i < maildrop.kept.size(); ++i) {
    const KeptMessage& kept = maildrop.kept[i];
    if (uidls[i] == kept.uidl && sizes[i] == kept.octets) continue;
    return ContentError("message " + std::to_string(i + 1) + " was " + kept.uidl + " and is now " +
                        uidls[i]);
  }
  return OkStatus();
}

Task<StatusOr<uint64_t>> DayClient::Fetch(Maildrop* maildrop, Pop3Client* client,
                                          const Pop3Totals* totals) {
  std::vector<KeptMessage>& kept = maildrop->kept;
  LOAD_CO_ASSIGN_OR_RETURN(std::vector<std::string> uidls, co_await client->Uidl());
  LOAD_CO_ASSIGN_OR_RETURN(std::vector<uint64_t> sizes, co_await client->List());
  if (uidls.size() != totals->messages || sizes.size() != totals->messages) {
    co_return CountError("STAT, UIDL and LIST do not agree");
  }
  LOAD_CO_RETURN_IF_ERROR(CheckKept(*maildrop, uidls, sizes));
  const size_t known = kept.size();
  LOAD_CO_ASSIGN_OR_RETURN(
      std::vector<Pop3Message> fresh,
      co_await client->RetrAllBehind(known, &sizes, maildrop->pipelines ? kPipelineDepth : 1));
  uint64_t octets = 0;
  for (const Pop3Message& message : fresh) {
    kept.push_back({message.id, uidls[kept.size()], message.octets});
    octets += message.octets;
  }
  if (Octets(kept) != totals->octets) co_return CountError("STAT and LIST do not agree");
  std::vector<SeenMessage> seen;
  seen.reserve(kept.size());
  for (const KeptMessage& message : kept) seen.push_back({.id = message.id, .uidl = message.uidl});
  LOAD_CO_RETURN_IF_ERROR(maildrop->model.Check(seen));
  worker_->meter()->Note("messages_verified", fresh.size());
  co_return octets;
}

Task<Status> DayClient::DeleteAndQuit(Maildrop* maildrop, Pop3Client* client) {
  std::vector<KeptMessage>& kept = maildrop->kept;
  const size_t kept_max = maildrop->leaves_mail ? kKeptMessagesMax : 0;
  const size_t count = kept.size() > kept_max ? kept.size() - kept_max : 0;
  if (maildrop->pipelines) {
    LOAD_CO_RETURN_IF_ERROR(co_await client->DeleFirst(count));
  } else {
    for (size_t i = 1; i <= count; ++i) LOAD_CO_RETURN_IF_ERROR(co_await client->Dele(i));
  }
  LOAD_CO_RETURN_IF_ERROR(co_await client->Quit());
  std::vector<uint64_t> deleted;
  deleted.reserve(count);
  for (size_t i = 0; i < count; ++i) deleted.push_back(kept[i].id);
  maildrop->model.Deleted(deleted);
  kept.erase(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(count));
  co_return OkStatus();
}

}  // namespace

Task<Status> PlayDay(Worker* worker, uint32_t slot) {
  DayClient client(worker, slot);
  LOAD_CO_RETURN_IF_ERROR(co_await client.EmptyAll());
  co_await worker->Gather(slot);
  while (true) {
    std::optional<Operation> operation = co_await worker->NextOperation(slot);
    if (!operation) co_return OkStatus();
    LOAD_CO_RETURN_IF_ERROR(co_await client.Step(&*operation));
  }
}

}  // namespace poplar::load
