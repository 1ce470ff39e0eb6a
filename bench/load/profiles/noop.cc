// noop: the cost of one command and one line back, with --depth of them in flight. Each client logs
// in once.

#include <deque>

#include "bench/load/pop3_client.h"
#include "bench/load/profile.h"

namespace poplar::load {

Task<Status> PlayNoop(Worker* worker, uint32_t slot) {
  const Options& options = worker->options();
  TlsTicket ticket;
  Stream stream(worker->loop(), worker->stream_options());
  Pop3Client client(&stream);
  std::string user = worker->UserOfSlot(slot, 0);
  LOAD_CO_RETURN_IF_ERROR(co_await worker->OpenPop3(&stream, &ticket));
  LOAD_CO_RETURN_IF_ERROR(co_await client.Login(user, options.password));
  std::deque<uint64_t> start_ns;
  while (true) {
    while (start_ns.size() < options.depth) {
      std::optional<Operation> operation = co_await worker->NextOperation(slot);
      if (!operation) break;
      client.Send("NOOP");
      start_ns.push_back(operation->StartNs());
    }
    if (start_ns.empty()) break;
    LOAD_CO_RETURN_IF_ERROR(co_await client.ReadOk());
    worker->Record("noop", start_ns.front());
    start_ns.pop_front();
  }
  co_return co_await client.Quit();
}

}  // namespace poplar::load
