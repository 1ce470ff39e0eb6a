// The keys that seal session tickets (RFC 5077, RFC 8446 §4.6.1), shared by all shards and by
// successive TLS contexts, so that a client resumes wherever it lands, also after a reload. A key
// seals for one period; it opens for kPreviousKeys more, then it is gone. Keys live in memory only:
// a restart forgets them, and clients shake hands in full once.
//
// Any thread.

#pragma once

#include <openssl/types.h>

#include <array>
#include <cstdint>
#include <mutex>

#include "core/base/clock.h"

namespace poplar::net {

class TicketKeys {
 public:
  static constexpr uint64_t kPeriodS = 8 * 3600;
  static constexpr size_t kPreviousKeys = 2;
  // A ticket is good while the key that sealed it is sure to be kept.
  static constexpr uint64_t kTicketLifetimeS = kPeriodS * kPreviousKeys;

  explicit TicketKeys(const base::Clock& clock);
  TicketKeys(const TicketKeys&) = delete;
  TicketKeys& operator=(const TicketKeys&) = delete;
  ~TicketKeys();

  // The callback of SSL_CTX_set_tlsext_ticket_key_evp_cb, with its contract: -1 error, 0 no such
  // key (a full handshake follows), 1 good, 2 good and to be replaced by a new ticket:
  // when its key has been followed by another, and `for_once`, when clients use a ticket but once
  // (TLS 1.3, RFC 8446 §C.4) and each second handshake would be in full.
  int Apply(unsigned char* key_name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
            bool seal, bool for_once);

 private:
  struct Key {
    std::array<unsigned char, 16> name{};
    std::array<unsigned char, 32> cipher{};
    std::array<unsigned char, 32> mac{};
    uint64_t made_us = 0;
    bool valid = false;
  };

  // Both REQUIRE mutex_.
  void RotateIfDue();
  static bool Use(const Key& key, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                  bool seal);

  const base::Clock& clock_;
  std::mutex mutex_;  // Held for microseconds, beside a handshake's hundreds.
  std::array<Key, 1 + kPreviousKeys> keys_;  // Newest first.
};

}  // namespace poplar::net
