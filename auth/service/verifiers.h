// What challenge mechanisms need, made of what back ends have stored; and for those who have
// nothing that would do, something that looks the same and that nothing proves.
//
// The salt and the count of a SCRAM challenge are told to everybody who asks. For names that have
// no keys the salt is computed from the name with a secret of this run, so that it stays the same,
// and the count is the configured one: new keys have it too. Any thread.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "auth/api/sasl.h"
#include "auth/schemes/password_hasher.h"
#include "auth/schemes/scram_keys.h"

namespace poplar::auth {

class VerifierMaker {
 public:
  explicit VerifierMaker(uint32_t scram_iterations);

  // Does it take a computation to make one from a password in clear?
  static bool Computes(std::string_view mechanism) { return mechanism != "APOP"; }

  // What `stored` is good for without a computation: SCRAM's own keys, APOP's clear text. Nothing:
  // it is not for this mechanism, or too weak.
  std::optional<Verifier> Take(std::string_view mechanism, std::string_view stored,
                               WeakSchemes weak) const;
  // SCRAM keys from a password that is stored in clear; where `stored` is none, nobody's keys,
  // after as much work. It takes tens of milliseconds.
  std::optional<Verifier> Compute(std::string_view mechanism, std::string_view login,
                                  std::string_view stored, WeakSchemes weak) const;
  // Nobody's.
  Verifier Decoy(std::string_view mechanism, std::string_view login) const;

 private:
  // 32 octets that only this process knows, the same for the same words.
  std::string Secret(std::string_view what, std::string_view mechanism,
                     std::string_view login) const;
  std::string Salt(std::string_view mechanism, std::string_view login) const;

  const uint32_t scram_iterations_;
  const std::string secret_;
};

}  // namespace poplar::auth
