// The server's configuration: what poplar.toml says, with a default for everything it leaves out.
// Plain values, made once by the one who reads the file and then passed on by const reference or
// copied; any thread.
//
// Every path in the file is relative to the file's own folder; in a parsed Config every path is
// absolute. Files that a setting names (a certificate) are not opened here: `poplar check` and the
// server do that.
//
// To add a setting: a member here, a row in settings.cc. Parsing, faults, the generated
// poplar.toml and the comparison on reload follow from the row.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/ip.h"
#include "core/base/log.h"
#include "core/base/status.h"
#include "core/tenant/listen_address.h"

namespace poplar::tenant {

enum class TlsVersion : uint8_t { k12, k13 };
enum class KtlsMode : uint8_t { kAuto, kOff };
enum class ClientName : uint8_t { kEmail, kCommonName };
enum class OverQuota : uint8_t { kRetry, kRefuse };
enum class SandboxMode : uint8_t { kOn, kOff, kRequired };

struct ServerConfig {
  std::string hostname;  // Empty: the machine's own name.
  uint32_t workers = 0;  // Reactors; 0: one a core that the process may use.
  uint32_t drain_limit_s = 30;
  uint32_t refusal_pause_ms = 1000;  // Before a client is told that its tenant has its fill.
  std::string congestion_control;    // For the listeners; empty: the system's.
  SandboxMode sandbox = SandboxMode::kOn;
  std::vector<std::string> sandbox_reads;  // Read beside what other settings name.
};

struct LogConfig {
  base::LogLevel level = base::LogLevel::kInfo;
  base::LogFormat format = base::LogFormat::kKeyValue;
};

struct StoreConfig {
  std::string path = "store";
  std::string snapshots;    // Where the server may make copies; empty: see snapshots_folder().
  uint32_t partitions = 0;  // Read when the store is made; 0: the cores, at most 16.
  uint32_t segment_mib = 64;
  uint32_t checkpoint_interval_s = 30;
  uint32_t checkpoint_changes_max = 100'000;
  uint32_t body_memory_mib = 32;  // For bodies that are arriving, of the whole process.
  uint32_t blob_threshold_kib = 1024;
  uint32_t scrub_kib_per_s = 4096;  // Reading what is stored again, to check it; 0: off.
  uint32_t index_cache_mib = 256;   // Lists of recently used maildrops, of the whole process.
  bool compaction = true;           // By itself; else when it is asked for, or the disk is full.
  uint32_t compaction_mib_per_second = 64;  // Read and written, of all partitions; 0: no limit.
  uint32_t compaction_cpu_percent = 25;     // Of each worker's core; 0: no limit.

