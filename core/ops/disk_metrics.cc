#include "core/ops/disk_metrics.h"

#include <sys/statvfs.h>

#include <string_view>
#include <utility>

namespace poplar::ops {
namespace {

using Entry = base::MetricRegistry::Entry;

void AddGauge(std::vector<Entry>& entries, std::string_view name, std::string_view help,
              const std::string& of, double value) {
  Entry entry;
  entry.kind = base::MetricRegistry::Kind::kGauge;
  entry.name = name;
  entry.help = help;
  entry.labels = {{"of", of}};
  entry.read = [value] { return value; };
  entries.push_back(std::move(entry));
}

void Collect(const WatchedDisk& disk, std::vector<Entry>& entries) {
  struct statvfs facts{};
  if (::statvfs(disk.path.c_str(), &facts) != 0) return;
  const auto block_bytes = static_cast<double>(facts.f_frsize);
  AddGauge(entries, "poplar_disk_bytes", "Size of the file system that it stands on.", disk.of,
           static_cast<double>(facts.f_blocks) * block_bytes);
  AddGauge(entries, "poplar_disk_free_bytes", "Octets that are left there for the server.", disk.of,
           static_cast<double>(facts.f_bavail) * block_bytes);
  if (facts.f_files == 0) return;  // Such a file system does not count them.
  AddGauge(entries, "poplar_disk_files_max", "Files (inodes) that may be there.", disk.of,
           static_cast<double>(facts.f_files));
  AddGauge(entries, "poplar_disk_files_free", "Files (inodes) that there is room for.", disk.of,
           static_cast<double>(facts.f_favail));
}

}  // namespace

void RegisterDiskMetrics(base::MetricRegistry& registry, std::vector<WatchedDisk> disks) {
  registry.AddCollected([disks = std::move(disks)](std::vector<Entry>& entries) {
    for (const WatchedDisk& disk : disks) Collect(disk, entries);
  });
}

}  // namespace poplar::ops
