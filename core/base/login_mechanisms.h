// The ways to log in, by the names that the configuration has for them, and sets of them: USER
// (with PASS), APOP, and SASL mechanisms. Pure; any thread.

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace poplar {

// In the order that sets of them are written in.
inline constexpr std::array<std::string_view, 11> kLoginMechanisms = {
    {"USER", "APOP", "PLAIN", "LOGIN", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS",
     "SCRAM-SHA-1", "EXTERNAL", "OAUTHBEARER", "XOAUTH2"}};

class LoginMechanisms {
 public:
  // All of them.
  constexpr LoginMechanisms() = default;
  static constexpr LoginMechanisms None() { return LoginMechanisms(0); }
  // Those that are named, with commas between; of no text all. nullopt: one is not known.
  static std::optional<LoginMechanisms> Parse(std::string_view names);

  // A name that is not known changes nothing.
  void Add(std::string_view name);
  // Of a name that is not known: false.
  bool Contains(std::string_view name) const;
  // As Parse takes it; of all of them empty.
  std::string Text() const;

  friend bool operator==(const LoginMechanisms&, const LoginMechanisms&) = default;
  // Those that are in both.
  friend constexpr LoginMechanisms operator&(LoginMechanisms a, LoginMechanisms b) {
    return LoginMechanisms(static_cast<uint16_t>(a.bits_ & b.bits_));
  }

 private:
  constexpr explicit LoginMechanisms(uint16_t bits) : bits_(bits) {}

  static constexpr uint16_t kAll = (1U << kLoginMechanisms.size()) - 1;

  uint16_t bits_ = kAll;  // By the place among kLoginMechanisms.
};

}  // namespace poplar
