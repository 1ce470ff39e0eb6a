// Several servers that answer the same, and which of them to ask. One that failed is left alone for
// a while; then one question tries it, while the others go on with the rest.
//
// Any thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "auth/plugin.h"
#include "auth/plugins/common/deadline.h"

namespace poplar::plugins {

class Servers {
 public:
  enum class Order : uint8_t {
    kListed,  // The first that works is asked.
    kSpread,  // Each question begins with another one.
  };

  // Servers are known by their place in `names`, which are for logs. `host` outlives this.
  Servers(std::vector<std::string> names, Order order, const poplar_host& host);
  Servers(const Servers&) = delete;
  Servers& operator=(const Servers&) = delete;

  // Those to try, in order: all that are not left alone, or else all.
  std::vector<size_t> Candidates();
  void Works(size_t server);
  void Failed(size_t server, const std::string& why);

  // How often it failed: connections made before the last time are not to be trusted.
  uint64_t failures(size_t server) const;
  const std::string& name(size_t server) const { return names_[server]; }
  const poplar_host& host() const { return host_; }

 private:
  void Log(poplar_level level, const std::string& sentence) const {
    host_.log(level, sentence.c_str());
  }

  struct State {
    Deadline paused_until;
    bool failing = false;
    uint64_t failures = 0;
  };

  const std::vector<std::string> names_;
  const Order order_;
  const poplar_host& host_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<State> states_;
  size_t turn_ = 0;
};

}  // namespace poplar::plugins
