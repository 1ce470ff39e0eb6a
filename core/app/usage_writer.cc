#include "core/app/usage_writer.h"

#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

#include "core/base/log.h"

namespace poplar::app {
namespace {

constexpr int64_t kDayUs = 86'400'000'000;

auth::UsageFigures Read(const TenantUsage& usage) {
  const auto read = [](const auto& word) { return word.load(std::memory_order_relaxed); };
  return {.sessions = read(usage.sessions),
          .messages_in = read(usage.messages_in),
          .octets_in = read(usage.octets_in),
          .messages_out = read(usage.messages_out),
          .octets_out = read(usage.octets_out)};
}

auth::UsageFigures Difference(const auth::UsageFigures& now, const auth::UsageFigures& before) {
  return {.sessions = now.sessions - before.sessions,
          .messages_in = now.messages_in - before.messages_in,
          .octets_in = now.octets_in - before.octets_in,
          .messages_out = now.messages_out - before.messages_out,
          .octets_out = now.octets_out - before.octets_out};
}

void Add(const auth::UsageFigures& more, auth::UsageFigures& sum) {
  sum.sessions += more.sessions;
  sum.messages_in += more.messages_in;
  sum.octets_in += more.octets_in;
  sum.messages_out += more.messages_out;
  sum.octets_out += more.octets_out;
}

}  // namespace

UsageWriter::UsageWriter(UsageWriterOptions options, const PolicyBoard& board)
    : options_(std::move(options)),
      board_(board),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

UsageWriter::~UsageWriter() {
  thread_.request_stop();
  thread_.join();
  Write();
}

void UsageWriter::Register(base::MetricRegistry& registry) const {
  registry.Add(failures_, "poplar_usage_write_failures_total",
               "Times that what tenants used could not be written; it is gathered until it can.");
}

void UsageWriter::Run(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock<std::mutex> lock(mutex);
  while (!wake.wait_for(lock, stop, options_.period, [&] { return stop.stop_requested(); })) {
    Write();
  }
}

void UsageWriter::Write() {
  Gather();
  const Status written = TryWrite();
  if (written.ok()) {
    failing_ = false;
    return;
  }
  database_.reset();
  failures_.Add();
  if (std::exchange(failing_, true)) return;
  base::Log(base::LogLevel::kError, "usage_not_written", {{"reason", Message(written)}});
}

void UsageWriter::Gather() {
  const std::shared_ptr<const TenantPolicies> policies = board_.Current();
  for (const auto& [id, gate] : policies->gates) {
    Counted& counted = counted_[gate.get()];
    if (counted.gate != nullptr) continue;
    const TenantId tenant(id);
    counted = {.gate = gate, .tenant = tenant, .name = policies->Of(tenant).name};
  }
  const auto day = static_cast<uint32_t>(options_.clock.WallUs() / kDayUs);
  for (auto& [gate, counted] : counted_) {
    const auth::UsageFigures now = Read(gate->usage);
    if (now == counted.gathered) continue;
    auth::UsageRecord& record = unwritten_[{counted.tenant.value(), day}];
    record.tenant = counted.tenant;
    record.tenant_name = counted.name;
    record.day = day;
    Add(Difference(now, counted.gathered), record.figures);
    counted.gathered = now;
  }
  // Nobody but this holds what is neither in force nor used by a session.
  std::erase_if(counted_, [&](const auto& each) {
    const Counted& counted = each.second;
    return policies->GateOf(counted.tenant) != counted.gate && counted.gate.use_count() == 1 &&
           Read(counted.gate->usage) == counted.gathered;
  });
}

Status UsageWriter::TryWrite() {
  if (unwritten_.empty()) return OkStatus();
  if (!database_) {
    POP_ASSIGN_OR_RETURN(database_, auth::UsageDatabase::OpenOrCreate(options_.database_path));
  }
  std::vector<auth::UsageRecord> more;
  more.reserve(unwritten_.size());
  for (const auto& [tenant_and_day, record] : unwritten_) more.push_back(record);
  POP_RETURN_IF_ERROR(database_->Add(more));
  unwritten_.clear();
  return OkStatus();
}

}  // namespace poplar::app
