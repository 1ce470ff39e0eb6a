// When app passwords were used, until it is written: at most once an hour for each, all together
// once in a while, and never by a log-in. Any thread.

#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "auth/users/user_database.h"

namespace poplar::auth {

class AppPasswordUses {
 public:
  // Nothing more is noted while so many wait.
  static constexpr size_t kPendingMax = 64 * 1024;
  static constexpr int64_t kAgainAfterS = 3600;

  // `last_used_s`: what is written of it.
  void Note(std::string account, std::string id, std::optional<int64_t> last_used_s, int64_t now_s);
  // What waits; it does not any more.
  std::vector<AppPasswordUse> Take();
  // Those that could not be written wait again.
  void PutBack(std::vector<AppPasswordUse> uses);

 private:
  std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, int64_t> pending_;  // Guarded by mutex_.
};

}  // namespace poplar::auth
