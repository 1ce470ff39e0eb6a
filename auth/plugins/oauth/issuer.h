// One back end of the configuration: tokens of one issuer. Any thread.

#pragma once

#include <string>
#include <string_view>

#include "auth/plugins/oauth/claims.h"
#include "auth/plugins/oauth/keys.h"
#include "auth/plugins/oauth/settings.h"

namespace poplar::oauth {

class Issuer {
 public:
  explicit Issuer(Settings settings) : settings_(std::move(settings)), keys_(settings_) {}
  Issuer(const Issuer&) = delete;
  Issuer& operator=(const Issuer&) = delete;

  // Is this token good, and `login`'s? UNKNOWN: it is none of this issuer's.
  Verdict Verify(std::string_view token, std::string_view login, Deadline deadline);

 private:
  Verdict VerifySigned(std::string_view token, std::string_view login, Deadline deadline);
  Verdict Introspect(std::string_view token, std::string_view login, Deadline deadline) const;

  const Settings settings_;
  Keys keys_;
};

}  // namespace poplar::oauth
