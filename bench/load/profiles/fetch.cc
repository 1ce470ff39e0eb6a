// fetch: a mail program that takes everything: UIDL, LIST, RETR of all with --depth in flight,
// with --delete DELE of each, QUIT. One operation is the whole session.

#include "bench/load/pop3_client.h"
#include "bench/load/profile.h"

namespace poplar::load {

Task<Status> PlayFetch(Worker* worker, uint32_t slot) {
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
    LOAD_CO_RETURN_IF_ERROR(co_await client.Login(user, options.password));
    LOAD_CO_ASSIGN_OR_RETURN(std::vector<std::string> uidls, co_await client.Uidl());
    LOAD_CO_ASSIGN_OR_RETURN(std::vector<uint64_t> sizes, co_await client.List());
    if (uidls.size() != sizes.size() ||
        sizes.size() != options.expect_messages.value_or(sizes.size())) {
      co_return CountError(user + ": UIDL and LIST do not agree, or not with --expect");
    }
    LOAD_CO_ASSIGN_OR_RETURN(std::vector<Pop3Message> messages,
                             co_await client.RetrAllBehind(0, &sizes, options.depth));
    if (options.delete_fetched) {
      LOAD_CO_RETURN_IF_ERROR(co_await client.DeleFirst(sizes.size()));
    }
    LOAD_CO_RETURN_IF_ERROR(co_await client.Quit());
    uint64_t octets = 0;
    for (const Pop3Message& message : messages) octets += message.octets;
    worker->Record("fetch", start_ns, octets);
  }
}

}  // namespace poplar::load
