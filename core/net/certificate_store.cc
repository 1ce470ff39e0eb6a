#include "core/net/certificate_store.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/base/log.h"
#include "core/net/host_name.h"

namespace poplar::net {
namespace {

// File systems date changes by ticks, of a second at most.
constexpr int64_t kSettledNs = 2'000'000'000;

void TellLoaded(const std::string& host, const CertificateSet& certificates, bool replaced) {
  if (replaced) base::Log(base::LogLevel::kInfo, "certificate_replaced", {{"host", host}});
  for (const std::string& warning : certificates.warnings()) {
    base::Log(base::LogLevel::kWarning, "certificate", {{"host", host}, {"warning", warning}});
  }
}

}  // namespace

base::MetricRegistry::Entry CertificateExpiryMetric(std::string of, int64_t expires_s) {
  return {.kind = base::MetricRegistry::Kind::kGauge,
          .name = "poplar_tls_certificate_expiry_timestamp_seconds",
          .help =
              "When a certificate ends: the default one, and the first of the hosts' that are "
              "loaded",
          .labels = {{"of", std::move(of)}},
          .read = [expires_s] { return static_cast<double>(expires_s); },
          .histogram = nullptr,
          .scale = 1};
}

void CertificateStore::Configure(CertificateStoreOptions options) {
  const std::lock_guard lock(mutex_);
  if (options.folder != options_.folder) Clear();
  options_ = std::move(options);
  hosts_known_ = false;
  ++configurations_;
}

void CertificateStore::Clear() {
  hosts_ = std::make_shared<Hosts>();
  hosts_stamp_ = {};
  folder_gone_ = false;
  by_name_.clear();
  entries_.clear();
  expiries_s_.clear();
  loaded_.Set(0);
}

bool CertificateStore::HostsAreFresh() const {
  return hosts_known_ && clock_.MonotonicUs() - hosts_looked_us_ < options_.look_period_us;
}

bool CertificateStore::IsFresh(const Entry& entry) const {
  return entry.configured == configurations_ &&
         clock_.MonotonicUs() - entry.looked_us < options_.look_period_us;
}

std::string CertificateStore::NameOf(std::string_view host) const {
  if (std::ranges::binary_search(*hosts_, host)) return std::string(host);
  std::string wildcard = WildcardOf(host);
  return std::ranges::binary_search(*hosts_, wildcard) ? wildcard : "";
}

CertificateStore::Entries::iterator CertificateStore::FindEntry(std::string_view name) {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? entries_.end() : found->second;
}

std::optional<CertificateStore::Certificates> CertificateStore::Find(std::string_view host) {
  const std::lock_guard lock(mutex_);
  if (options_.folder.empty()) return Certificates();
  if (!HostsAreFresh()) return std::nullopt;
  const std::string name = NameOf(host);
  if (name.empty()) return Certificates();
  const auto entry = FindEntry(name);
  if (entry == entries_.end() || !IsFresh(*entry)) return std::nullopt;
  entries_.splice(entries_.begin(), entries_, entry);
  return entry->certificates;
}

CertificateStore::Certificates CertificateStore::Look(std::string_view host) {
  LookAtFolder();
  Entry known;
  std::string folder;
  {
    const std::lock_guard lock(mutex_);
    known.name = NameOf(host);
    if (known.name.empty()) return nullptr;
    const uint64_t now_us = clock_.MonotonicUs();
    if (const auto entry = FindEntry(known.name); entry != entries_.end()) {
      if (IsFresh(*entry)) return entry->certificates;  // Somebody was faster.
      if (folder_gone_) {
        entry->looked_us = now_us;
        entry->configured = configurations_;
        return entry->certificates;
      }
      known = *entry;
    }
    folder = options_.folder;
    known.looked_us = now_us;
    known.configured = configurations_;
  }
  Reading reading = Read(folder, known);
  return Take(folder, std::move(known), std::move(reading));
}

void CertificateStore::LookAtFolder() {
  std::string folder;
  std::shared_ptr<const Hosts> known;
  FileStamp before;
  {
    const std::lock_guard lock(mutex_);
    if (HostsAreFresh() || options_.folder.empty()) return;
    folder = options_.folder;
    known = hosts_;
    before = hosts_stamp_;
  }
  const uint64_t looked_us = clock_.MonotonicUs();
  const FileStamp now = StampOf(folder);
  const bool never_there = now == FileStamp() && before == FileStamp();
  const bool unchanged = never_there || IsUnchanged(before, now);
  auto hosts = std::make_shared<Hosts>();
  Hosts left;
  bool usable = true;
  if (!unchanged) {
    StatusOr<Hosts> read = HostsIn(folder);
    usable = read.ok() && (!read->empty() || known->empty());
    if (usable) *hosts = *std::move(read);
    std::ranges::set_difference(*known, *hosts, std::back_inserter(left));
  }
  bool gone = false;
  {
    const std::lock_guard lock(mutex_);
    if (folder != options_.folder || hosts_ != known) return;  // Somebody was faster.
    hosts_known_ = true;
    hosts_looked_us_ = looked_us;
    gone = !usable && !folder_gone_;
    folder_gone_ = !usable;
    if (usable && !unchanged) {
      hosts_ = std::move(hosts);
      hosts_stamp_ = now;
      for (const std::string& host : left) {
        if (const auto entry = FindEntry(host); entry != entries_.end()) Drop(entry);
      }
    }
  }
  if (gone) base::Log(base::LogLevel::kError, "certificates_gone", {{"folder", folder}});
}

void CertificateStore::Drop(Entries::iterator entry) {
  if (entry->certificates != nullptr) {
    expiries_s_.erase(expiries_s_.find(entry->certificates->expires_s()));
  }
  by_name_.erase(entry->name);
  entries_.erase(entry);
  loaded_.Set(static_cast<int64_t>(entries_.size()));
}

void CertificateStore::Keep(Entry entry) {
  if (const auto before = FindEntry(entry.name); before != entries_.end()) Drop(before);
  if (entry.certificates != nullptr) expiries_s_.insert(entry.certificates->expires_s());
  entries_.push_front(std::move(entry));
  by_name_.emplace(entries_.front().name, entries_.begin());
  loaded_.Set(static_cast<int64_t>(entries_.size()));
  while (entries_.size() > options_.loaded_max) {
    Drop(std::prev(entries_.end()));
    evictions_.Add();
  }
}

bool CertificateStore::IsUnchanged(const FileStamp& before, const FileStamp& now) const {
  return before == now && clock_.WallUs() * 1'000 - now.changed_ns > kSettledNs;
}

CertificateStore::Reading CertificateStore::Read(const std::string& folder,
                                                 const Entry& known) const {
  Reading reading;
  reading.certificates = known.certificates;
  const auto files = CertificateFilesOf(folder + "/" + known.name);
  if (!files.ok()) {
    reading.certificates = files.status();
    return reading;
  }
  for (const CertificateFiles& pair : *files) {
    reading.stamps.push_back(StampOf(pair.certificate_path));
    reading.stamps.push_back(StampOf(pair.key_path));
  }
  reading.unchanged = known.certificates != nullptr && known.fault.empty() &&
                      std::ranges::equal(known.stamps, reading.stamps,
                                         [this](const FileStamp& a, const FileStamp& b) {
                                           return IsUnchanged(a, b);
                                         });
  if (!reading.unchanged) reading.certificates = CertificateSet::Load(*files);
  return reading;
}

CertificateStore::Certificates CertificateStore::Take(const std::string& folder, Entry looked,
                                                      Reading reading) {
  const std::string fault(Message(reading.certificates.status()));
  const bool is_new_fault = !fault.empty() && fault != std::exchange(looked.fault, fault);
  const Certificates before = looked.certificates;
  if (fault.empty() && !reading.unchanged) {
    looked.certificates = *std::move(reading.certificates);
    looked.stamps = std::move(reading.stamps);
  }
  const Certificates now = looked.certificates;
  const std::string name = looked.name;
  {
    const std::lock_guard lock(mutex_);
    if (!reading.unchanged) (fault.empty() ? loads_ : failures_).Add();
    if (folder == options_.folder) Keep(std::move(looked));
  }
  if (is_new_fault) {
    base::Log(base::LogLevel::kError, "certificate_failed",
              {{"host", name}, {"kept", before != nullptr}, {"reason", fault}});
  }
  if (now != nullptr && (before == nullptr || before->identity() != now->identity())) {
    TellLoaded(name, *now, before != nullptr);
  }
  return now;
}

void CertificateStore::CountLoad(bool ok) {
  const std::lock_guard lock(mutex_);
  (ok ? loads_ : failures_).Add();
}

std::optional<int64_t> CertificateStore::FirstExpiryS() const {
  const std::lock_guard lock(mutex_);
  if (expiries_s_.empty()) return std::nullopt;
  return *expiries_s_.begin();
}

void CertificateStore::Register(base::MetricRegistry& registry) const {
  registry.Add(loaded_, "poplar_tls_certificates_loaded",
               "Hosts of the folder of certificates that are kept in memory");
  constexpr std::string_view kLoads = "poplar_tls_certificate_loads_total";
  constexpr std::string_view kLoadsHelp =
      "Times that a host's certificates were read, or the default one again, by result";
  registry.Add(loads_, kLoads, kLoadsHelp, {{"result", "ok"}});
  registry.Add(failures_, kLoads, kLoadsHelp, {{"result", "failed"}});
  registry.Add(evictions_, "poplar_tls_certificate_evictions_total",
               "Hosts that made room for others: they are read again when asked for");
  registry.AddCollected([this](std::vector<base::MetricRegistry::Entry>& entries) {
    const std::optional<int64_t> first = FirstExpiryS();
    if (!first) return;
    entries.push_back(CertificateExpiryMetric("hosts", *first));
  });
}

}  // namespace poplar::net
