// lmtp: deliveries over connections that stay. Message i has id --first-id + i and goes to the
// users from i on, in turns, so that a run with --operations fills maildrops evenly.

#include "bench/load/dots.h"
#include "bench/load/lmtp_client.h"
#include "bench/load/profile.h"

namespace poplar::load {

Task<Status> PlayLmtp(Worker* worker, uint32_t slot) {
  const Options& options = worker->options();
  SizeRange sizes = options.octets.value_or(SizeRange{});
  Stream stream(worker->loop(), worker->stream_options());
  LmtpClient client(&stream);
  LOAD_CO_RETURN_IF_ERROR(co_await stream.Connect(&options.lmtp));
  LOAD_CO_RETURN_IF_ERROR(co_await client.Open());
  while (true) {
    std::optional<Operation> operation = co_await worker->NextOperation(slot);
    if (!operation) co_return co_await client.Quit();
    uint64_t id = options.first_id + operation->number;
    MessageSpec spec{.seed = options.seed, .id = id};
    spec.octets = PickOctets(sizes, options.seed, id);
    std::string wire = Stuff(Generate(spec));
    std::vector<std::string> recipients;
    recipients.reserve(options.recipients);
    for (uint64_t i = 0; i < options.recipients; ++i) {
      recipients.push_back(
          worker->UserName((operation->number * options.recipients + i) % options.users));
    }
    uint64_t start_ns = operation->StartNs();
    LOAD_CO_RETURN_IF_ERROR(co_await client.Deliver(&recipients, wire, options.declare_size));
    worker->Record("deliver", start_ns, spec.octets);
  }
}

}  // namespace poplar::load