  // The folder `snapshots` beside the store, unless another one is configured.
  std::string snapshots_folder() const;
};

struct UsersConfig {
  std::string database = "users.db";
  std::string usage = "usage.db";      // What tenants used.
  std::string tenants = "tenants.d";   // A folder with a file for each tenant; empty: none.
  std::string tenants_backend;         // That tells tenants, too; empty: none.
  uint32_t tenants_period_s = 30;      // How often it is asked.
  uint32_t cache_seconds = 60;         // How long a verified password is remembered; 0: not at all.
  std::string hash = "yescrypt";       // For passwords that are set from now on.
  uint32_t password_min_length = 8;    // Characters of passwords that the commands are given.
  uint32_t password_min_strength = 2;  // zxcvbn's score of them, 0 to 4; 0: any will do.
  bool rehash = true;                  // Those stored otherwise become such ones at a log-in.
};

// The back end that every server has: its own database of users.
inline constexpr std::string_view kUsersBackend = "users";

// Ways to log in that are no SASL mechanisms.
inline constexpr std::string_view kUserMechanism = "USER";  // With PASS.
inline constexpr std::string_view kApopMechanism = "APOP";

struct AuthConfig {
  std::vector<std::string> chain = {std::string(kUsersBackend)};  // Back ends, asked in order.
  // What clients are offered, in this order.
  std::vector<std::string> mechanisms = {std::string(kUserMechanism), "PLAIN", "LOGIN"};
  uint32_t scram_iterations = 65'536;  // Of new SCRAM keys, and what those without any are told.
  // Failed log-ins that cost nothing; all of them are forgotten within penalty_forget_s.
  uint32_t penalty_after = 5;  // From an IPv4 address or an IPv6 /64.
  uint32_t penalty_after_network = 50;
  uint32_t penalty_after_user = 20;
  uint32_t penalty_after_tenant = 1'000;
  uint32_t penalty_forget_s = 300;
  uint32_t penalty_delay_max_ms = 4'000;
  uint32_t penalty_known_days = 30;      // A client that logged in well is known for so long.
  uint32_t penalty_known_max = 262'144;  // Of a user at an address each.
  uint32_t penalty_waiting_max = 1024;   // Of each worker.
  uint32_t refusal_step_ms = 250;        // Refusals are told at multiples of it; 0: at once.
  uint32_t host_threads = 0;             // Of each plug-in's process; 0: as workers need.
  uint32_t host_memory_mib = 256;        // A plug-in's process that has more is started anew.
  std::vector<std::string> host_reads;   // Read by plug-ins beside what their settings name.
};

enum class BackendDriver : uint8_t { kPlugin, kPasswdFile, kStatic };

// [backend.NAME]: a back end beside the server's own database.
struct BackendConfig {
  std::string name;
  BackendDriver driver = BackendDriver::kPlugin;
  std::string plugin;          // The shared object.
  std::string file;            // Of kPasswdFile.
  std::string default_domain;  // Of kPasswdFile: of users without one.
  std::string address;         // Of kStatic: its one user,
  std::string password;        // and what is stored of his password.
  bool weak_schemes = false;   // Stored passwords that it hands out may be of weak schemes.
  uint32_t cache_seconds = 5;  // Of kPlugin: how long a verified password is remembered at most.
  bool next_after_refused = false;
  bool next_after_failed = false;
  // What the plug-in understands: lists as one entry a value. May hold secrets; never logged.
  std::vector<std::pair<std::string, std::string>> settings;

  friend bool operator==(const BackendConfig&, const BackendConfig&) = default;
};

struct TlsConfig {
  std::string certificate = "tls/cert.pem";  // Empty: no TLS.
  std::string key = "tls/key.pem";
  std::string certificates = "certs";  // A folder with one for each host; empty: none.
  uint32_t certificates_loaded_max = 5'000;
  std::string client_ca;  // Who vouches for clients' certificates; empty: they are not asked for.
  ClientName client_name = ClientName::kEmail;  // Where a client's certificate names its user.
  TlsVersion minimum = TlsVersion::k12;
  KtlsMode ktls = KtlsMode::kAuto;
  bool tickets = true;

