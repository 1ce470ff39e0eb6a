#include "core/app/store_commands.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "storage/engine/engine.h"
#include "storage/tools/verify.h"

namespace poplar::app {
namespace {

void PrintDamage(uint32_t partition, const storage::Damage& damage, std::ostream& out) {
  out << "partition " << partition << ", segment " << damage.at.segment() << " at "
      << damage.at.offset() << ": " << damage.what;
  if (!damage.maildrop.account.empty()) {
    out << " (tenant " << damage.maildrop.tenant.value() << ", account " << damage.maildrop.account
        << ", message " << damage.id.value() << ")";
  }
  out << '\n';
}

void PrintReport(const storage::VerifyReport& report, std::ostream& out) {
  out << report.messages << " messages in " << report.maildrops << " maildrops; " << report.records
      << " records in " << report.segments << " segments (" << report.segment_bytes / kMiB
      << " MiB), " << report.blobs << " blobs (" << report.blob_bytes / kMiB << " MiB): ";
  if (report.damages == 0) {
    out << "all sound\n";
  } else {
    out << report.damages << (report.damages == 1 ? " damage\n" : " damages\n");
  }
}

nlohmann::json ToJson(const storage::VerifyReport& report) {
  return {{"partitions", report.partitions},
          {"segments", report.segments},
          {"segment_bytes", report.segment_bytes},
          {"records", report.records},
          {"maildrops", report.maildrops},
          {"messages", report.messages},
          {"blobs", report.blobs},
          {"blob_bytes", report.blob_bytes},
          {"damages", report.damages}};
}

}  // namespace

Status InitStore(const tenant::Config& config) {
  return storage::CreateStore(config.store.path, {.partitions = config.store.partitions});
}

ExitCode VerifyStore(const tenant::Config& config, bool json, Console& console) {
  const bool shows_progress = !json && isatty(STDERR_FILENO) == 1;
  storage::VerifyOptions options;
  options.path = config.store.path;
  options.on_damage = [&](uint32_t partition, const storage::Damage& damage) {
    PrintDamage(partition, damage, console.err);
  };
  if (shows_progress) {
    options.on_progress = [&](const storage::VerifyReport& so_far) {
      console.err << "\rpartition " << so_far.partitions << ": " << so_far.segment_bytes / kMiB
                  << " of " << so_far.total_bytes / kMiB << " MiB " << std::flush;
    };
  }
  const StatusOr<storage::VerifyReport> report = storage::VerifyStore(options);
  if (shows_progress) console.err << '\r';
  if (!report.ok()) return Fail(console, report.status());
  if (json) {
    console.out << ToJson(*report).dump(2) << '\n';
  } else {
    PrintReport(*report, console.out);
  }
  return report->damages == 0 ? ExitCode::kOk : ExitCode::kIoError;
}

}  // namespace poplar::app
