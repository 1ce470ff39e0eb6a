// The certificates of hosts in a folder (certificate_folder.h), loaded when a client first asks for
// one. So many are kept as the options say, those that were asked for lately; the names of the
// folder's hosts are all kept, so that an invented name costs neither memory nor the disk.
//
// What is older than the period is looked at again before it is used: new hosts are found, files
// that changed are loaded, and where that fails the certificate that was there goes on. A folder
// that cannot be read or is empty all at once changes nothing: it may be a disk that is not
// mounted.
//
// One for all shards. A handshake takes the lock for less than a microsecond, beside the hundreds
// that it costs; a certificate is the same for whoever asks.

#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/clock.h"
#include "core/base/metrics.h"
#include "core/base/status.h"
#include "core/net/certificate_folder.h"
#include "core/net/certificate_set.h"

namespace poplar::net {

// A sample that says when a certificate ends.
base::MetricRegistry::Entry CertificateExpiryMetric(std::string of, int64_t expires_s);

struct CertificateStoreOptions {
  std::string folder = {};  // Empty: no host has one. It need not be there.
  uint32_t loaded_max = 5'000;
  uint64_t look_period_us = 5'000'000;
};

class CertificateStore {
 public:
  // Null: the host has none of its own, or none that can be used.
  using Certificates = std::shared_ptr<const CertificateSet>;

  explicit CertificateStore(const base::Clock& clock) : clock_(clock) {}
  CertificateStore(const CertificateStore&) = delete;
  CertificateStore& operator=(const CertificateStore&) = delete;

  // Everything is looked at again from here on; what is loaded stays meanwhile, unless it is
  // another folder's. Any thread.
  void Configure(CertificateStoreOptions options);

  // `host` is a NormalHostName. None: that takes a Look. Never waits; any thread.
  std::optional<Certificates> Find(std::string_view host);
  // The same by the disk. For threads that may wait.
  Certificates Look(std::string_view host);

  // Counts that others read a certificate again: the default one.
  void CountLoad(bool ok);
  // When the first of those that are loaded ends, in seconds since 1970; none: none is loaded.
  std::optional<int64_t> FirstExpiryS() const;
  void Register(base::MetricRegistry& registry) const;

 private:
  struct Entry {
    std::string name;  // Of its folder.
    Certificates certificates;
    std::vector<FileStamp> stamps;  // Of the files that they were loaded from.
    std::string fault;              // Of the last look, if it failed.
    uint64_t looked_us = 0;
    uint64_t configured = 0;  // What configurations_ was then.
  };
  using Entries = std::list<Entry>;
  using Hosts = std::vector<std::string>;  // Sorted.

  // What the folder says of a host, with the stamps that were there before it was read.
  struct Reading {
    std::vector<FileStamp> stamps;
    StatusOr<Certificates> certificates;
    bool unchanged = false;
  };

  // REQUIRES: mutex_.
  bool IsFresh(const Entry& entry) const;
  bool HostsAreFresh() const;
  std::string NameOf(std::string_view host) const;
  Entries::iterator FindEntry(std::string_view name);
  void Keep(Entry entry);
  void Drop(Entries::iterator entry);
  void Clear();

  // These wait for the disk, without the lock.
  void LookAtFolder();
  Reading Read(const std::string& folder, const Entry& known) const;
  Certificates Take(const std::string& folder, Entry looked, Reading reading);
  // Whether nothing changed since. What changed a moment ago may have changed again unseen.
  bool IsUnchanged(const FileStamp& before, const FileStamp& now) const;

  const base::Clock& clock_;
  mutable std::mutex mutex_;
  CertificateStoreOptions options_;
  uint64_t configurations_ = 0;
  std::shared_ptr<const Hosts> hosts_ = std::make_shared<Hosts>();
  FileStamp hosts_stamp_;  // Of the folder.
  uint64_t hosts_looked_us_ = 0;
  bool hosts_known_ = false;
  bool folder_gone_ = false;  // It was told.
  Entries entries_;           // The one asked for last is first.
  std::unordered_map<std::string_view, Entries::iterator> by_name_;  // Into the entries.

  std::multiset<int64_t> expiries_s_;  // Of the entries that have certificates.

  // Counted under the lock.
  base::Gauge loaded_;
  base::Counter loads_;
  base::Counter failures_;
  base::Counter evictions_;
};

}  // namespace poplar::net
