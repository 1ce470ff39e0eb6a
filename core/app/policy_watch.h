// Brings what the user database says of quotas and expiry to those who go by it: reads the policies
// of all tenants when the database changed, by whatever process, and publishes them.
//
// On a thread of its own, since it waits for the disk. While the database cannot be read, what was
// published last goes on.

#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "auth/users/file_identity.h"
#include "auth/users/user_database.h"
#include "core/base/mail_policy.h"
#include "core/base/status.h"

namespace poplar::app {

struct PolicyWatchOptions {
  std::string database_path;
  std::chrono::milliseconds period{1000};
};

class PolicyWatch {
 public:
  // Has published once when it returns, so that nobody serves without. Errors as
  // UserDatabase::Open. `board` outlives this.
  static StatusOr<std::unique_ptr<PolicyWatch>> Start(PolicyWatchOptions options,
                                                      PolicyBoard& board);
  PolicyWatch(const PolicyWatch&) = delete;
  PolicyWatch& operator=(const PolicyWatch&) = delete;
  ~PolicyWatch() = default;

 private:
  PolicyWatch(PolicyWatchOptions options, PolicyBoard& board)
      : options_(std::move(options)), board_(board) {}

  void Run(const std::stop_token& stop);
  Status Look();

  const PolicyWatchOptions options_;
  PolicyBoard& board_;
  std::unique_ptr<auth::UserDatabase> database_;  // Null after a fault.
  auth::FileIdentity file_;                       // That database_ has open.
  std::jthread thread_;                           // Last: it ends before what it uses.
};

}  // namespace poplar::app
