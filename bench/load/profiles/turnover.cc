// turnover: mail that comes and goes, at an even pace and with every command measured. One turn is
// --arrivals deliveries to a maildrop, then a session of its owner: log in, STAT, UIDL, LIST; of
// what is new TOP of the head, LIST n and RETR; DELE, QUIT. The first third of the users leaves
// mail on the server and deletes only what is older than the last --keep messages; the others
// delete all.

#include <algorithm>

#include "bench/load/dots.h"
#include "bench/load/lmtp_client.h"
#include "bench/load/pop3_client.h"
#include "bench/load/profile.h"

namespace poplar::load {
namespace {

constexpr uint64_t kLeavesMailOneIn = 3;  // of the users, the first

class TurnoverClient {
 public:
  TurnoverClient(Worker* worker, uint32_t slot)
      : worker_(worker),
        options_(worker->options()),
        slot_(slot),
        next_id_(options_.first_id + (uint64_t{slot} << 32)),
        lmtp_stream_(worker->loop(), worker->stream_options()),
        lmtp_(&lmtp_stream_) {}

  Task<Status> Open();
  Task<Status> Turn(uint64_t turn);
  Task<Status> Close() { return lmtp_.Quit(); }

 private:
  Task<Status> Deliver(const std::vector<std::string>* recipient);
  Task<Status> Session(const std::string* user, bool leaves_mail);
  // UIDL and LIST of the whole maildrop, which has so many messages.
  Task<Status> ListAll(Pop3Client* client, uint64_t messages);
  Task<Status> Retrieve(Pop3Client* client, uint64_t number);

  Worker* const worker_;
  const Options& options_;
  const uint32_t slot_;
  uint64_t next_id_;
  TlsTicket ticket_;
  Stream lmtp_stream_;
  LmtpClient lmtp_;
};

Task<Status> TurnoverClient::Open() {
  LOAD_CO_RETURN_IF_ERROR(co_await lmtp_stream_.Connect(&options_.lmtp));
  co_return co_await lmtp_.Open();
}

Task<Status> TurnoverClient::Turn(uint64_t turn) {
  const uint64_t number = worker_->UserNumberOfSlot(slot_, turn);
  const std::vector<std::string> user = {worker_->UserName(number)};
  for (uint64_t i = 0; i < options_.arrivals; ++i) {
    LOAD_CO_RETURN_IF_ERROR(co_await Deliver(&user));
  }
  const bool leaves_mail = number < options_.users / kLeavesMailOneIn;
  co_return co_await Session(user.data(), leaves_mail);
}

Task<Status> TurnoverClient::Deliver(const std::vector<std::string>* recipient) {
  const uint64_t id = next_id_++;
  const uint64_t octets = PickOctets(options_.octets.value_or(SizeRange{}), options_.seed, id);
  const std::string wire = Stuff(Generate({.seed = options_.seed, .id = id, .octets = octets}));
  const uint64_t start_ns = MonotonicNs();
  LOAD_CO_RETURN_IF_ERROR(co_await lmtp_.Deliver(recipient, wire));
  worker_->Record("deliver", start_ns, octets);
  co_return OkStatus();
}

Task<Status> TurnoverClient::ListAll(Pop3Client* client, uint64_t messages) {
  uint64_t start_ns = MonotonicNs();
  LOAD_CO_ASSIGN_OR_RETURN(const std::vector<std::string> uidls, co_await client->Uidl());
  worker_->Record("uidl", start_ns);
  start_ns = MonotonicNs();
  LOAD_CO_ASSIGN_OR_RETURN(const std::vector<uint64_t> sizes, co_await client->List());
  worker_->Record("list", start_ns);
  if (uidls.size() != messages || sizes.size() != messages) {
    co_return CountError("STAT, UIDL and LIST do not agree");
  }
  co_return OkStatus();
}

Task<Status> TurnoverClient::Retrieve(Pop3Client* client, uint64_t number) {
  uint64_t start_ns = MonotonicNs();
  LOAD_CO_RETURN_IF_ERROR(co_await client->Top(number, 0));
  worker_->Record("top", start_ns);
  start_ns = MonotonicNs();
  LOAD_CO_ASSIGN_OR_RETURN(uint64_t octets, co_await client->ListOne(number));
  worker_->Record("list_one", start_ns);
  const uint64_t retr_ns = MonotonicNs();
  client->Send("RETR", number);
  Pop3Client::RetrOptions expected{.octets = octets};
  LOAD_CO_ASSIGN_OR_RETURN(Pop3Message message, co_await client->ReadRetr(expected));
  worker_->Record("retr", retr_ns, message.octets);
  co_return OkStatus();
}

Task<Status> TurnoverClient::Session(const std::string* user, bool leaves_mail) {
  Stream stream(worker_->loop(), worker_->stream_options());
  Pop3Client client(&stream);
  LOAD_CO_RETURN_IF_ERROR(co_await worker_->OpenPop3(&stream, &ticket_));
  uint64_t start_ns = MonotonicNs();
  LOAD_CO_RETURN_IF_ERROR(co_await client.Login(*user, options_.password));
  worker_->Record("login", start_ns);
  start_ns = MonotonicNs();
  LOAD_CO_ASSIGN_OR_RETURN(Pop3Totals totals, co_await client.Stat());
  worker_->Record("stat", start_ns);
  if (totals.messages < options_.arrivals) {
    co_return CountError(*user + ": what was delivered is not there");
  }
  LOAD_CO_RETURN_IF_ERROR(co_await ListAll(&client, totals.messages));
  for (uint64_t i = totals.messages - options_.arrivals + 1; i <= totals.messages; ++i) {
    LOAD_CO_RETURN_IF_ERROR(co_await Retrieve(&client, i));
  }
  const uint64_t kept = leaves_mail ? std::min(options_.keep, totals.messages) : 0;
  for (uint64_t i = 1; i <= totals.messages - kept; ++i) {
    start_ns = MonotonicNs();
    LOAD_CO_RETURN_IF_ERROR(co_await client.Dele(i));
    worker_->Record("dele", start_ns);
  }
  start_ns = MonotonicNs();
  LOAD_CO_RETURN_IF_ERROR(co_await client.Quit());
  worker_->Record("quit", start_ns);
  co_return OkStatus();
}

}  // namespace

Task<Status> PlayTurnover(Worker* worker, uint32_t slot) {
  TurnoverClient client(worker, slot);
  LOAD_CO_RETURN_IF_ERROR(co_await client.Open());
  while (true) {
    std::optional<Operation> operation = co_await worker->NextOperation(slot);
    if (!operation) co_return co_await client.Close();
    LOAD_CO_RETURN_IF_ERROR(co_await client.Turn(operation->turn));
  }
}

}  // namespace poplar::load
