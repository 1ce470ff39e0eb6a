// A folder of certificates: a sub-folder for each host, named as the host is ("pop.example.org"),
// or "_.example.org" for every first label. In it lie the certificate with its chain and the key,
// by the names that certbot or cert-manager give them:
//
//   fullchain.pem privkey.pem                  or     tls.crt tls.key
//   fullchain-rsa.pem privkey-rsa.pem          a second kind of key, in any combination
//   fullchain-ecdsa.pem privkey-ecdsa.pem
//
// Any thread that may wait for a disk.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "core/net/certificate_set.h"

namespace poplar::net {

// What a file or a folder was like when it was looked at.
struct FileStamp {
  int64_t changed_ns = 0;  // Since 1970.
  uint64_t inode = 0;
  int64_t bytes = 0;

  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

// All zero: it is not there, or is not to be seen.
FileStamp StampOf(const std::string& path);

// Hosts that have a sub-folder, sorted. Names that no client can ask for are left out.
StatusOr<std::vector<std::string>> HostsIn(const std::string& folder);

// The pairs of files that a host's folder has; of one that is half there, both. None: an error.
StatusOr<std::vector<CertificateFiles>> CertificateFilesOf(const std::string& host_folder);

}  // namespace poplar::net
