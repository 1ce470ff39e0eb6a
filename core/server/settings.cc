#include "core/server/settings.h"

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <utility>

#include "core/base/limits.h"
#include "core/base/log.h"

namespace poplar::server {

std::string HostName(const tenant::Config& config) {
  if (!config.server.hostname.empty()) return config.server.hostname;
  char name[HOST_NAME_MAX + 1] = "localhost";
  gethostname(name, sizeof(name) - 1);
  return name;
}

namespace {

// All that are configured: what works differs from tenant to tenant, and tenants change.
void SetLoginMethods(const tenant::Config& config, LoginMechanisms work, Pop3Settings& pop3) {
  pop3.session.login = {.user = false, .sasl = {}};
  for (const std::string_view name : config.auth.mechanisms) {
    if (!work.Contains(name)) {
      base::Log(base::LogLevel::kWarning, "mechanism_not_offered",
                {{"mechanism", name}, {"reason", "no back end of any chain can serve it"}});
    }
    if (name == tenant::kUserMechanism) {
      pop3.session.login.user = true;
    } else if (name == tenant::kApopMechanism) {
      pop3.apop = true;
    } else {
      pop3.session.login.sasl.emplace_back(name);
    }
  }
}

}  // namespace

std::shared_ptr<const Settings> MakeSettings(const tenant::Config& config, SettingsInputs inputs) {
  auto settings = std::make_shared<Settings>();
  const std::string hostname = HostName(config);

  Pop3Settings& pop3 = settings->pop3;
  pop3.session.hostname = hostname;
  pop3.session.stls_offered = inputs.tls != nullptr;
  SetLoginMethods(config, inputs.work, pop3);
  pop3.session.utf8_headers_for_all = config.pop3.utf8_headers_for_all;
  pop3.session.failed_logins_max = config.pop3.auth_failures_max;
  pop3.session.out_bytes_soft_max = static_cast<uint32_t>(config.pop3.output_buffer_kib * kKiB);
  pop3.allow_cleartext = config.pop3.allow_cleartext;
  pop3.idle_timeout_ms = uint64_t{config.pop3.idle_timeout_s} * 1000;
  pop3.login_timeout_ms = uint64_t{config.pop3.login_timeout_s} * 1000;
  pop3.session_age_max_ms = uint64_t{config.pop3.session_age_max_s} * 1000;
  pop3.connections_max = config.pop3.connections_max;
  pop3.connections_per_address_max = config.pop3.connections_per_address_max;
  pop3.proxy_networks = config.pop3.proxy_networks;
  pop3.xclient_networks = config.pop3.xclient_networks;
  pop3.recent_days = config.pop3.recent_days;
  pop3.recent_sessions_max = config.pop3.recent_sessions_max;
  pop3.refusal_step_ms = config.auth.refusal_step_ms;
  pop3.common_name_is_user = config.tls.client_name == tenant::ClientName::kCommonName;

  LmtpSettings& lmtp = settings->lmtp;
  lmtp.session.hostname = hostname;
  lmtp.session.message_octets_max = config.lmtp.message_mib_max * kMiB;
  lmtp.session.recipients_max = config.lmtp.recipients_max;
  lmtp.session.subaddress_delimiter =
      config.lmtp.subaddress_delimiter.empty() ? '\0' : config.lmtp.subaddress_delimiter[0];
  lmtp.session.over_quota = config.lmtp.over_quota == tenant::OverQuota::kRefuse
                                ? lmtp::OverQuota::kRefuse
                                : lmtp::OverQuota::kRetry;
  lmtp.idle_timeout_ms = uint64_t{config.lmtp.idle_timeout_s} * 1000;
  lmtp.connections_max = config.lmtp.connections_max;
  lmtp.proxy_networks = config.lmtp.proxy_networks;
  lmtp.xclient_networks = config.lmtp.xclient_networks;

  // Whoever may use these sockets may have everything: no passwords, no limits of the public ones.
  settings->exports = pop3;
  settings->exports.session.exports = true;
  settings->exports.session.utf8_headers_for_all = true;
  settings->exports.session.stls_offered = false;
  settings->exports.apop = false;
  settings->exports.session.login = {.user = true, .sasl = {"EXTERNAL"}};
  settings->exports.allow_cleartext = true;
  settings->exports.session_age_max_ms = 0;
  settings->exports.refusal_step_ms = 0;
  settings->exports.recent_days = 0;
  settings->imports = lmtp;
  settings->imports.session.imports = true;
  // Whoever imports ends the mailbox there and goes on when there is room.
  settings->imports.session.over_quota = lmtp::OverQuota::kRetry;
  settings->imports.session.message_octets_max = kMessageOctetsCeiling;

  settings->tls = std::move(inputs.tls);
  settings->refusal_pause_ms = config.server.refusal_pause_ms;
  settings->run = std::move(inputs.run);
  return settings;
}

}  // namespace poplar::server
