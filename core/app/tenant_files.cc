#include "core/app/tenant_files.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include "core/app/tenant_sources.h"
#include "core/base/log.h"

namespace poplar::app {
namespace {

using OpenFolder = std::unique_ptr<DIR, int (*)(DIR*)>;

std::string SourceOf(const std::string& folder, const std::string& name) {
  return KindOfFiles(folder) + name;
}

bool IsTenantFile(std::string_view name) {
  // Editors leave hidden files beside those that they write.
  return name.ends_with(".toml") && !name.starts_with('.');
}

// `found(name, descriptor of the folder)` for each, in no order. None where there is no such
// folder.
template <class Found>
Status EachTenantFile(const std::string& folder, Found found) {
  const OpenFolder open(::opendir(folder.c_str()), &::closedir);
  if (open == nullptr && errno == ENOENT) return OkStatus();
  if (open == nullptr) return ErrnoStatus(errno, "cannot read the folder " + folder);
  while (true) {
    errno = 0;
    const dirent* const entry = ::readdir(open.get());
    if (entry == nullptr) break;
    if (IsTenantFile(entry->d_name)) found(entry->d_name, ::dirfd(open.get()));
  }
  return errno == 0 ? OkStatus() : ErrnoStatus(errno, "cannot read the folder " + folder);
}

}  // namespace

StatusOr<std::vector<std::string>> TenantFilesIn(const std::string& folder) {
  std::vector<std::string> paths;
  POP_RETURN_IF_ERROR(EachTenantFile(folder, [&](const char* name, int) {
    paths.push_back((std::filesystem::path(folder) / name).string());
  }));
  std::ranges::sort(paths);
  return paths;
}

// Every second, and of ten thousand tenants: no path is put together, and nothing sorted.
StatusOr<std::vector<TenantFiles::Found>> TenantFiles::Stamps() const {
  std::vector<Found> all;
  all.reserve(files_.size());
  POP_RETURN_IF_ERROR(EachTenantFile(folder_, [&](const char* name, int folder) {
    struct stat status{};
    // Gone since, or not to be read: reading tells.
    if (::fstatat(folder, name, &status, 0) != 0 && errno == ENOENT) return;
    all.push_back(
        {.name = name,
         .stamp = {.changed_ns = status.st_ctim.tv_sec * 1'000'000'000 + status.st_ctim.tv_nsec,
                   .inode = status.st_ino,
                   .bytes = status.st_size}});
  }));
  return all;
}

bool TenantFiles::Read(const std::vector<Found>& found) {
  bool changed = false;
  for (const auto& [name, stamp] : found) {
    const auto [known, is_new] = files_.try_emplace(name);
    File& file = known->second;
    file.seen = true;
    file.missing = false;
    if (!is_new && file.stamp == stamp) continue;
    changed = true;
    file.stamp = stamp;
    file.parsed = tenant::ReadTenant((std::filesystem::path(folder_) / name).string());
    for (const tenant::ConfigFault& fault : file.parsed.faults) {
      base::Log(base::LogLevel::kError, "tenant_file_wrong", {{"reason", fault.ToString()}});
    }
  }
  return DropGone() || changed;
}

bool TenantFiles::DropGone() {
  bool dropped = false;
  for (auto each = files_.begin(); each != files_.end();) {
    File& file = each->second;
    const bool is_missing = !std::exchange(file.seen, false);
    const bool is_gone = is_missing && std::exchange(file.missing, true);
    each = is_gone ? files_.erase(each) : std::next(each);
    dropped |= is_gone;
  }
  return dropped;
}

StatusOr<std::set<std::string>> TenantFiles::Fileless(auth::UserDatabase& database) const {
  POP_ASSIGN_OR_RETURN(const std::vector<auth::TenantRecord> tenants, database.ListTenants());
  std::set<std::string> sources;
  for (const auth::TenantRecord& tenant : tenants) {
    const bool told = tenant.enabled || !tenant.domains.empty();
    if (told && tenant.source.starts_with(KindOfFiles(folder_))) sources.insert(tenant.source);
  }
  for (const auto& [name, file] : files_) sources.erase(SourceOf(folder_, name));
  return sources;
}

Status TenantFiles::Sync(auth::UserDatabase& database, std::set<std::string> spared) {
  std::vector<TenantSpec> specs;
  std::set<std::string> untouched = std::move(spared);
  size_t wrong = 0;
  specs.reserve(files_.size());
  for (const auto& [name, file] : files_) {
    if (file.parsed.faults.empty()) {
      specs.push_back(file.parsed.tenant);
    } else {
      untouched.insert(SourceOf(folder_, name));
      ++wrong;
    }
  }
  // Of two that want the same the first by name has it.
  std::ranges::sort(specs, {}, &TenantSpec::source);
  POP_ASSIGN_OR_RETURN(const std::vector<auth::TenantFault> faults,
                       database.SyncTenants(KindOfFiles(folder_), specs, untouched, others_));
  wrong_.Set(static_cast<int64_t>(untouched.size() + faults.size()));
  std::vector<std::string> texts;
  texts.reserve(faults.size());
  for (const auth::TenantFault& fault : faults) texts.push_back(fault.ToString());
  std::ranges::sort(texts);
  looks_since_sync_ = 0;
  // A retry that found what was told says nothing.
  if (!pending_ && texts == told_) return OkStatus();
  for (const std::string& text : texts) {
    if (!pending_ && std::ranges::binary_search(told_, text)) continue;
    base::Log(base::LogLevel::kError, "tenant_file_wrong", {{"reason", text}});
  }
  told_ = std::move(texts);
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
  POP_ASSIGN_OR_RETURN(const std::vector<Found> found, Stamps());
  if (found.empty()) {
    TellGone();
    return OkStatus();
  }
  const bool is_first = files_.empty();
  pending_ = Read(found) || pending_;
  const bool is_retry = !told_.empty() && ++looks_since_sync_ >= kLooksPerRetry;
  if (!pending_ && !is_retry) return OkStatus();
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
