// What the drivers need of the configuration, in their own terms. One reading of it: immutable,
// shared by all shards. Sessions keep the one they began with; a reload makes a new one.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/ip.h"
#include "core/base/login_mechanisms.h"
#include "core/net/tls_context.h"
#include "core/proto/lmtp/session.h"
#include "core/proto/pop3/session.h"
#include "core/tenant/config.h"

namespace poplar::server {

struct Pop3Settings {
  pop3::SessionOptions session;
  bool apop = false;
  bool allow_cleartext = false;
  uint64_t idle_timeout_ms = 0;
  uint64_t login_timeout_ms = 0;
  uint64_t session_age_max_ms = 0;
  uint32_t connections_max = 0;              // Of the process.
  uint32_t connections_per_address_max = 0;  // Of the process.
  std::vector<base::IpNetwork> proxy_networks;
  std::vector<base::IpNetwork> xclient_networks;
  uint32_t recent_days = 0;  // Of "recent:" before a user name; 0: it is a name like others.
  uint32_t recent_sessions_max = 0;  // Such ones of an account, at once.
  uint32_t refusal_step_ms = 0;      // Wrong passwords are told at multiples of it; 0: at once.
  // Whether the common name of a certificate, which a proxy may tell, is its user's.
  bool common_name_is_user = false;
};

struct LmtpSettings {
  lmtp::SessionOptions session;
  uint64_t idle_timeout_ms = 0;
  uint32_t connections_max = 0;  // Of the process.
  std::vector<base::IpNetwork> proxy_networks;
  std::vector<base::IpNetwork> xclient_networks;
};

struct Settings {
  Pop3Settings pop3;
  Pop3Settings exports;  // Of the private socket that hands mail out.
  LmtpSettings lmtp;
  LmtpSettings imports;                        // Of the private socket that takes mail in.
  std::shared_ptr<const net::TlsContext> tls;  // Null: no TLS.
  uint32_t refusal_pause_ms = 0;               // Before a tenant's limit is told; 0: none.
  std::string run;                             // This run of the server, in the ids of deliveries.
};

struct SettingsInputs {
  std::shared_ptr<const net::TlsContext> tls;
  LoginMechanisms work = {};  // The ways to log in that some chain of back ends can do.
  std::string run;
};

std::shared_ptr<const Settings> MakeSettings(const tenant::Config& config, SettingsInputs inputs);

// The name that greetings and Received lines bear: the configured one, or the machine's own.
std::string HostName(const tenant::Config& config);

}  // namespace poplar::server
