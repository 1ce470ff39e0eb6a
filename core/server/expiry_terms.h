// What POP3 clients are told of expiry (RFC 2449 §6.7): the tenants' policies as EXPIRE puts them.
// One shard's.

#pragma once

#include <cstdint>
#include <optional>

#include "core/base/mail_policy.h"
#include "core/proto/pop3/capabilities.h"

namespace poplar::server {

class ExpiryTerms {
 public:
  // The board outlives this.
  explicit ExpiryTerms(const PolicyBoard& board) : board_(board), policies_(&board) {}

  // For who has logged in.
  pop3::Expiry Of(TenantId tenant);
  // For who has not: the least of all tenants, and whether they differ. Looks at all of them after
  // a change only.
  const pop3::Expiry& OfAll();

 private:
  const PolicyBoard& board_;
  PolicyReader policies_;
  std::optional<uint64_t> seen_;  // The generation that of_all_ is of.
  pop3::Expiry of_all_;
};

}  // namespace poplar::server
