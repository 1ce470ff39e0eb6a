// Writes what tenants used to the usage database: every ten seconds, and at the end. What a crash
// loses is at most that. On a thread of its own, since it waits for the disk; while the database
// cannot be written, it gathers.

#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>

#include "auth/users/usage_database.h"
#include "core/base/mail_policy.h"
#include "core/base/status.h"

namespace poplar::app {

struct UsageWriterOptions {
  std::string database_path;
  std::chrono::milliseconds period{10'000};
};

class UsageWriter {
 public:
  // `board` outlives this.
  UsageWriter(UsageWriterOptions options, const PolicyBoard& board);
  UsageWriter(const UsageWriter&) = delete;
  UsageWriter& operator=(const UsageWriter&) = delete;
  // Writes what there is. REQUIRES: nobody is served any more, or what is is not to be counted.
  ~UsageWriter();

 private:
  void Run(const std::stop_token& stop);
  void Write();
  Status TryWrite();

  const UsageWriterOptions options_;
  const PolicyBoard& board_;
  std::unique_ptr<auth::UsageDatabase>
      database_;  // Null before the first write, and after a fault.
  // Whose use is counted, and how much of it is written. By the gate, as a tenant that goes and
  // comes back counts from nothing.
  struct Counted {
    std::shared_ptr<TenantGate> gate;
    TenantId tenant;
    std::string name;
    auth::UsageFigures written = {};
  };
  std::unordered_map<const TenantGate*, Counted> counted_;
  bool failing_ = false;
  std::jthread thread_;  // Last: it ends before what it uses.
};

}  // namespace poplar::app
