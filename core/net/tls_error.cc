#include "core/net/tls_error.h"

#include <openssl/err.h>

namespace poplar::net {

std::string TakeTlsError() {
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  const char* const reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  return reason != nullptr ? reason : "unknown error";
}

}  // namespace poplar::net
