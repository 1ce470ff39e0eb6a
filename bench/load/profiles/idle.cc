// idle: a crowd that is there. Every client connects and logs in (with --no-login it is greeted);
// when all have, the measured window begins, in which they say nothing, or a NOOP every --pause-ms.
// What the server says unasked, its close too, is an error. At the end all QUIT.

#include "bench/load/pop3_client.h"
#include "bench/load/profile.h"

namespace poplar::load {
namespace {

// Thousands of clients have a buffer each.
constexpr size_t kReceiveBytes = 512;

// All must outlive the task.
Task<Status> Open(Worker* worker, uint32_t slot, Stream* stream, TlsTicket* ticket) {
  const Gate::Pass pass = co_await worker->opening()->Enter();
  if (worker->ending()) co_return OkStatus();
  LOAD_CO_RETURN_IF_ERROR(co_await worker->OpenPop3(stream, ticket));
  if (worker->options().no_login) co_return OkStatus();
  Pop3Client client(stream);
  std::string user = worker->UserOfSlot(slot, 0);
  co_return co_await client.Login(user, worker->options().password);
}

// The clients of the run take turns evenly; the latency of each NOOP counts from its turn.
Task<Status> SayNoopNowAndThen(Worker* worker, uint32_t slot, Pop3Client* client) {
  const uint64_t pause_ns = worker->options().pause_ms * 1'000'000;
  uint64_t due_ns = MonotonicNs() + pause_ns / worker->options().connections * slot;
  for (;; due_ns += pause_ns) {
    co_await worker->loop()->SleepUnlessEnding(due_ns);
    if (worker->ending()) co_return OkStatus();
    client->Send("NOOP");
    LOAD_CO_RETURN_IF_ERROR(co_await client->ReadOk());
    worker->Record("noop", due_ns);
  }
}

}  // namespace

Task<Status> PlayIdle(Worker* worker, uint32_t slot) {
  TlsTicket ticket;
  StreamOptions small = worker->stream_options();
  small.receive_bytes_max = kReceiveBytes;
  Stream stream(worker->loop(), small);
  Pop3Client client(&stream);
  LOAD_CO_RETURN_IF_ERROR(co_await Open(worker, slot, &stream, &ticket));
  if (worker->ending()) co_return OkStatus();  // errors ended the run before all were there
  co_await worker->Gather(slot);
  if (worker->options().pause_ms > 0) {
    LOAD_CO_RETURN_IF_ERROR(co_await SayNoopNowAndThen(worker, slot, &client));
  } else {
    LOAD_CO_RETURN_IF_ERROR(co_await stream.StaySilent());
  }
  co_return co_await client.Quit();
}

}  // namespace poplar::load
