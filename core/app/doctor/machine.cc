#include "core/app/doctor/machine.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "core/app/descriptors.h"
#include "core/app/table.h"
#include "core/base/units.h"
#include "core/io/probe.h"
#include "core/io/shard.h"

namespace poplar::app {
namespace {

constexpr uint64_t kLowReserves = 4;  // So many times what is kept back should be free.
constexpr uint64_t kLowShare = 10;    // Percent of the disk that should be free.
constexpr uint64_t kUsersBytesMin = 16 * kMiB;
constexpr uint64_t kFilesMin = 1000;
constexpr uint64_t kBacklogMin = 1024;

uint64_t NumberIn(const char* path, uint64_t otherwise) {
  std::ifstream file(path);
  uint64_t number = 0;
  return file >> number ? number : otherwise;
}

}  // namespace

void LookAtDescriptors(const tenant::Config& config, std::optional<uint64_t> of_server,
                       Findings& findings) {
  rlimit here{};
  if (!of_server && getrlimit(RLIMIT_NOFILE, &here) != 0) return;
  const uint64_t limit = of_server.value_or(here.rlim_max);
  const uint32_t shards = config.server.workers == 0 ? io::GrantedCores() : config.server.workers;
  const DescriptorPlan plan = PlanDescriptors(config, limit, shards);
  if (plan.pop3_connections_max >= config.pop3.connections_max &&
      plan.lmtp_connections_max >= config.lmtp.connections_max) {
    findings.Good("descriptors", std::to_string(limit) + " are enough");
    return;
  }
  findings.Note("descriptors",
                std::to_string(limit) +
                    (of_server ? " of the server" : " of this shell; no server was asked") +
                    " are enough for " + std::to_string(plan.pop3_connections_max) +
                    " POP3 connections, not for " + std::to_string(config.pop3.connections_max),
                "LimitNOFILE=" + std::to_string(plan.descriptors_wanted) +
                    " in the unit, or ulimit -Hn, and a restart; or lower pop3.connections_max");
}

void LookAtKernel(const tenant::Config& config, Findings& findings) {
  const Status probed = io::ProbeKernel({});
  if (probed.ok()) {
    findings.Good("kernel", "io_uring does all that the server needs");
  } else {
    findings.OurFault("kernel", std::string(Message(probed)),
                      "as it says; core/OPERATIONS.md, \"Start\", has each case");
  }
  std::error_code error;
  const bool has_ktls = std::filesystem::exists("/proc/net/tls_stat", error);
  if (config.tls.enabled() && config.tls.ktls == tenant::KtlsMode::kAuto && !has_ktls) {
    findings.Note("kernel TLS", "the kernel's module is not loaded: OpenSSL encrypts, on the CPU",
                  "modprobe tls, and `tls` in /etc/modules-load.d; or tls.ktls = \"off\"");
  }
  const uint64_t backlog = NumberIn("/proc/sys/net/core/somaxconn", kBacklogMin);
  if (backlog < kBacklogMin) {
    findings.Note("sysctl",
                  "net.core.somaxconn is " + std::to_string(backlog) +
                      ": after a restart clients that come all at once are turned away",
                  "sysctl -w net.core.somaxconn=4096");
  }
}

namespace {

// Where it is not the store's.
void LookAtDiskOfUsers(const tenant::Config& config, Findings& findings) {
  struct stat users{}, store{};
  struct statvfs disk{};
  const std::string& path = config.users.database;
  if (stat(path.c_str(), &users) != 0 || stat(config.store.path.c_str(), &store) != 0) return;
  if (users.st_dev == store.st_dev || statvfs(path.c_str(), &disk) != 0) return;
  const uint64_t free_bytes = uint64_t{disk.f_bavail} * disk.f_frsize;
  const std::string says = SizeText(free_bytes) + " are free for " + path;
  if ((disk.f_flag & ST_RDONLY) != 0) {
    findings.OurFault("disk of users", path + " is on a file system that is read-only",
                      "dmesg says why; check the file system and mount it again");
  } else if (free_bytes < kUsersBytesMin) {
    findings.OurFault("disk of users", says + ": no user can be changed, nothing is counted",
                      "delete what does not belong there, or a larger disk");
  } else {
    findings.Good("disk of users", says);
  }
}

}  // namespace

void LookAtDisk(const tenant::Config& config, uint64_t reserve_bytes, Findings& findings) {
  struct statvfs disk{};
  if (statvfs(config.store.path.c_str(), &disk) != 0) {
    findings.OurFault("disk", std::string(Message(ErrnoStatus(errno, config.store.path))),
                      "mount it, or make the store with `poplar init`");
    return;
  }
  const uint64_t free_bytes = uint64_t{disk.f_bavail} * disk.f_frsize;
  const uint64_t all_bytes = std::max<uint64_t>(uint64_t{disk.f_blocks} * disk.f_frsize, 1);
  const std::string says = SizeText(free_bytes) + " of " + SizeText(all_bytes) +
                           " are free for the store, which leaves " + SizeText(reserve_bytes) +
                           " to deletions";
  const std::string make_room =
      "delete what does not belong there, `poplar store compact`, or a larger disk "
      "(core/OPERATIONS.md, "
      "\"A full disk\")";
  if ((disk.f_flag & ST_RDONLY) != 0) {
    findings.OurFault("disk", config.store.path + " is on a file system that is read-only",
                      "dmesg says why; check the file system and mount it again");
  } else if (free_bytes < reserve_bytes + config.store.segment_mib * kMiB) {
    findings.OurFault("disk",
                      says +
                          ": no further log segment can be laid out, so mail is deferred as soon "
                          "as those that are there are full",
                      make_room);
  } else if (free_bytes < kLowReserves * reserve_bytes ||
             free_bytes < all_bytes / 100 * kLowShare) {
    findings.Note("disk", says, make_room);
  } else {
    findings.Good("disk", says);
  }
  if (disk.f_files > 0 && disk.f_favail < kFilesMin) {
    findings.OurFault(
        "disk files",
        "the file system has room for " + std::to_string(disk.f_favail) + " more files only",
        "large messages are a file each: a file system with more inodes");
  }
  LookAtDiskOfUsers(config, findings);
}

}  // namespace poplar::app
