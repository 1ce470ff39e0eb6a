#include "core/app/tenant_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "core/base/log.h"

namespace poplar::app {
namespace {

namespace fs = std::filesystem;

// Sources of tenants begin so.
std::string KindOf(const std::string& folder) { return fs::path(folder).filename().string() + "/"; }

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
  const size_t gone =
      std::erase_if(files_, [&](const auto& file) { return !stamps.contains(file.first); });
  bool changed = gone > 0;
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

Status TenantFiles::Sync(auth::UserDatabase& database) {
  std::vector<TenantSpec> specs;
  std::set<std::string> untouched;
  for (const auto& [path, file] : files_) {
    if (file.parsed.faults.empty()) {
      specs.push_back(file.parsed.tenant);
    } else {
      untouched.insert(KindOf(folder_) + fs::path(path).filename().string());
    }
  }
  POP_ASSIGN_OR_RETURN(const std::vector<std::string> faults,
                       database.SyncTenants(KindOf(folder_), specs, untouched));
  for (const std::string& fault : faults) {
    base::Log(base::LogLevel::kError, "tenant_file_wrong", {{"reason", fault}});
  }
  base::Log(base::LogLevel::kInfo, "tenant_files",
            {{"folder", folder_},
             {"tenants", specs.size()},
             {"wrong", untouched.size() + faults.size()}});
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
  pending_ = Read(stamps) || pending_;
  if (!pending_) return OkStatus();
  POP_RETURN_IF_ERROR(Sync(database));
  pending_ = false;
  return OkStatus();
}

}  // namespace poplar::app
