// Writes what tenants used to the usage database: every ten seconds, and at the end. What a crash
// loses is at most that. On a thread of its own, since it waits for the disk; while the database
// cannot be written, it gathers, each day for itself.

#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>

#include "auth/users/usage_database.h"
#include "core/base/clock.h"
#include "core/base/mail_policy.h"
#include "core/base/metrics.h"
#include "core/base/status.h"

namespace poplar::app {

struct UsageWriterOptions {
  std::string database_path;
  std::chrono::milliseconds period{10'000};
  const base::Clock& clock = base::SystemClock();
};

class UsageWriter {
 public:
  // `board` and the clock outlive this.
  UsageWriter(UsageWriterOptions options, const PolicyBoard& board);
  UsageWriter(const UsageWriter&) = delete;
  UsageWriter& operator=(const UsageWriter&) = delete;
  // Writes what there is. REQUIRES: nobody is served any more, or what is is not to be counted.
  ~UsageWriter();

  // REQUIRES: this object outlives the registry's last reader.
  void Register(base::MetricRegistry& registry) const;

 private:
  void Run(const std::stop_token& stop);
  void Write();
  // Takes over what was used since the last time; it belongs to this day.
  void Gather();
  Status TryWrite();

  const UsageWriterOptions options_;
  const PolicyBoard& board_;
  std::unique_ptr<auth::UsageDatabase>
      database_;  // Null before the first write, and after a fault.
  // Whose use is counted, and how much of it was gathered. By the gate, as a tenant that goes and
  // comes back counts from nothing.
  struct Counted {
    std::shared_ptr<TenantGate> gate;
    TenantId tenant;
    std::string name;
    auth::UsageFigures gathered = {};
  };
  std::unordered_map<const TenantGate*, Counted> counted_;
  // What is to be written, by tenant and day.
  std::map<std::pair<uint64_t, uint32_t>, auth::UsageRecord> unwritten_;
  bool failing_ = false;
  base::Counter failures_;
  std::jthread thread_;  // Last: it ends before what it uses.
};

}  // namespace poplar::app
