// The users that a shard was told of by name or account, the last ones: an answer about one of them
// that was asked for before counts no more, or he would be let in by it after his sessions ended.
//
// Lives on its shard.

#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "auth/api/auth.h"

namespace poplar::auth {

class RecentChanges {
 public:
  // So many are known; what is asked before as many more came is taken for outdated.
  static constexpr size_t kKnownMax = 1024;

  // All that there were so far. Who asks keeps it with the question.
  uint64_t count() const { return count_; }
  // `address` as LookupKey makes it.
  void AddAddress(std::string address);
  void AddAccount(TenantId tenant, std::string account);
  // Whether one of those after the first `seen` is who logged in as `login`.
  bool AreAbout(const Principal& principal, std::string_view login, uint64_t seen) const;

 private:
  struct Change {
    std::string address;  // Or empty: it is of an account.
    TenantId tenant;
    std::string account;
  };

  void Add(Change change);

  std::deque<Change> known_;
  uint64_t count_ = 0;
};

}  // namespace poplar::auth
