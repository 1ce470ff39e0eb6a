// churn: everything at once, against a model of what must be there. Each client has maildrops of
// its own and picks what it does at random (from --seed): it delivers, fetches and checks all,
// deletes, reads slowly, takes deletions back, delivers into a maildrop that it has open, and
// breaks off: in the middle of a message in either direction, before a 250, before QUIT's reply.

#include <array>
#include <numeric>

#include "bench/load/churn_model.h"
#include "bench/load/dots.h"
#include "bench/load/lmtp_client.h"
#include "bench/load/pop3_client.h"
#include "bench/load/profile.h"

namespace poplar::load {
namespace {

constexpr SizeRange kSizes = {.octets_min = 512, .octets_max = 2 << 20};
constexpr size_t kMaildropMessagesMax = 30;
constexpr uint32_t kRetrDepth = 4;
constexpr uint64_t kRecipientsMax = 3;
constexpr int kSlowReceiveBufferBytes = 8192;
constexpr uint64_t kSlowPauseMs = 2;
// How long a maildrop may be in use after a connection to it was cut.
constexpr uint64_t kInUsePauseMs = 100;
constexpr int kInUseTriesMax = 200;

struct Maildrop {
  std::string user;
  MaildropModel model;
};

class ChurnClient {
 public:
  ChurnClient(Worker* worker, uint32_t slot)
      : worker_(worker),
        random_(Mix(worker->options().seed, slot)),
        next_id_(worker->options().first_id + (uint64_t{slot} << 32)),
        lmtp_stream_(worker->loop(), worker->stream_options()),
        lmtp_(&lmtp_stream_) {
    for (uint64_t user = slot; user < worker->options().users;
         user += worker->options().connections) {
      maildrops_.push_back({.user = worker->UserName(user), .model = {}});
    }
  }

  // Deletes what earlier runs left.
  Task<Status> EmptyAll();
  // One thing, picked at random.
  Task<Status> Step();

 private:
  struct Action {
    std::string_view name;
    uint64_t weight;
    Task<Status> (ChurnClient::*run)(Maildrop*);
  };
  static const std::array<Action, 10> kActions;

  Task<Status> Deliver(Maildrop* maildrop);
  Task<Status> Fetch(Maildrop* maildrop);
  Task<Status> FetchAndDelete(Maildrop* maildrop);
  Task<Status> FetchSlowly(Maildrop* maildrop);
  Task<Status> TakeDeletionsBack(Maildrop* maildrop);
  Task<Status> DeliverIntoSession(Maildrop* maildrop);
  Task<Status> CutSession(Maildrop* maildrop);
  Task<Status> CutQuit(Maildrop* maildrop);
  Task<Status> CutDelivery(Maildrop* maildrop);
  Task<Status> CutBeforeReply(Maildrop* maildrop);

  // Connects and logs in; waits while the maildrop is in use.
  Task<Status> Open(Maildrop* maildrop, Stream* stream);
  // STAT, UIDL, LIST and RETR of all, checked against each other and the model.
  Task<StatusOr<std::vector<SeenMessage>>> FetchAll(Maildrop* maildrop, Pop3Client* client);
  // DELE of some (or all) of what was seen; the ids of those.
  Task<StatusOr<std::vector<uint64_t>>> DeleteSome(const std::vector<SeenMessage>* seen,
                                                   Pop3Client* client);
  Task<Status> OpenLmtp();

  uint64_t Random(uint64_t below) { return (random_ = Mix(random_, below)) % below; }
  std::string MakeMessage(uint64_t id) const;
  void Cut(Stream* stream) { Random(2) == 0 ? stream->Close() : stream->Reset(); }

