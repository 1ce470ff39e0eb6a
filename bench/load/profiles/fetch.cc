// fetch: a mail program that takes everything: UIDL, LIST, RETR of all with --depth in flight,
// with --delete DELE of each, QUIT. One operation is the whole session.

#include "bench/load/pop3_client.h"
#include "bench/load/profile.h"

namespace poplar::load {
namespace {

// RETR of all; the sum of their octets.
Task<StatusOr<uint64_t>> RetrieveAll(Pop3Client* client, const std::vector<uint64_t>* sizes,
                                     uint32_t depth) {
  uint64_t octets = 0;
  size_t sent = 0;
  for (size_t received = 0; received < sizes->size(); ++received) {
    for (; sent < sizes->size() && sent < received + depth; ++sent) client->Send("RETR", sent + 1);
    Pop3Client::RetrOptions expected{.octets = (*sizes)[received]};
    LOAD_CO_ASSIGN_OR_RETURN(Pop3Message message, co_await client->ReadRetr(expected));
    octets += message.octets;
  }
  co_return octets;
}

}  // namespace

Task<Status> PlayFetch(Worker* worker, uint32_t slot) {
  const Options& options = worker->options();
  TlsTicket ticket;
  while (std::optional<Operation> operation = worker->NextOperation(slot)) {
    std::string user = worker->UserOfSlot(slot, operation->turn);
    uint64_t start_ns = MonotonicNs();
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
    LOAD_CO_ASSIGN_OR_RETURN(uint64_t octets, co_await RetrieveAll(&client, &sizes, options.depth));
    if (options.delete_fetched) {
      for (size_t i = 0; i < sizes.size(); ++i) client.Send("DELE", i + 1);
      for (size_t i = 0; i < sizes.size(); ++i) LOAD_CO_RETURN_IF_ERROR(co_await client.ReadOk());
    }
    LOAD_CO_RETURN_IF_ERROR(co_await client.Quit());
    worker->Record("fetch", start_ns, octets);
  }
  co_return OkStatus();
}

}  // namespace poplar::load
