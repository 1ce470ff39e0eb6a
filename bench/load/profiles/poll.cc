// poll: a mail program that keeps mail on the server and compares lists. One operation is the
// whole session: CAPA, log in, STAT, UIDL, LIST, QUIT; the three listings must agree.

#include <numeric>

#include "bench/load/pop3_client.h"
#include "bench/load/profile.h"

namespace poplar::load {

Task<Status> PlayPoll(Worker* worker, uint32_t slot) {
  const Options& options = worker->options();
  TlsTicket ticket;
  while (true) {
    std::optional<Operation> operation = co_await worker->NextOperation(slot);
    if (!operation) co_return OkStatus();
    std::string user = worker->UserOfSlot(slot, operation->turn);
    uint64_t start_ns = operation->StartNs();
    Stream stream(worker->loop(), worker->stream_options());
    Pop3Client client(&stream);
    LOAD_CO_RETURN_IF_ERROR(co_await worker->OpenPop3(&stream, &ticket));
    LOAD_CO_ASSIGN_OR_RETURN(uint64_t capabilities, co_await client.Capa());
    static_cast<void>(capabilities);
    LOAD_CO_RETURN_IF_ERROR(co_await client.Login(user, options.password));
    LOAD_CO_ASSIGN_OR_RETURN(Pop3Totals totals, co_await client.Stat());
    LOAD_CO_ASSIGN_OR_RETURN(std::vector<std::string> uidls, co_await client.Uidl());
    LOAD_CO_ASSIGN_OR_RETURN(std::vector<uint64_t> sizes, co_await client.List());
    uint64_t octets = std::accumulate(sizes.begin(), sizes.end(), uint64_t{0});
    if (totals.messages != sizes.size() || totals.messages != uidls.size() ||
        totals.octets != octets ||
        totals.messages != options.expect_messages.value_or(totals.messages)) {
      co_return CountError(user + ": STAT, UIDL and LIST do not agree, or not with --expect");
    }
    LOAD_CO_RETURN_IF_ERROR(co_await client.Quit());
    worker->Record("poll", start_ns);
  }
}

}  // namespace poplar::load
