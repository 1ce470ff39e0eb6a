// What tenants used, day by day, for a provider's bills: one SQLite file beside the user database,
// written by the server and read by the command line. Calls block; an object belongs to one thread
// at a time.
//
// Days are those of UTC. Faults as of UserDatabase.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/ids.h"
#include "core/base/status.h"

namespace poplar::auth {

class SqliteConnection;

struct UsageFigures {
  uint64_t sessions = 0;
  uint64_t messages_in = 0;  // One for each recipient.
  uint64_t octets_in = 0;
  uint64_t messages_out = 0;
  uint64_t octets_out = 0;

  friend bool operator==(const UsageFigures&, const UsageFigures&) = default;
};

// Of one tenant, one day or several.
struct UsageRecord {
  TenantId tenant;
  std::string tenant_name;  // As it was when it was written last.
  uint32_t day = 0;         // Since 1970-01-01; the first of several.
  UsageFigures figures;
};

struct UsageRange {
  uint32_t first_day = 0;
  uint32_t last_day = UINT32_MAX;  // Itself included.
  std::string tenant_name;         // Empty: all.
  bool by_day = false;             // Else one record a tenant.
};

class UsageDatabase {
 public:
  // Makes the file where there is none, for its owner's eyes only.
  static StatusOr<std::unique_ptr<UsageDatabase>> OpenOrCreate(const std::string& path);
  // kNotFound: nothing was written yet.
  static StatusOr<std::unique_ptr<UsageDatabase>> Open(const std::string& path);
  UsageDatabase(const UsageDatabase&) = delete;
  UsageDatabase& operator=(const UsageDatabase&) = delete;
  ~UsageDatabase();

  // Adds what was used since, all or nothing.
  Status Add(std::span<const UsageRecord> more);
  // By tenant's name and day.
  StatusOr<std::vector<UsageRecord>> Read(const UsageRange& range);

 private:
  explicit UsageDatabase(std::unique_ptr<SqliteConnection> connection);

  const std::unique_ptr<SqliteConnection> connection_;
};

}  // namespace poplar::auth
