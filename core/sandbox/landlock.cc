#include "core/sandbox/landlock.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "core/base/fd.h"
#include "core/sandbox/landlock_abi.h"

namespace poplar::sandbox {
namespace {

namespace ll = landlock;

constexpr uint64_t kReadRights = ll::kReadFile | ll::kReadFolder;
constexpr uint64_t kFileRights =
    kReadRights | ll::kWriteFile | ll::kTruncate | ll::kMakeFile | ll::kRemoveFile;
constexpr uint64_t kAllRights = kFileRights | ll::kMakeFolder | ll::kRemoveFolder | ll::kRefer;
// What a rule for a file may say.
constexpr uint64_t kOfSingleFiles =
    ll::kExecute | ll::kReadFile | ll::kWriteFile | ll::kTruncate | ll::kDeviceIoctl;

uint64_t KnownFileRights(int abi) {
  uint64_t rights = (uint64_t{ll::kRefer} << 1) - 1;
  if (abi >= ll::kAbiTruncate) rights |= ll::kTruncate;
  if (abi >= ll::kAbiDeviceIoctl) rights |= ll::kDeviceIoctl;
  return rights;
}

uint64_t RightsOf(FileAccess access) {
  switch (access) {
    case FileAccess::kRead:
      return kReadRights;
    case FileAccess::kRun:
      return kReadRights | ll::kExecute;
    case FileAccess::kSockets:
      return ll::kMakeSocket | ll::kRemoveFile;
    case FileAccess::kFiles:
      return kFileRights;
    case FileAccess::kAll:
      return kAllRights;
  }
  return 0;
}

Status AllowPath(int ruleset_fd, const AllowedPath& allowed, uint64_t known) {
  const base::UniqueFd place(::open(allowed.path.c_str(), O_PATH | O_CLOEXEC));
  struct stat status{};
  // What is not there, or may not be reached, needs no leave.
  if (!place.valid() || ::fstat(place.get(), &status) != 0) return OkStatus();
  ll::BeneathRule rule{.rights = RightsOf(allowed.access) & known, .folder_fd = place.get()};
  if (!S_ISDIR(status.st_mode)) rule.rights &= kOfSingleFiles;
  if (rule.rights == 0 || ll::AddRule(ruleset_fd, ll::kRuleBeneath, &rule) == 0) return OkStatus();
  // A socket, a pipe: nothing that could be opened by its path.
  if (errno == EBADFD || errno == EINVAL) return OkStatus();
  return ErrnoStatus(errno, "Landlock refuses a rule for " + allowed.path);
}

Status AllowPorts(int ruleset_fd, const LandlockRules& rules) {
  if (rules.may_bind) return OkStatus();
  for (const uint16_t port : rules.bind_ports) {
    const ll::PortRule rule{.rights = ll::kBindTcp, .port = port};
    if (ll::AddRule(ruleset_fd, ll::kRulePort, &rule) != 0) {
      return ErrnoStatus(errno, "Landlock refuses a rule for port " + std::to_string(port));
    }
  }
  return OkStatus();
}

ll::RulesetAttributes AttributesFor(const LandlockRules& rules, int abi) {
  ll::RulesetAttributes attributes{.files = KnownFileRights(abi), .network = 0, .scopes = 0};
  if (abi >= ll::kAbiNetwork) {
    if (!rules.may_connect) attributes.network |= ll::kConnectTcp;
    if (!rules.may_bind) attributes.network |= ll::kBindTcp;
  }
  if (abi >= ll::kAbiScopes) {
    if (!rules.may_signal_others) attributes.scopes |= ll::kSignals;
    if (!rules.may_reach_abstract) attributes.scopes |= ll::kAbstractSockets;
  }
  return attributes;
}

}  // namespace

int LandlockAbi() {
  const int abi = ll::Abi();
  // Without links between folders a store could not work.
  return abi >= ll::kAbiRefer ? abi : 0;
}

Status RestrictFiles(const LandlockRules& rules) {
  const int abi = LandlockAbi();
  if (abi == 0) return MakeStatus(StatusCode::kUnavailable, "this kernel has no Landlock");
  const ll::RulesetAttributes attributes = AttributesFor(rules, abi);
  const base::UniqueFd ruleset(ll::CreateRuleset(attributes, abi));
  if (!ruleset.valid()) return ErrnoStatus(errno, "Landlock");
  for (const AllowedPath& allowed : rules.paths) {
    POP_RETURN_IF_ERROR(AllowPath(ruleset.get(), allowed, attributes.files));
  }
  if (abi >= ll::kAbiNetwork) POP_RETURN_IF_ERROR(AllowPorts(ruleset.get(), rules));
  return ll::RestrictSelf(ruleset.get()) == 0 ? OkStatus() : ErrnoStatus(errno, "Landlock");
}

}  // namespace poplar::sandbox
