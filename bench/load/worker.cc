#include "bench/load/worker.h"

#include <sys/prctl.h>

#include <algorithm>
#include <utility>

#include "bench/load/pop3_client.h"
#include "bench/load/profile.h"

namespace poplar::load {
namespace {

constexpr uint64_t kPauseAfterErrorMs = 50;
constexpr uint32_t kOpeningsMax = 64;  // at a time, in the whole run

}  // namespace

Worker::Worker(const Options* options, RunState* state, uint32_t first_slot)
    : options_(options),
      state_(state),
      first_slot_(first_slot),
      opening_(&loop_, std::max(1U, kOpeningsMax / options->threads)),
      tls_(options->tls) {}

void Worker::Run() {
  prctl(PR_SET_TIMERSLACK, 1);  // or a due time is met 50 us late
  std::vector<Task<void>> clients;
  for (uint32_t slot = first_slot_; slot < options_->connections; slot += options_->threads) {
    clients.push_back(RunClient(slot));
  }
  clients_running_ = clients.size();
  for (Task<void>& client : clients) client.Start();
  while (clients_running_ > 0) {
    loop_.RunOnce();
    OpenGathering();
    if (ending()) loop_.End();
  }
  CountWhatWasNotBegun();
}

void Worker::Arrive(uint32_t slot) {
  if (!there_.insert(slot).second) return;  // it is back after an error
  if (state_->clients_there.fetch_add(1) + 1 == options_->connections) {
    state_->gathered_ns.store(MonotonicNs());
  }
}

void Worker::OpenGathering() {
  if (gathering_.empty() || phase() == Phase::kGathering) return;
  for (std::coroutine_handle<> client : std::exchange(gathering_, {})) client.resume();
}

Task<void> Worker::RunClient(uint32_t slot) {
  const Profile* profile = FindProfile(options_->profile);
  while (!ending()) {
    Status status = co_await profile->play(this, slot);
    if (status.ok()) break;  // nothing more to do
    RecordError(status);
    co_await loop_.Sleep(kPauseAfterErrorMs);
  }
  --clients_running_;
}

bool Worker::IsDone(uint32_t slot) {
  if (options_->operations_max == 0) return false;
  return slot + turns_[slot] * options_->connections >= options_->operations_max;
}

// Each thread has its share of the rate: several Poisson processes together are one.
uint64_t Worker::NextDue() {
  if (!arrivals_) {
    constexpr uint64_t kArrivals = 0x6172726976616c73;
    arrivals_.emplace(options_->rate / options_->threads,
                      Mix(Mix(options_->seed, kArrivals), first_slot_), MonotonicNs());
    punctuality_.emplace();
  }
  return arrivals_->Next();
}

std::optional<Operation> Worker::Begin(uint32_t slot, std::optional<uint64_t> due_ns) {
  const Phase now = phase();
  if (due_ns && now >= Phase::kMeasuring && IsDueInWindow(*due_ns)) {
    if (now == Phase::kMeasuring) {
      punctuality_->Begin(*due_ns, MonotonicNs());
    } else if (now == Phase::kMeasured && !IsDone(slot)) {
      ++punctuality_->not_begun;  // in time; it is begun now, and Record will count its latency
    } else {
      punctuality_->NeverBegin(*due_ns, state_->window_end_ns.load());
    }
  }
  if (now == Phase::kEnding || IsDone(slot)) return std::nullopt;
  uint64_t& turn = turns_[slot];
  Operation next{.number = slot + turn * options_->connections, .turn = turn, .due_ns = due_ns};
  ++turn;
  return next;
}

void Worker::CountWhatWasNotBegun() {
  // When --operations has ended the run, nothing was left undone.
  if (!arrivals_ || !ending()) return;
  const uint64_t end_ns = state_->window_end_ns.load();
  for (uint64_t due_ns = arrivals_->Next(); due_ns <= end_ns; due_ns = arrivals_->Next()) {
    if (IsDueInWindow(due_ns)) punctuality_->NeverBegin(due_ns, end_ns);
  }
}

void Worker::Record(std::string_view operation, uint64_t start_ns, uint64_t octets) {
  const uint64_t latency_ns = MonotonicNs() - start_ns;
  const Phase now = phase();
  if (now > Phase::kMeasuring && arrivals_ && IsDueInWindow(start_ns)) {
    ++punctuality_->unfinished;
    meter_.RecordUnfinished(operation, latency_ns);
  }
  if (now != Phase::kMeasuring) return;
  meter_.Record(operation, latency_ns, octets);
  if (!state_->measured.load(std::memory_order_relaxed)) state_->measured.store(true);
}

void Worker::RecordError(const Status& error) {
  meter_.RecordError(error);
  uint64_t errors = state_->errors.fetch_add(1, std::memory_order_relaxed) + 1;
  if (errors < options_->errors_max) return;
  state_->EndWindow();
  state_->phase.store(Phase::kEnding);
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
