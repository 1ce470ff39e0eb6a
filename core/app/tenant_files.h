// Keeps the user database's tenants as the files of a folder say (core/tenant/tenant_file.h): looks
// at the folder again and again, reads the files that changed, and hands all of it on. One that is
// wrong is told in the log, once for each change of it, and its tenant stays as it was. One that is
// missing is believed to be gone at the second look in a row: it may be about to be written anew.
// What the database has against one may change without a file: that is tried again now and then.
//
// One thread's.

#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "auth/users/user_database.h"
#include "core/base/metrics.h"
#include "core/base/status.h"
#include "core/tenant/tenant_file.h"

namespace poplar::app {

class TenantFiles {
 public:
  static constexpr int kLooksPerRetry = 30;

  // Empty: no folder, and Look does nothing.
  // `others`: the kinds of other sources, whose tenants are theirs.
  explicit TenantFiles(std::string folder, std::set<std::string> others = {})
      : folder_(std::move(folder)), others_(std::move(others)) {}

  // After a change of the folder brings the database up to it. A folder without any file, or that
  // is not there, changes nothing: it may be a disk that is not mounted. Errors are the database's;
  // the next look tries again.
  Status Look(auth::UserDatabase& database);

  // Files of the last look that are wrong, or cannot have what they want.
  const base::Gauge& wrong() const { return wrong_; }

 private:
  struct Stamp {
    int64_t changed_ns = 0;
    uint64_t inode = 0;
    int64_t bytes = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  struct File {
    Stamp stamp;
    tenant::ParsedTenant parsed;
    bool seen = true;      // At this look.
    bool missing = false;  // At the one before.
  };
  struct Found {
    std::string name;
    Stamp stamp;
  };

  StatusOr<std::vector<Found>> Stamps() const;
  // True: something changed.
  bool Read(const std::vector<Found>& found);
  bool DropGone();
  // Whose tenants the database has and which no file tells of.
  StatusOr<std::set<std::string>> Fileless(auth::UserDatabase& database) const;
  // All but the tenants of `spared`.
  Status Sync(auth::UserDatabase& database, std::set<std::string> spared);
  void TellGone();

  const std::string folder_;
  const std::set<std::string> others_;
  std::unordered_map<std::string, File> files_;  // By name.
  base::Gauge wrong_;
  bool pending_ = true;            // The database has not taken it yet.
  std::vector<std::string> told_;  // What it had against them at the last sync; in order.
  int looks_since_sync_ = 0;
};

// The files of the folder that tell of tenants, by path. None where there is no such folder.
StatusOr<std::vector<std::string>> TenantFilesIn(const std::string& folder);

}  // namespace poplar::app
