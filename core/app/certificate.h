// The certificate that `poplar init` makes, and what `poplar check` asks of any. One thread.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/secret.h"
#include "core/base/status.h"

namespace poplar::app {

struct SelfSigned {
  std::string certificate_pem;
  base::Secret key_pem;
};

// A fresh P-256 key and its certificate for `names` (host names and IP addresses), valid from an
// hour ago for 825 days, the longest that all mail programs take. The first name is its subject.
// REQUIRES: at least one name.
StatusOr<SelfSigned> MakeSelfSigned(std::span<const std::string> names);

// What init's certificate is for: localhost, the loopback addresses and the machine's own name.
std::vector<std::string> OwnNames();

struct CertificateFaults {
  std::string certificate;  // Empty: nothing wrong with this file.
  std::string key;
  std::vector<std::string> warnings;  // It works, but see to it.
};

// Can the two files serve TLS at `now_s` (since 1970)? Sentences say what is wrong and what to do.
CertificateFaults CheckCertificate(const std::string& certificate_path, const std::string& key_path,
                                   int64_t now_s);

// Does the file name authorities that can vouch for clients? Empty: it does.
std::string CheckAuthorities(const std::string& path);

}  // namespace poplar::app
