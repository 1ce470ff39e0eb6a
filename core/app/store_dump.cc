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

StatusOr<storage::MaildropKey> KeyOfAccount(const std::string& which,
                                            const tenant::Config& config) {
  const size_t slash = which.find('/');
  POP_ASSIGN_OR_RETURN(const TenantId tenant, TenantOf(which.substr(0, slash), config));
  return storage::MaildropKey{tenant, which.substr(slash + 1)};
}

StatusOr<storage::MaildropKey> KeyOf(const std::string& which, const tenant::Config& config) {
  const bool has_slash = which.find('/') != std::string::npos;
  if (has_slash && which.find('@') == std::string::npos) return KeyOfAccount(which, config);
  POP_ASSIGN_OR_RETURN(const auto users, OpenUsers(config));
  const StatusOr<auth::UserRecord> user = users->FindUser(which);
  if (user.ok()) return storage::MaildropKey{user->tenant, user->account};
  if (user.status().code() != StatusCode::kNotFound) return user.status();
  // An address may have a slash before its '@', and an account of another back end an '@'.
  if (has_slash) {
    auto key = KeyOfAccount(which, config);
    if (key.status().code() != StatusCode::kNotFound) return key;
  }
  // Other back ends are asked by a running server alone.
  return MakeStatus(StatusCode::kNotFound,
                    std::string(Message(user.status())) + " in " + config.users.database +
                        "; whom another back end knows name by TENANT/ACCOUNT, as `poplar mailbox "
                        "show --json ADDRESS` tells them while a server runs");
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
