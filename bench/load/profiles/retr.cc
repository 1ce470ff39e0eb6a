// retr: one message after the other from a session that stays, with --depth of them in flight.
// --octets picks the messages of these sizes as LIST has them (trace headers included).

#include <deque>

#include "bench/load/pop3_client.h"
#include "bench/load/profile.h"

namespace poplar::load {
namespace {

struct Pick {
  uint64_t number;  // in the maildrop, from 1
  uint64_t octets;
};

std::vector<Pick> PickMessages(const std::vector<uint64_t>& sizes, const Options& options) {
  std::vector<Pick> picks;
  for (size_t i = 0; i < sizes.size(); ++i) {
    bool wanted = !options.octets || (sizes[i] >= options.octets->octets_min &&
                                      sizes[i] <= options.octets->octets_max);
    if (wanted) picks.push_back({i + 1, sizes[i]});
  }
  return picks;
}

}  // namespace

Task<Status> PlayRetr(Worker* worker, uint32_t slot) {
  struct InFlight {
    uint64_t sent_ns;
    uint64_t octets;
  };
  const Options& options = worker->options();
  TlsTicket ticket;
  Stream stream(worker->loop(), worker->stream_options());
  Pop3Client client(&stream);
  std::string user = worker->UserOfSlot(slot, 0);
  LOAD_CO_RETURN_IF_ERROR(co_await worker->OpenPop3(&stream, &ticket));
  LOAD_CO_RETURN_IF_ERROR(co_await client.Login(user, options.password));
  LOAD_CO_ASSIGN_OR_RETURN(std::vector<uint64_t> sizes, co_await client.List());
  std::vector<Pick> picks = PickMessages(sizes, options);
  if (picks.empty()) co_return CountError(user + ": no message of this size to fetch");

  std::deque<InFlight> in_flight;
  size_t next = slot % picks.size();
  while (true) {
    while (in_flight.size() < options.depth && worker->NextOperation(slot)) {
      client.Send("RETR", picks[next].number);
      in_flight.push_back({MonotonicNs(), picks[next].octets});
      next = (next + 1) % picks.size();
    }
    if (in_flight.empty()) break;
    Pop3Client::RetrOptions expected{.octets = in_flight.front().octets};
    LOAD_CO_ASSIGN_OR_RETURN(Pop3Message message, co_await client.ReadRetr(expected));
    worker->Record("retr", in_flight.front().sent_ns, message.octets);
    in_flight.pop_front();
  }
  co_return co_await client.Quit();
}

}  // namespace poplar::load