  bool enabled() const { return !certificate.empty(); }
};

// The limits hold for pop3s too.
struct Pop3Config {
  std::vector<ListenAddress> listen = {{"127.0.0.1", 1110}, {"::1", 1110}};
  bool allow_cleartext = false;  // Log-in without TLS; loopback may always.
  uint32_t idle_timeout_s = 600;
  uint32_t login_timeout_s = 60;
  uint32_t session_age_max_s = 21'600;
  uint32_t auth_failures_max = 10;    // Then the connection is closed.
  uint32_t connections_max = 20'000;  // Of the whole process.
  uint32_t connections_per_address_max = 200;
  bool utf8_headers_for_all = true;  // RFC 6856: only for who asks by UTF8.
  uint32_t recent_days = 30;         // What "recent:" before a user name offers; 0: nothing does.
  uint32_t recent_sessions_max = 8;  // Of one account, at once.
  uint32_t output_buffer_kib = 64;   // Replies waiting for a client; beyond it, no more is read.
  // Whose connections begin with a PROXY header, and who may say XCLIENT.
  std::vector<base::IpNetwork> proxy_networks;
  std::vector<base::IpNetwork> xclient_networks;
};

struct Pop3sConfig {
  std::vector<ListenAddress> listen = {{"127.0.0.1", 1995}, {"::1", 1995}};
};

struct LmtpConfig {
  std::vector<ListenAddress> listen = {{"127.0.0.1", 1024}};
  std::string socket = "run/lmtp.sock";  // Empty: none.
  uint32_t message_mib_max = 64;
  uint32_t recipients_max = 1000;
  uint32_t idle_timeout_s = 300;
  uint32_t connections_max = 1000;
  std::string subaddress_delimiter = "+";  // Empty: addresses are taken as they are.
  OverQuota over_quota = OverQuota::kRetry;
  std::vector<base::IpNetwork> proxy_networks;  // As those of [pop3].
  std::vector<base::IpNetwork> xclient_networks;
};

struct HttpConfig {
  std::optional<ListenAddress> listen = ListenAddress{"127.0.0.1", 9110};
  uint32_t tenant_metrics_max = 1000;  // Tenants with metrics of their own; 0: none.
};

// What a tenant has where its own setting of the name is 0. 0 here: no limit.
struct TenantLimitsConfig {
  uint32_t sessions_max = 0;
  uint32_t sessions_per_address_max = 0;
  uint32_t logins_per_minute = 0;
  uint32_t deliveries_per_minute = 0;
  uint32_t egress_kib_per_s = 0;
};

// What mail programs are told that set themselves up.
struct SetupConfig {
  std::vector<ListenAddress> listen;
  std::string host;         // Where `listen` is reached from outside; empty: server.hostname.
  std::string pop3_host;    // Empty: server.hostname.
  uint32_t pop3s_port = 0;  // 0: that of pop3s.listen.
  uint32_t pop3_port = 0;   // 0: that of pop3.listen.
  std::string smtp_host;    // Empty: none is told.
  uint32_t smtp_port = 465;
  bool smtp_starttls = false;
};

struct AdminConfig {
  std::string socket = "run/admin.sock";

  // The private sockets of `poplar import` and `poplar export` stand beside it.
  std::string import_socket() const { return Beside("import.sock"); }
  std::string export_socket() const { return Beside("export.sock"); }

 private:
  std::string Beside(std::string_view name) const;
};

struct Config {
  ServerConfig server;
  LogConfig log;
  StoreConfig store;
  UsersConfig users;
  AuthConfig auth;
  std::vector<BackendConfig> backends;
  TlsConfig tls;
  Pop3Config pop3;
  Pop3sConfig pop3s;
  LmtpConfig lmtp;
  TenantLimitsConfig tenant_limits;
  HttpConfig http;
  AdminConfig admin;
  SetupConfig setup;
};

// One thing wrong with the file. `message` names the setting and says what to write instead.
struct ConfigFault {
  std::string file;
  uint32_t line = 0;  // 0: the file as a whole.
  std::string message;

  // "FILE:LINE: MESSAGE".
  std::string ToString() const;
};

struct ParsedConfig {
  Config config;                    // Right only if there are no faults.
  std::vector<ConfigFault> faults;  // In the order of the file.
  std::map<std::string, uint32_t, std::less<>>
      lines;  // "section.key", "backend.NAME" to its line, if written.
};

// `file` names the text in faults, and its folder is what paths are relative to.
ParsedConfig ParseConfig(std::string_view text, std::string_view file);

// Reads and parses the file. A file that cannot be read is one fault.
ParsedConfig ReadConfig(const std::string& path);

// The same for a caller that needs all or nothing: kInvalidArgument with one fault a line.
StatusOr<Config> LoadConfig(const std::string& path);

// The poplar.toml of `poplar init`: every setting with its default and what it does.
std::string DefaultConfigText();

// The first name of a tenant's chain ("ldap,users") that no back end of the configuration has;
// empty: there is none.
std::string MissingBackend(const Config& config, std::string_view chain);

// The first name that such a chain has twice; empty: there is none.
std::string TwiceInChain(std::string_view chain);

// Whether a plug-in's setting of that name is the path of a file.
bool NamesFile(std::string_view plugin_setting);

// What a reload would have to change but cannot: "section.key" of each setting that differs and is
// only read at the start.
std::vector<std::string> SettingsThatNeedRestart(const Config& running, const Config& next);

}  // namespace poplar::tenant
