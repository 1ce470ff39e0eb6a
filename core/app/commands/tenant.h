// `poplar tenant add|set|list|show|enable|disable|domain|remove`: the built-in database, with or
// without a running server.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/app/console.h"
#include "core/app/wiring.h"
#include "core/base/status.h"
#include "core/tenant/config.h"

namespace poplar::app {

// What of a tenant's policy is to change. 0: no limit, not at all.
struct TenantLimits {
  std::optional<uint64_t> quota_octets;
  std::optional<uint64_t> quota_messages;
  std::optional<uint64_t> maildrop_quota_octets;
  std::optional<uint64_t> maildrop_quota_messages;
  std::optional<uint32_t> keep_deleted_days;
  std::optional<uint32_t> expire_days;
  // Days until mail goes that was fetched, or none: it stays.
  std::optional<std::optional<uint32_t>> expire_read_days;
  // Names and values as SetTenantRule takes them.
  std::vector<std::pair<std::string, std::string>> rules;

  bool empty() const { return *this == TenantLimits(); }
  friend bool operator==(const TenantLimits&, const TenantLimits&) = default;
};

struct TenantAddOptions {
  std::string name;
  std::vector<std::string> domains;
  TenantLimits limits;
};

// Who says what a tenant is.
enum class TenantSource : uint8_t {
  kCommand,  // `poplar tenant`.
  kFile,     // That of users.tenants.
  kBackend,  // users.tenants_backend.
};

// "command", "file", "backend".
StatusOr<TenantSource> ParseTenantSource(std::string_view text);

struct TenantSetOptions {
  std::string name;
  TenantLimits limits;
  std::optional<TenantSource> source = {};
};

struct TenantListOptions {
  bool json = false;
};

struct TenantShowOptions {
  std::string name;
  bool json = false;
};

struct TenantStateOptions {
  std::string name;
  bool enabled = true;
  bool end_sessions = false;
};

struct TenantRemoveOptions {
  std::string name;
  bool with_users = false;
  bool end_sessions = false;
};

ExitCode TenantAdd(const TenantAddOptions& options, const tenant::Config& config,
                   const Wiring& wiring, Console& console);
ExitCode TenantSet(const TenantSetOptions& options, const tenant::Config& config,
                   const Wiring& wiring, Console& console);
ExitCode TenantList(const TenantListOptions& options, const tenant::Config& config,
                    Console& console);
ExitCode TenantShow(const TenantShowOptions& options, const tenant::Config& config,
                    Console& console);
ExitCode TenantSetState(const TenantStateOptions& options, const tenant::Config& config,
                        Console& console);

enum class DomainChange : uint8_t { kAdd, kRemove };
ExitCode TenantChangeDomain(const std::string& name, const std::string& domain, DomainChange change,
                            const tenant::Config& config, Console& console);

ExitCode TenantRemove(const TenantRemoveOptions& options, const tenant::Config& config,
                      Console& console);

}  // namespace poplar::app
