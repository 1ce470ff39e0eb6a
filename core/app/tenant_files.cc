#include "core/app/tenant_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <set>
#include <system_error>
#include <utility>

#include "core/app/tenant_sources.h"
#include "core/base/log.h"

namespace poplar::app {
namespace {

namespace fs = std::filesystem;

std::string SourceOf(const std::string& folder, const std::string& path) {
  return KindOfFiles(folder) + fs::path(path).filename().string();
}

}  // namespace

StatusOr<std::vector<std::string>> TenantFilesIn(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> paths;
  fs::directory_iterator each(folder, error);
  if (error == std::errc::no_such_file_or_directory) return paths;
  for (; !error && each != fs::directory_iterator(); each.increment(error)) {
    const fs::path& path = each->path();
    // Editors leave hidden files beside those that they write.
    if (path.extension() == ".toml" && path.filename().string().front() != '.') {
      paths.push_back(path.string());
    }
  }
  if (error) return ErrnoStatus(error.value(), "cannot read the folder " + folder);
  std::ranges::sort(paths);
  return paths;
}

StatusOr<std::map<std::string, TenantFiles::Stamp>> TenantFiles::Stamps() const {
  POP_ASSIGN_OR_RETURN(const std::vector<std::string> paths, TenantFilesIn(folder_));
  std::map<std::string, Stamp> stamps;
  for (const std::string& path : paths) {
    struct stat status{};
    // Gone since, or not to be read: reading tells.
    if (::stat(path.c_str(), &status) != 0 && errno == ENOENT) continue;
    stamps[path] = {.changed_ns = status.st_ctim.tv_sec * 1'000'000'000 + status.st_ctim.tv_nsec,
                    .inode = status.st_ino,
                    .bytes = status.st_size};
  }
  return stamps;
}

bool TenantFiles::Read(const std::map<std::string, Stamp>& stamps) {
  bool changed = false;
  for (auto file = files_.begin(); file != files_.end();) {
    const bool is_missing = !stamps.contains(file->first);
    const bool was_missing = std::exchange(file->second.missing, is_missing);
    const bool is_gone = is_missing && was_missing;
    changed |= is_gone;
    file = is_gone ? files_.erase(file) : std::next(file);
  }
  for (const auto& [path, stamp] : stamps) {
    const auto known = files_.find(path);
    if (known != files_.end() && known->second.stamp == stamp) continue;
    changed = true;
    File& file = files_[path];
    file = {.stamp = stamp, .parsed = tenant::ReadTenant(path)};
    for (const tenant::ConfigFault& fault : file.parsed.faults) {
      base::Log(base::LogLevel::kError, "tenant_file_wrong", {{"reason", fault.ToString()}});
    }
  }
  return changed;
}

StatusOr<std::set<std::string>> TenantFiles::Fileless(auth::UserDatabase& database) const {
  POP_ASSIGN_OR_RETURN(const std::vector<auth::TenantRecord> tenants, database.ListTenants());
  std::set<std::string> sources;
  for (const auth::TenantRecord& tenant : tenants) {
    const bool told = tenant.enabled || !tenant.domains.empty();
    if (told && tenant.source.starts_with(KindOfFiles(folder_))) sources.insert(tenant.source);
  }
  for (const auto& [path, file] : files_) sources.erase(SourceOf(folder_, path));
  return sources;
}

Status TenantFiles::Sync(auth::UserDatabase& database, std::set<std::string> spared) {
  std::vector<TenantSpec> specs;
  std::set<std::string> untouched = std::move(spared);
  size_t wrong = 0;
  for (const auto& [path, file] : files_) {
    if (file.parsed.faults.empty()) {
      specs.push_back(file.parsed.tenant);
    } else {
      untouched.insert(SourceOf(folder_, path));
      ++wrong;
    }
  }
  POP_ASSIGN_OR_RETURN(const std::vector<std::string> faults,
                       database.SyncTenants(KindOfFiles(folder_), specs, untouched, others_));
  for (const std::string& fault : faults) {
    base::Log(base::LogLevel::kError, "tenant_file_wrong", {{"reason", fault}});
  }
  base::Log(base::LogLevel::kInfo, "tenant_files",
            {{"folder", folder_}, {"tenants", specs.size()}, {"wrong", wrong + faults.size()}});
  return OkStatus();
}

// A file system that is not mounted is no order to disable all tenants.
void TenantFiles::TellGone() {
  if (files_.empty()) return;
  files_.clear();
  base::Log(base::LogLevel::kError, "tenant_files_gone", {{"folder", folder_}});
}

Status TenantFiles::Look(auth::UserDatabase& database) {
  if (folder_.empty()) return OkStatus();
  std::error_code error;
  const bool there = fs::is_directory(folder_, error);
  if (!there) {
    TellGone();
    return OkStatus();
  }
  POP_ASSIGN_OR_RETURN(const auto stamps, Stamps());
  if (stamps.empty()) {
    TellGone();
    return OkStatus();
  }
  const bool is_first = files_.empty();
  pending_ = Read(stamps) || pending_;
  if (!pending_) return OkStatus();
  std::set<std::string> spared;
  if (is_first) {
    POP_ASSIGN_OR_RETURN(spared, Fileless(database));
  }
  const bool again = !spared.empty();
  POP_RETURN_IF_ERROR(Sync(database, std::move(spared)));
  pending_ = again;
  return OkStatus();
}

}  // namespace poplar::app
