#include "core/app/certificate_check.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "core/net/certificate_folder.h"
#include "core/net/certificate_set.h"
#include "core/net/host_name.h"

namespace poplar::app {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kWarnS = int64_t{14} * 24 * 3600;

// A name for which a certificate of this folder must be good.
std::string HostOf(const std::string& name) {
  return name.starts_with("_.") ? "any" + name.substr(1) : name;
}

void CheckHost(const std::string& folder, const std::string& name, int64_t now_s,
               FolderFindings& findings) {
  const std::string path = folder + "/" + name;
  const auto files = net::CertificateFilesOf(path);
  if (!files.ok()) return findings.faults.push_back(std::string(Message(files.status())));
  const auto loaded = net::CertificateSet::Load(*files);
  if (!loaded.ok()) return findings.faults.push_back(std::string(Message(loaded.status())));
  const net::CertificateSet& certificates = **loaded;
  for (const std::string& warning : certificates.warnings()) findings.warnings.push_back(warning);
  const int64_t left_s = certificates.expires_s() - now_s;
  if (left_s > 0 && left_s < kWarnS) {
    findings.warnings.push_back("certificate " + path + ": it expires within 14 days");
  }
  if (!certificates.Names(HostOf(name))) {
    findings.warnings.push_back("certificate " + path + ": it is not for " +
                                (name.starts_with("_.") ? "all of *" + name.substr(1) : name));
  }
}

// Folders that no client can reach, for the name that they have.
void CheckNames(const std::string& folder, FolderFindings& findings) {
  std::error_code error;
  for (fs::directory_iterator each(folder, error); !error && each != fs::directory_iterator();
       each.increment(error)) {
    const std::string name = each->path().filename().string();
    std::error_code not_seen;
    if (name.starts_with('.') || !each->is_directory(not_seen)) continue;
    if (net::NormalHostName(name) == name) continue;
    findings.warnings.push_back(
        "certificate " + each->path().string() +
        ": no host is called so; write it in lower case, and _.example.org for *.example.org");
  }
}

}  // namespace

FolderFindings CheckCertificates(const std::string& folder, int64_t now_s) {
  FolderFindings findings;
  const auto hosts = net::HostsIn(folder);
  if (!hosts.ok()) {
    findings.faults.emplace_back(Message(hosts.status()));
    return findings;
  }
  for (const std::string& host : *hosts) CheckHost(folder, host, now_s, findings);
  CheckNames(folder, findings);
  return findings;
}

}  // namespace poplar::app
