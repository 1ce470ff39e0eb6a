// Landlock as its kernel interface has it (landlock(7)), up to ABI 6: the headers of Debian 12 know
// ABI 2. Private to core/sandbox.

#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace poplar::sandbox::landlock {

// What can be done with files; a kernel knows those up to its own ABI.
enum Right : uint64_t {
  kExecute = 1U << 0,
  kWriteFile = 1U << 1,
  kReadFile = 1U << 2,
  kReadFolder = 1U << 3,
  kRemoveFolder = 1U << 4,
  kRemoveFile = 1U << 5,
  kMakeCharacterDevice = 1U << 6,
  kMakeFolder = 1U << 7,
  kMakeFile = 1U << 8,
  kMakeSocket = 1U << 9,
  kMakeFifo = 1U << 10,
  kMakeBlockDevice = 1U << 11,
  kMakeLink = 1U << 12,
  kRefer = 1U << 13,        // ABI 2: links and renames from one folder to another.
  kTruncate = 1U << 14,     // ABI 3.
  kDeviceIoctl = 1U << 15,  // ABI 5.
};
enum NetworkRight : uint64_t { kBindTcp = 1U << 0, kConnectTcp = 1U << 1 };  // ABI 4.
enum Scope : uint64_t { kAbstractSockets = 1U << 0, kSignals = 1U << 1 };    // ABI 6.

constexpr int kAbiRefer = 2;
constexpr int kAbiTruncate = 3;
constexpr int kAbiNetwork = 4;
constexpr int kAbiDeviceIoctl = 5;
constexpr int kAbiScopes = 6;

struct RulesetAttributes {
  uint64_t files = 0;
  uint64_t network = 0;
  uint64_t scopes = 0;
};

// Fields that a kernel does not know are not shown to it.
constexpr size_t AttributesBytes(int abi) {
  if (abi >= kAbiScopes) return sizeof(RulesetAttributes);
  return abi >= kAbiNetwork ? offsetof(RulesetAttributes, scopes)
                            : offsetof(RulesetAttributes, network);
}

struct __attribute__((packed)) BeneathRule {
  uint64_t rights = 0;
  int32_t folder_fd = -1;
};
struct PortRule {
  uint64_t rights = 0;
  uint64_t port = 0;
};
constexpr int kRuleBeneath = 1;
constexpr int kRulePort = 2;

// As the calls are: -1 and errno.
inline int Abi() {
  constexpr uint32_t kAskVersion = 1;
  return static_cast<int>(::syscall(SYS_landlock_create_ruleset, nullptr, 0, kAskVersion));
}
inline int CreateRuleset(const RulesetAttributes& attributes, int abi) {
  return static_cast<int>(
      ::syscall(SYS_landlock_create_ruleset, &attributes, AttributesBytes(abi), 0));
}
inline int AddRule(int ruleset_fd, int kind, const void* rule) {
  return static_cast<int>(::syscall(SYS_landlock_add_rule, ruleset_fd, kind, rule, 0));
}
inline int RestrictSelf(int ruleset_fd) {
  return static_cast<int>(::syscall(SYS_landlock_restrict_self, ruleset_fd, 0));
}

}  // namespace poplar::sandbox::landlock
