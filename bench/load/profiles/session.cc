// session: what a mail program does that only looks whether something new is there. One operation
// is the whole: connect, greeting, USER, PASS (or AUTH), STAT, QUIT, the server's close.

#include "bench/load/pop3_client.h"
#include "bench/load/profile.h"

namespace poplar::load {
namespace {

// All must outlive the task.
Task<Status> LogIn(Pop3Client* client, const Options& options, uint64_t number,
                   std::string_view user) {
  if (options.auth_lines.empty()) return client->Login(user, options.password);
  return client->Auth(options.auth_lines[number]);
}

}  // namespace

Task<Status> PlaySession(Worker* worker, uint32_t slot) {
  const Options& options = worker->options();
  TlsTicket ticket;
  while (true) {
    std::optional<Operation> operation = co_await worker->NextOperation(slot);
    if (!operation) co_return OkStatus();
    uint64_t number = worker->UserNumberOfSlot(slot, operation->turn);
    std::string user = worker->UserName(number);
    uint64_t start_ns = operation->StartNs();
    Stream stream(worker->loop(), worker->stream_options());
    Pop3Client client(&stream);
    LOAD_CO_RETURN_IF_ERROR(co_await worker->OpenPop3(&stream, &ticket));
    LOAD_CO_RETURN_IF_ERROR(co_await LogIn(&client, options, number, user));
    LOAD_CO_ASSIGN_OR_RETURN(Pop3Totals totals, co_await client.Stat());
    if (totals.messages != options.expect_messages.value_or(totals.messages)) {
      co_return CountError(user + ": STAT says " + std::to_string(totals.messages) + " messages");
    }
    LOAD_CO_RETURN_IF_ERROR(co_await client.Quit());
    worker->Record("session", start_ns);
  }
}

}  // namespace poplar::load
