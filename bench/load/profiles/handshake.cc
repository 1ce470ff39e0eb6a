// handshake: what a secure connection costs. One operation is: connect, TLS (--tls; with --stls the
// greeting and STLS before it), greeting, QUIT, the server's close. With --tls-resume every
// handshake but a client's first is resumed. Without TLS: what a connection costs.

#include "bench/load/pop3_client.h"
#include "bench/load/profile.h"

namespace poplar::load {

Task<Status> PlayHandshake(Worker* worker, uint32_t slot) {
  TlsTicket ticket;
  while (true) {
    std::optional<Operation> operation = co_await worker->NextOperation(slot);
    if (!operation) co_return OkStatus();
    uint64_t start_ns = operation->StartNs();
    Stream stream(worker->loop(), worker->stream_options());
    Pop3Client client(&stream);
    LOAD_CO_RETURN_IF_ERROR(co_await worker->OpenPop3(&stream, &ticket));
    LOAD_CO_RETURN_IF_ERROR(co_await client.Quit());
    worker->Record("handshake", start_ns);
  }
}

}  // namespace poplar::load
