#include "bench/load/worker.h"

#include <vector>

#include "bench/load/pop3_client.h"
#include "bench/load/profile.h"

namespace poplar::load {
namespace {

constexpr uint64_t kPauseAfterErrorMs = 50;

}  // namespace

Worker::Worker(const Options* options, RunState* state)
    : options_(options), state_(state), tls_(options->tls) {}

void Worker::Run(uint32_t first_slot) {
  std::vector<Task<void>> clients;
  for (uint32_t slot = first_slot; slot < options_->connections; slot += options_->threads) {
    clients.push_back(RunClient(slot));
  }
  clients_running_ = clients.size();
  for (Task<void>& client : clients) client.Start();
  while (clients_running_ > 0) loop_.RunOnce();
}

Task<void> Worker::RunClient(uint32_t slot) {
  const Profile* profile = FindProfile(options_->profile);
  while (state_->phase.load(std::memory_order_relaxed) != Phase::kEnding) {
    Status status = co_await profile->play(this, slot);
    if (status.ok()) break;  // nothing more to do
    RecordError(status);
    co_await loop_.Sleep(kPauseAfterErrorMs);
  }
  --clients_running_;
}

std::optional<Operation> Worker::NextOperation(uint32_t slot) {
  if (state_->phase.load(std::memory_order_relaxed) == Phase::kEnding) return std::nullopt;
  uint64_t& turn = turns_[slot];
  Operation next{.number = slot + turn * options_->connections, .turn = turn};
  if (options_->operations_max > 0 && next.number >= options_->operations_max) return std::nullopt;
  ++turn;
  return next;
}

void Worker::Record(std::string_view operation, uint64_t start_ns, uint64_t octets) {
  if (state_->phase.load(std::memory_order_relaxed) != Phase::kMeasuring) return;
  meter_.Record(operation, MonotonicNs() - start_ns, octets);
  if (!state_->measured.load(std::memory_order_relaxed)) state_->measured.store(true);
}

void Worker::RecordError(const Status& error) {
  meter_.RecordError(error);
  uint64_t errors = state_->errors.fetch_add(1, std::memory_order_relaxed) + 1;
  if (errors >= options_->errors_max) state_->phase.store(Phase::kEnding);
}

std::string Worker::UserName(uint64_t user) const {
  std::string name = options_->user_pattern;
  size_t place = name.find("{}");
  if (place != std::string::npos) {
    name.replace(place, 2, std::to_string(options_->first_user + user));
  }
  return name;
}

uint64_t Worker::UserNumberOfSlot(uint32_t slot, uint64_t turn) const {
  uint64_t step = options_->connections;
  uint64_t users_of_slot = (options_->users - slot + step - 1) / step;
  return slot + turn % users_of_slot * step;
}

Task<Status> Worker::OpenPop3(Stream* stream, TlsTicket* ticket) {
  Pop3Client client(stream);
  LOAD_CO_RETURN_IF_ERROR(co_await stream->Connect(&options_->pop3));
  if (options_->security == Security::kTls) {
    LOAD_CO_RETURN_IF_ERROR(co_await stream->StartTls(&tls_, ticket));
  }
  LOAD_CO_RETURN_IF_ERROR(co_await client.Greeting());
  if (options_->security == Security::kStls) {
    LOAD_CO_RETURN_IF_ERROR(co_await client.Stls());
    LOAD_CO_RETURN_IF_ERROR(co_await stream->StartTls(&tls_, ticket));
  }
  if (options_->security != Security::kPlain) {
    meter_.Note(stream->tls_resumed() ? "tls_resumed" : "tls_full");
  }
  co_return OkStatus();
}

Task<Status> Worker::OpenHttp(Stream* stream, TlsTicket* ticket) {
  LOAD_CO_RETURN_IF_ERROR(co_await stream->Connect(&options_->http));
  if (options_->security == Security::kPlain) co_return OkStatus();
  co_return co_await stream->StartTls(&tls_, ticket);
}

}  // namespace poplar::load
