// get: the floor under RETR. One file after the other from a web server, over a connection that
// stays, with --depth of them in flight: /USER/1 to /USER/N, N being --expect.

#include <deque>

#include "bench/load/http_client.h"
#include "bench/load/profile.h"

namespace poplar::load {

Task<Status> PlayGet(Worker* worker, uint32_t slot) {
  const Options& options = worker->options();
  const uint64_t files = options.expect_messages.value_or(1);
  TlsTicket ticket;
  Stream stream(worker->loop(), worker->stream_options());
  HttpClient client(&stream);
  std::string folder = "/" + worker->UserOfSlot(slot, 0) + "/";
  LOAD_CO_RETURN_IF_ERROR(co_await worker->OpenHttp(&stream, &ticket));
  std::deque<uint64_t> start_ns;
  uint64_t next = slot % files;
  while (true) {
    while (start_ns.size() < options.depth) {
      std::optional<Operation> operation = co_await worker->NextOperation(slot);
      if (!operation) break;
      client.SendGet(folder + std::to_string(next + 1));
      start_ns.push_back(operation->StartNs());
      next = (next + 1) % files;
    }
    if (start_ns.empty()) break;
    LOAD_CO_ASSIGN_OR_RETURN(const uint64_t octets, co_await client.ReadMessage());
    worker->Record("get", start_ns.front(), octets);
    start_ns.pop_front();
  }
  co_return OkStatus();
}

}  // namespace poplar::load
