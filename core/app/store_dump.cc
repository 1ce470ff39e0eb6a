// `poplar store dump`.

#include <charconv>

#include "core/app/commands/user_records.h"
#include "core/app/store_commands.h"
#include "core/app/store_options.h"
#include "storage/engine/layout.h"
#include "storage/segment/log_survey.h"
#include "storage/tools/dump.h"

namespace poplar::app {
namespace {

ExitCode End(const storage::DumpReport& report) {
  return report.damages == 0 ? ExitCode::kOk : ExitCode::kIoError;
}

// A tenant's id, or its name.
StatusOr<TenantId> TenantOf(const std::string& text, const tenant::Config& config) {
  uint64_t id = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, id);
  if (parsed.ec == std::errc() && parsed.ptr == end) return TenantId(id);
  POP_ASSIGN_OR_RETURN(const auto users, OpenUsers(config));
  POP_ASSIGN_OR_RETURN(const auth::TenantRecord tenant, users->FindTenant(text));
  return tenant.id;
}

StatusOr<storage::MaildropKey> KeyOf(const std::string& which, const tenant::Config& config) {
  // An address may have a slash before its '@'; an account id has no '@'.
  const size_t slash = which.find('/');
  if (slash != std::string::npos && which.find('@') == std::string::npos) {
    POP_ASSIGN_OR_RETURN(const TenantId tenant, TenantOf(which.substr(0, slash), config));
    return storage::MaildropKey{tenant, which.substr(slash + 1)};
  }
  POP_ASSIGN_OR_RETURN(const auto users, OpenUsers(config));
  POP_ASSIGN_OR_RETURN(const auth::UserRecord user, users->FindUser(which));
  return storage::MaildropKey{user.tenant, user.account};
}

StatusOr<uint32_t> PartitionOf(const DumpSegmentRequest& request, const tenant::Config& config) {
  POP_ASSIGN_OR_RETURN(const storage::Superblock superblock,
                       storage::ReadSuperblock(storage::SystemEnv(), config.store.path));
  const std::string last = std::to_string(superblock.partitions - 1);
  if (!request.partition.has_value()) {
    if (superblock.partitions == 1) return 0;
    return MakeStatus(StatusCode::kInvalidArgument,
                      "say whose segment: --partition 0 to --partition " + last);
  }
  if (*request.partition < superblock.partitions) return *request.partition;
  return MakeStatus(StatusCode::kInvalidArgument, "the store's last partition is " + last);
}

}  // namespace

ExitCode DumpSegment(const DumpSegmentRequest& request, const tenant::Config& config,
                     Console& console) {
  storage::DumpSegmentOptions options;
  options.bodies = request.bodies;
  options.file = request.segment;
  uint32_t number = 0;
  const char* const end = request.segment.data() + request.segment.size();
  const auto parsed = std::from_chars(request.segment.data(), end, number, 16);
  if (parsed.ec == std::errc() && parsed.ptr == end) {
    const StatusOr<uint32_t> partition = PartitionOf(request, config);
    if (!partition.ok()) {
      const Status& status = partition.status();
      return Fail(console, StoreCodeOf(status, config.store, ExitCode::kIoError), Message(status));
    }
    options.file = storage::SegmentPath(
        storage::PartitionDirectory(config.store.path, *partition) + "/log", number);
  }
  const auto report =
      storage::DumpSegment(options, [&](std::string_view line) { console.out << line << '\n'; });
  // A file may lie anywhere, also where there is no store.
  if (!report.ok()) return Fail(console, InputCodeOf(report.status()), Message(report.status()));
  return End(*report);
}

ExitCode DumpMaildrop(const std::string& which, const tenant::Config& config, Console& console) {
  const StatusOr<storage::MaildropKey> key = KeyOf(which, config);
  if (!key.ok()) return Fail(console, key.status());
  const auto report =
      storage::DumpMaildrop({.path = config.store.path, .maildrop = *key},
                            [&](std::string_view line) { console.out << line << '\n'; });
  if (report.ok()) return End(*report);
  return Fail(console, StoreCodeOf(report.status(), config.store, ExitCode::kNoUser),
              Message(report.status()));
}

}  // namespace poplar::app
