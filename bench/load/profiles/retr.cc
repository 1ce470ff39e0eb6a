// retr: one message after the other from a session that stays, with --depth of them in flight.
// --octets picks the messages of these sizes as LIST has them (trace headers included).
// slow: the same by a crowd of which each reads --read-bytes-per-second and no more, through a
// small window, so that the server has to wait; when the run ends it hangs up.

#include <algorithm>
#include <deque>

#include "bench/load/pop3_client.h"
#include "bench/load/profile.h"

namespace poplar::load {
namespace {

// What the kernel takes in for a slow reader, and how often a second he reads.
constexpr int kSlowReceiveBufferBytes = 8192;
constexpr uint64_t kSlowReadsPerSecond = 10;
constexpr uint64_t kSlowReadBytesMin = 64;
constexpr uint64_t kSlowReadBytesMax = 64 * kKiB;

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

// Connects, logs in, and picks. All must outlive the task.
Task<StatusOr<std::vector<Pick>>> Open(Worker* worker, uint32_t slot, Stream* stream,
                                       TlsTicket* ticket) {
  const Gate::Pass pass = co_await worker->opening()->Enter();
  const Options& options = worker->options();
  Pop3Client client(stream);
  std::string user = worker->UserOfSlot(slot, 0);
  LOAD_CO_RETURN_IF_ERROR(co_await worker->OpenPop3(stream, ticket));
  LOAD_CO_RETURN_IF_ERROR(co_await client.Login(user, options.password));
  LOAD_CO_ASSIGN_OR_RETURN(std::vector<uint64_t> sizes, co_await client.List());
  std::vector<Pick> picks = PickMessages(sizes, options);
  if (picks.empty()) co_return CountError(user + ": no message of this size to fetch");
  co_return picks;
}

StreamOptions SlowStream(StreamOptions options, uint64_t bytes_per_second) {
  options.receive_buffer_bytes = kSlowReceiveBufferBytes;
  options.receive_bytes_max =
      std::clamp(bytes_per_second / kSlowReadsPerSecond, kSlowReadBytesMin, kSlowReadBytesMax);
  return options;
}

// Fetches one after the other until the run ends. All must outlive the task.
Task<Status> FetchInTurns(Worker* worker, uint32_t slot, Pop3Client* client,
                          const std::vector<Pick>* picks) {
  struct InFlight {
    uint64_t start_ns;
    uint64_t octets;
  };
  const Options& options = worker->options();
  std::deque<InFlight> in_flight;
  size_t next = slot % picks->size();
  while (true) {
    while (in_flight.size() < options.depth) {
      std::optional<Operation> operation = co_await worker->NextOperation(slot);
      if (!operation) break;
      const Pick& pick = (*picks)[next];
      client->Send("RETR", pick.number);
      in_flight.push_back({operation->StartNs(), pick.octets});
      next = (next + 1) % picks->size();
    }
    if (in_flight.empty()) co_return OkStatus();
    Pop3Client::RetrOptions expected{.octets = in_flight.front().octets,
                                     .bytes_per_second = options.read_bytes_per_second,
                                     .loop = worker->loop()};
    LOAD_CO_ASSIGN_OR_RETURN(Pop3Message message, co_await client->ReadRetr(expected));
    worker->Record("retr", in_flight.front().start_ns, message.octets);
    in_flight.pop_front();
  }
}

}  // namespace

Task<Status> PlayRetr(Worker* worker, uint32_t slot) {
  TlsTicket ticket;
  Stream stream(worker->loop(), worker->stream_options());
  Pop3Client client(&stream);
  LOAD_CO_ASSIGN_OR_RETURN(std::vector<Pick> picks, co_await Open(worker, slot, &stream, &ticket));
  LOAD_CO_RETURN_IF_ERROR(co_await FetchInTurns(worker, slot, &client, &picks));
  co_return co_await client.Quit();
}

Task<Status> PlaySlow(Worker* worker, uint32_t slot) {
  TlsTicket ticket;
  Stream stream(worker->loop(),
                SlowStream(worker->stream_options(), worker->options().read_bytes_per_second));
  Pop3Client client(&stream);
  LOAD_CO_ASSIGN_OR_RETURN(std::vector<Pick> picks, co_await Open(worker, slot, &stream, &ticket));
  co_await worker->Gather(slot);
  Status status = co_await FetchInTurns(worker, slot, &client, &picks);
  if (status.code() == StatusCode::kCancelled) {
    worker->meter()->Note("cut_at_the_end");
    co_return OkStatus();
  }
  LOAD_CO_RETURN_IF_ERROR(status);
  co_return co_await client.Quit();
}

}  // namespace poplar::load
