// What POP3 clients are told of the tenants' rules: EXPIRE (RFC 2449 §6.7) and LOGIN-DELAY (§6.5).
// One shard's.

#pragma once

#include <cstdint>
#include <optional>

#include "core/base/mail_policy.h"
#include "core/proto/pop3/capabilities.h"

namespace poplar::server {

class ClientTerms {
 public:
  // The board outlives this.
  explicit ClientTerms(const PolicyBoard& board) : board_(board), policies_(&board) {}

  // For who has logged in.
  pop3::Terms Of(TenantId tenant);
  // For who has not: the strictest of all tenants, and whether they differ. Looks at all of them
  // after a change only.
  const pop3::Terms& OfAll();

 private:
  const PolicyBoard& board_;
  PolicyReader policies_;
  std::optional<uint64_t> seen_;  // The generation that of_all_ is of.
  pop3::Terms of_all_;
};

}  // namespace poplar::server