  Worker* const worker_;
  uint64_t random_;
  uint64_t next_id_;
  std::vector<Maildrop> maildrops_;
  TlsTicket ticket_;
  Stream lmtp_stream_;
  LmtpClient lmtp_;
  bool lmtp_open_ = false;
};

const std::array<ChurnClient::Action, 10> ChurnClient::kActions = {{
    {"deliver", 40, &ChurnClient::Deliver},
    {"fetch", 20, &ChurnClient::Fetch},
    {"fetch_delete", 10, &ChurnClient::FetchAndDelete},
    {"fetch_slowly", 4, &ChurnClient::FetchSlowly},
    {"rset", 4, &ChurnClient::TakeDeletionsBack},
    {"deliver_into_session", 6, &ChurnClient::DeliverIntoSession},
    {"cut_session", 6, &ChurnClient::CutSession},
    {"cut_quit", 4, &ChurnClient::CutQuit},
    {"cut_delivery", 4, &ChurnClient::CutDelivery},
    {"cut_before_250", 2, &ChurnClient::CutBeforeReply},
}};

Task<Status> ChurnClient::Step() {
  Maildrop* maildrop = &maildrops_[Random(maildrops_.size())];
  const Action* action = kActions.data();
  for (uint64_t pick = Random(100); pick >= action->weight; ++action) pick -= action->weight;
  if (maildrop->model.size() > kMaildropMessagesMax) action = &kActions[2];
  uint64_t start_ns = MonotonicNs();
  Status status = co_await (this->*action->run)(maildrop);
  if (!status.ok()) co_return Annotate(status, maildrop->user + ", " + std::string(action->name));
  worker_->Record(action->name, start_ns);
  co_return OkStatus();
}

std::string ChurnClient::MakeMessage(uint64_t id) const {
  const Options& options = worker_->options();
  uint64_t octets = PickOctets(options.octets.value_or(kSizes), options.seed, id);
  return Stuff(Generate({.seed = options.seed, .id = id, .octets = octets}));
}

Task<Status> ChurnClient::Open(Maildrop* maildrop, Stream* stream) {
  Pop3Client client(stream);
  for (int tries = 0;; ++tries) {
    LOAD_CO_RETURN_IF_ERROR(co_await worker_->OpenPop3(stream, &ticket_));
    Status status = co_await client.Login(maildrop->user, worker_->options().password);
    if (!IsInUse(status) || tries == kInUseTriesMax) co_return status;
    worker_->meter()->Note("in_use_retries");
    stream->Close();
    co_await worker_->loop()->Sleep(kInUsePauseMs);
  }
}

Task<StatusOr<std::vector<SeenMessage>>> ChurnClient::FetchAll(Maildrop* maildrop,
                                                               Pop3Client* client) {
  LOAD_CO_ASSIGN_OR_RETURN(Pop3Totals totals, co_await client->Stat());
  LOAD_CO_ASSIGN_OR_RETURN(std::vector<std::string> uidls, co_await client->Uidl());
  LOAD_CO_ASSIGN_OR_RETURN(std::vector<uint64_t> sizes, co_await client->List());
  uint64_t octets = std::accumulate(sizes.begin(), sizes.end(), uint64_t{0});
  if (totals.messages != sizes.size() || uidls.size() != sizes.size() || totals.octets != octets) {
    co_return CountError("STAT, UIDL and LIST do not agree");
  }
  LOAD_CO_ASSIGN_OR_RETURN(std::vector<Pop3Message> messages,
                           co_await client->RetrAllBehind(0, &sizes, kRetrDepth));
  std::vector<SeenMessage> seen;
  seen.reserve(sizes.size());
  for (size_t i = 0; i < sizes.size(); ++i) {
    seen.push_back({.id = messages[i].id, .uidl = uidls[i]});
  }
  LOAD_CO_RETURN_IF_ERROR(maildrop->model.Check(seen));
  worker_->meter()->Note("messages_verified", seen.size());
  co_return seen;
}

Task<StatusOr<std::vector<uint64_t>>> ChurnClient::DeleteSome(const std::vector<SeenMessage>* seen,
                                                              Pop3Client* client) {
  std::vector<uint64_t> ids;
  uint64_t keep_one_in = 1 + Random(4);  // 1 deletes all
  for (size_t i = 0; i < seen->size(); ++i) {
    if (keep_one_in > 1 && Random(keep_one_in) == 0) continue;
    client->Send("DELE", i + 1);
    ids.push_back((*seen)[i].id);
  }
  for (size_t i = 0; i < ids.size(); ++i) LOAD_CO_RETURN_IF_ERROR(co_await client->ReadOk());
  co_return ids;
}

Task<Status> ChurnClient::EmptyAll() {
  for (Maildrop& maildrop : maildrops_) {
    Stream stream(worker_->loop(), worker_->stream_options());
    Pop3Client client(&stream);
    LOAD_CO_RETURN_IF_ERROR(co_await Open(&maildrop, &stream));
    LOAD_CO_ASSIGN_OR_RETURN(Pop3Totals totals, co_await client.Stat());
    LOAD_CO_RETURN_IF_ERROR(co_await client.DeleFirst(totals.messages));
    LOAD_CO_RETURN_IF_ERROR(co_await client.Quit());
  }
  co_return OkStatus();
}

Task<Status> ChurnClient::OpenLmtp() {
  if (lmtp_open_) co_return OkStatus();
  LOAD_CO_RETURN_IF_ERROR(co_await lmtp_stream_.Connect(&worker_->options().lmtp));
  LOAD_CO_RETURN_IF_ERROR(co_await lmtp_.Open());
  lmtp_open_ = true;
  co_return OkStatus();
}

Task<Status> ChurnClient::Deliver(Maildrop* maildrop) {
  LOAD_CO_RETURN_IF_ERROR(co_await OpenLmtp());
  uint64_t id = next_id_++;
  std::vector<Maildrop*> targets = {maildrop};
  uint64_t more = Random(kRecipientsMax);
  for (Maildrop& other : maildrops_) {
    if (targets.size() <= more && &other != maildrop) targets.push_back(&other);
  }
  std::vector<std::string> recipients;
  recipients.reserve(targets.size());
  for (Maildrop* target : targets) recipients.push_back(target->user);
  std::string wire = MakeMessage(id);
  LOAD_CO_RETURN_IF_ERROR(co_await lmtp_.Deliver(&recipients, wire));
  for (Maildrop* target : targets) target->model.Delivered(id);
  co_return OkStatus();
}

Task<Status> ChurnClient::Fetch(Maildrop* maildrop) {
  Stream stream(worker_->loop(), worker_->stream_options());
  Pop3Client client(&stream);
  LOAD_CO_RETURN_IF_ERROR(co_await Open(maildrop, &stream));
  LOAD_CO_ASSIGN_OR_RETURN(std::vector<SeenMessage> seen, co_await FetchAll(maildrop, &client));
  co_return co_await client.Quit();
}

Task<Status> ChurnClient::FetchAndDelete(Maildrop* maildrop) {
  Stream stream(worker_->loop(), worker_->stream_options());
  Pop3Client client(&stream);
  LOAD_CO_RETURN_IF_ERROR(co_await Open(maildrop, &stream));
  LOAD_CO_ASSIGN_OR_RETURN(std::vector<SeenMessage> seen, co_await FetchAll(maildrop, &client));
  LOAD_CO_ASSIGN_OR_RETURN(std::vector<uint64_t> ids, co_await DeleteSome(&seen, &client));
  maildrop->model.MaybeDeleted(ids);
  LOAD_CO_RETURN_IF_ERROR(co_await client.Quit());
  maildrop->model.MaybeDeleted({});
  maildrop->model.Deleted(ids);
  co_return OkStatus();
}

Task<Status> ChurnClient::FetchSlowly(Maildrop* maildrop) {
  StreamOptions options = worker_->stream_options();
  options.receive_buffer_bytes = kSlowReceiveBufferBytes;
  Stream stream(worker_->loop(), options);
  Pop3Client client(&stream);
  LOAD_CO_RETURN_IF_ERROR(co_await Open(maildrop, &stream));
  LOAD_CO_ASSIGN_OR_RETURN(std::vector<uint64_t> sizes, co_await client.List());
  // All are asked for at once, so that the server's replies wait for us.
  for (size_t i = 0; i < sizes.size(); ++i) client.Send("RETR", i + 1);
  for (uint64_t octets : sizes) {
    Pop3Client::RetrOptions slow{
        .octets = octets, .pause_ms = kSlowPauseMs, .loop = worker_->loop()};
    LOAD_CO_ASSIGN_OR_RETURN(Pop3Message message, co_await client.ReadRetr(slow));
    static_cast<void>(message);
  }
  co_return co_await client.Quit();
}

Task<Status> ChurnClient::TakeDeletionsBack(Maildrop* maildrop) {
  Stream stream(worker_->loop(), worker_->stream_options());
  Pop3Client client(&stream);
  LOAD_CO_RETURN_IF_ERROR(co_await Open(maildrop, &stream));
  LOAD_CO_ASSIGN_OR_RETURN(Pop3Totals before, co_await client.Stat());
  for (uint64_t i = 1; i <= before.messages; i += 2) {
    LOAD_CO_RETURN_IF_ERROR(co_await client.Dele(i));
  }
  LOAD_CO_RETURN_IF_ERROR(co_await client.Rset());
  LOAD_CO_ASSIGN_OR_RETURN(Pop3Totals after, co_await client.Stat());
  if (before.messages != after.messages || before.octets != after.octets) {
    co_return CountError("RSET does not bring everything back");
  }
  co_return co_await client.Quit();
}

Task<Status> ChurnClient::DeliverIntoSession(Maildrop* maildrop) {
  Stream stream(worker_->loop(), worker_->stream_options());
  Pop3Client client(&stream);
  LOAD_CO_RETURN_IF_ERROR(co_await Open(maildrop, &stream));
  LOAD_CO_ASSIGN_OR_RETURN(Pop3Totals before, co_await client.Stat());
  LOAD_CO_RETURN_IF_ERROR(co_await Deliver(maildrop));
  // A session sees the maildrop as it was when it opened it.
  LOAD_CO_ASSIGN_OR_RETURN(Pop3Totals after, co_await client.Stat());
  if (before.messages != after.messages || before.octets != after.octets) {
    co_return CountError("a delivery changes an open session");
  }
  co_return co_await client.Quit();
}

Task<Status> ChurnClient::CutSession(Maildrop* maildrop) {
  Stream stream(worker_->loop(), worker_->stream_options());
  Pop3Client client(&stream);
  LOAD_CO_RETURN_IF_ERROR(co_await Open(maildrop, &stream));
  LOAD_CO_ASSIGN_OR_RETURN(Pop3Totals totals, co_await client.Stat());
  // Without QUIT nothing is deleted: the model stays as it is.
  for (uint64_t i = 1; i <= totals.messages; ++i) {
    client.Send("RETR", i);
    client.Send("DELE", i);
  }
  client.Send("NOOP");
  for (uint64_t pieces = Random(4); pieces > 0; --pieces) {
    LOAD_CO_RETURN_IF_ERROR(co_await stream.Fill());
    stream.Consume(stream.input().size() / 2);
    if (stream.input().ends_with("\r\n")) break;  // perhaps the last reply: waiting is for nothing
  }
  Cut(&stream);
  co_return OkStatus();
}

Task<Status> ChurnClient::CutQuit(Maildrop* maildrop) {
  Stream stream(worker_->loop(), worker_->stream_options());
  Pop3Client client(&stream);
  LOAD_CO_RETURN_IF_ERROR(co_await Open(maildrop, &stream));
  LOAD_CO_ASSIGN_OR_RETURN(std::vector<SeenMessage> seen, co_await FetchAll(maildrop, &client));
  LOAD_CO_ASSIGN_OR_RETURN(std::vector<uint64_t> ids, co_await DeleteSome(&seen, &client));
  maildrop->model.MaybeDeleted(ids);
  client.Send("QUIT");
  LOAD_CO_RETURN_IF_ERROR(co_await stream.Flush());
  Cut(&stream);
  co_return OkStatus();
}

Task<Status> ChurnClient::CutDelivery(Maildrop* maildrop) {
  LOAD_CO_RETURN_IF_ERROR(co_await OpenLmtp());
  std::vector<std::string> recipients = {maildrop->user};
  std::string wire = MakeMessage(next_id_++);
  // Without its final dot it must never be seen.
  size_t wire_bytes = Random(wire.size() - 2);
  LOAD_CO_RETURN_IF_ERROR(co_await lmtp_.DeliverPart(&recipients, wire, wire_bytes));
  Cut(&lmtp_stream_);
  lmtp_open_ = false;
  co_return OkStatus();
}

Task<Status> ChurnClient::CutBeforeReply(Maildrop* maildrop) {
  LOAD_CO_RETURN_IF_ERROR(co_await OpenLmtp());
  std::vector<std::string> recipients = {maildrop->user};
  uint64_t id = next_id_++;
  std::string wire = MakeMessage(id);
  LOAD_CO_RETURN_IF_ERROR(co_await lmtp_.DeliverPart(&recipients, wire, wire.size()));
  maildrop->model.MaybeDelivered(id);
  Cut(&lmtp_stream_);
  lmtp_open_ = false;
  co_return OkStatus();
}

}  // namespace

Task<Status> PlayChurn(Worker* worker, uint32_t slot) {
  ChurnClient client(worker, slot);
  LOAD_CO_RETURN_IF_ERROR(co_await client.EmptyAll());
  while (true) {
    std::optional<Operation> operation = co_await worker->NextOperation(slot);
    if (!operation) co_return OkStatus();
    LOAD_CO_RETURN_IF_ERROR(co_await client.Step());
  }
}

}  // namespace poplar::load
