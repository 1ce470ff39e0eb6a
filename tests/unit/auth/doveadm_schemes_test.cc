// What Dovecot makes, this verifies: each scheme that `doveadm pw -l` names.

#include <gtest/gtest.h>

#include <cstdio>
#include <set>
#include <sstream>
#include <string>

#include "auth/schemes/password_hasher.h"

namespace poplar::auth {
namespace {

// The first line that a command prints; it has ten seconds.
std::string OutputOf(const std::string& command) {
  FILE* pipe = popen(("timeout 10 " + command + " 2>/dev/null").c_str(), "r");
  if (pipe == nullptr) return "";
  std::string line;
  for (int c = fgetc(pipe); c != EOF && c != '\n'; c = fgetc(pipe)) line += static_cast<char>(c);
  pclose(pipe);
  return line;
}

// Those that cannot be verified here: keys of mechanisms that Poplar does not speak, one-time
// passwords, DES, and MD4.
const std::set<std::string> kNotOurs = {"HMAC-MD5",  "CRAM-MD5", "DIGEST-MD5", "OTP",
                                        "DES-CRYPT", "SKEY",     "RPA",        "PLAIN-MD4",
                                        "LANMAN",    "NTLM",     "PLAIN-TRUNC"};

TEST(DoveadmSchemesTest, WhatItMakesIsVerified) {
  std::istringstream schemes(OutputOf("doveadm pw -l"));
  if (schemes.str().empty()) GTEST_SKIP() << "doveadm (package dovecot-core) is not there";
  const PasswordHasher hasher({.prefix = "$y$", .cost = 1});
  int verified = 0;
  for (std::string scheme; schemes >> scheme;) {
    const std::string stored = OutputOf("doveadm pw -u alice -p 'se cret' -s " + scheme);
    ASSERT_FALSE(stored.empty()) << scheme;
    const auto verify = [&](const char* password) {
      return hasher.Verify(stored, base::Secret(password), WeakSchemes::kAllow);
    };
    if (kNotOurs.contains(scheme)) {
      EXPECT_EQ(verify("se cret"), HashVerdict::kUnusable) << stored;
      continue;
    }
    EXPECT_EQ(verify("se cret"), HashVerdict::kMatch) << stored;
    EXPECT_EQ(verify("se crey"), HashVerdict::kMismatch) << stored;
    ++verified;
  }
  EXPECT_GE(verified, 15);
}

TEST(DoveadmSchemesTest, ItsEncodingsAreUnderstood) {
  const PasswordHasher hasher({.prefix = "$y$", .cost = 1});
  for (const char* scheme : {"SSHA256.HEX", "SSHA512.B64", "SHA.HEX", "SHA256.HEX"}) {
    const std::string stored = OutputOf("doveadm pw -p secret -s " + std::string(scheme));
    if (stored.empty()) GTEST_SKIP() << "doveadm (package dovecot-core) is not there";
    EXPECT_EQ(hasher.Verify(stored, base::Secret("secret"), WeakSchemes::kAllow),
              HashVerdict::kMatch)
        << stored;
  }
}

}  // namespace
}  // namespace poplar::auth
