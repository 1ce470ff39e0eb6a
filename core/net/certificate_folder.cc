#include "core/net/certificate_folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>
#include <utility>

#include "core/net/host_name.h"

namespace poplar::net {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::pair<const char*, const char*>, 4> kPairs = {{
    {"fullchain.pem", "privkey.pem"},
    {"fullchain-rsa.pem", "privkey-rsa.pem"},
    {"fullchain-ecdsa.pem", "privkey-ecdsa.pem"},
    {"tls.crt", "tls.key"},
}};

bool IsThere(const std::string& path) { return StampOf(path) != FileStamp(); }

}  // namespace

FileStamp StampOf(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return {};
  return {.changed_ns = status.st_ctim.tv_sec * 1'000'000'000 + status.st_ctim.tv_nsec,
          .inode = status.st_ino,
          .bytes = status.st_size};
}

StatusOr<std::vector<std::string>> HostsIn(const std::string& folder) {
  std::vector<std::string> hosts;
  std::error_code error;
  fs::directory_iterator each(folder, error);
  for (; !error && each != fs::directory_iterator(); each.increment(error)) {
    const std::string name = each->path().filename().string();
    std::error_code not_seen;
    if (NormalHostName(name) == name && each->is_directory(not_seen)) hosts.push_back(name);
  }
  if (error) return ErrnoStatus(error.value(), "cannot read the folder " + folder);
  std::ranges::sort(hosts);
  return hosts;
}

StatusOr<std::vector<CertificateFiles>> CertificateFilesOf(const std::string& host_folder) {
  std::vector<CertificateFiles> files;
  for (const auto& [certificate, key] : kPairs) {
    CertificateFiles pair{host_folder + "/" + certificate, host_folder + "/" + key};
    if (IsThere(pair.certificate_path) || IsThere(pair.key_path)) files.push_back(std::move(pair));
  }
  if (!files.empty()) return files;
  return MakeStatus(StatusCode::kFailedPrecondition,
                    "certificate " + host_folder +
                        ": it has neither fullchain.pem with privkey.pem nor tls.crt with tls.key");
}

}  // namespace poplar::net
