// One back end of the configuration: tokens of one issuer. Any thread.

#pragma once

#include <string>
#include <string_view>

#include "auth/plugin.h"
#include "auth/plugins/common/deadline.h"
#include "auth/plugins/oauth/claims.h"
#include "auth/plugins/oauth/endpoint.h"
#include "auth/plugins/oauth/keys.h"
#include "auth/plugins/oauth/settings.h"

namespace poplar::oauth {

class Issuer {
 public:
  // `host` outlives this.
  Issuer(Settings settings, const poplar_host& host);
  Issuer(const Issuer&) = delete;
  Issuer& operator=(const Issuer&) = delete;

  // Is this token good, and of that login name? UNKNOWN: it is none of this issuer's.
  poplar_outcome Ask(const poplar_question& question, poplar_answer* answer);

 private:
  using Deadline = plugins::Deadline;

  Verdict VerifySigned(std::string_view token, std::string_view login, Deadline deadline);
  Verdict Introspect(std::string_view token, std::string_view login, Deadline deadline);

  const Settings settings_;
  const poplar_host& host_;
  Endpoint endpoint_;  // Where its keys are, or who is asked about tokens.
  Keys keys_;
};

}  // namespace poplar::oauth
