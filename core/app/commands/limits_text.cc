#include "core/app/commands/limits_text.h"

#include "core/app/table.h"

namespace poplar::app {
namespace {

std::string DaysText(uint32_t days) {
  return std::to_string(days) + (days == 1 ? " day" : " days");
}

std::string ReadText(const std::optional<uint32_t>& days) {
  if (!days.has_value()) return "stays";
  return *days == 0 ? "goes with the session" : "goes after " + DaysText(*days);
}

}  // namespace

std::string QuotaText(const Quota& quota) {
  if (!quota.limited()) return "no limit";
  std::string text = quota.octets == 0 ? "" : SizeText(quota.octets);
  if (quota.messages == 0) return text;
  if (!text.empty()) text += ", ";
  return text + std::to_string(quota.messages) + " messages";
}

std::vector<std::pair<std::string, std::string>> RetentionText(const TenantPolicy& policy) {
  const uint32_t kept = policy.keep_deleted_days;
  const uint32_t expires = policy.expire_days;
  return {{"deleted mail", kept == 0 ? "is gone" : "is kept for " + DaysText(kept)},
          {"old mail    ", expires == 0 ? "stays" : "goes after " + DaysText(expires)},
          {"fetched mail", ReadText(policy.expire_read_days)}};
}

}  // namespace poplar::app
