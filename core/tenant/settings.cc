#include "core/tenant/settings.h"

#include <algorithm>
#include <array>

#include "core/base/limits.h"
#include "core/base/units.h"

namespace poplar::tenant {
namespace {

template <auto section, auto member>
auto& At(Config& config) {
  return config.*section.*member;
}

template <auto section, auto member>
size_t GetChoice(const Config& config) {
  return static_cast<size_t>(config.*section.*member);
}

template <auto section, auto member>
void SetChoice(Config& config, size_t index) {
  auto& value = config.*section.*member;
  value = static_cast<std::remove_reference_t<decltype(value)>>(index);
}

// In the order of the enums.
constexpr std::array<std::string_view, 4> kLogLevels = {"debug", "info", "warning", "error"};
constexpr std::array<std::string_view, 2> kLogFormats = {"text", "json"};
constexpr std::array<std::string_view, 2> kTlsVersions = {"1.2", "1.3"};
constexpr std::array<std::string_view, 2> kKtlsModes = {"auto", "off"};
constexpr std::array<std::string_view, 2> kClientNames = {"email", "cn"};
constexpr std::array<std::string_view, 2> kOverQuotas = {"retry", "refuse"};

constexpr uint32_t kDayS = 86'400;

bool IsHostname(std::string_view text) {
  constexpr size_t kHostnameBytesMax = 253;
  return text.size() <= kHostnameBytesMax && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '.';
         });
}

bool IsCongestionControl(std::string_view text) {
  constexpr size_t kNameBytesMax = 15;  // TCP_CA_NAME_MAX, less its NUL.
  return text.size() <= kNameBytesMax && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
         });
}

bool IsHash(std::string_view text) {
  return text == "yescrypt" || text == "argon2id" || text == "bcrypt" || text == "sha512crypt" ||
         text == "scram-sha-256";
}

// Whether there is one, ConfigReader sees.
bool IsBackendName(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

// A delimiter is a character of RFC 5322's atext that addresses use for little else.
bool IsSubaddressDelimiter(std::string_view text) {
  constexpr std::string_view kDelimiters = "+-_=#%$!&*~^/|";
  return text.empty() ||
         (text.size() == 1 && kDelimiters.find(text.front()) != std::string_view::npos);
}

using C = Config;
constexpr auto kFile = PathForm::Kind::kFile;
constexpr auto kSocket = PathForm::Kind::kSocket;

std::vector<Setting> ServerSettings() {
  using S = ServerConfig;
  constexpr auto s = &C::server;
  return {
      {"server", "hostname",
       TextForm{&At<s, &S::hostname>, &IsHostname, "write a host name like \"mail.example.org\""},
       Takes::kReload, Shown::kPlain,
       "The name in greetings and in Received lines. Empty: the machine's own name."},
      {"server", "workers", NumberForm{&At<s, &S::workers>, 0, 1024}, Takes::kRestart,
       Shown::kPlain, "Threads that serve connections. 0: one for each core granted."},
      {"server", "drain_limit_s", NumberForm{&At<s, &S::drain_limit_s>, 0, 3600}, Takes::kReload,
       Shown::kPlain, "How long a stopping server lets sessions finish."},
      {"server", "congestion_control",
       TextForm{&At<s, &S::congestion_control>, &IsCongestionControl,
                "write a name that /proc/sys/net/ipv4/tcp_available_congestion_control lists"},
       Takes::kRestart, Shown::kCommented,
       "TCP congestion control of clients' connections, for example \"cubic\".\n"
       "Empty: the system's default."},
  };
}

std::vector<Setting> LogSettings() {
  using S = LogConfig;
  constexpr auto s = &C::log;
  return {
      {"log", "level", ChoiceForm{kLogLevels, &GetChoice<s, &S::level>, &SetChoice<s, &S::level>},
       Takes::kReload, Shown::kPlain, "\"debug\", \"info\", \"warning\" or \"error\"."},
      {"log", "format",
       ChoiceForm{kLogFormats, &GetChoice<s, &S::format>, &SetChoice<s, &S::format>},
       Takes::kReload, Shown::kPlain, "\"text\" is key=value; \"json\" is one object a line."},
  };
}

std::vector<Setting> StoreSettings() {
  using S = StoreConfig;
  constexpr auto s = &C::store;
  return {
      {"store", "path", PathForm{&At<s, &S::path>, kFile, false}, Takes::kRestart, Shown::kPlain,
       "The folder that holds the mail. One server owns it at a time."},
      {"store", "partitions", NumberForm{&At<s, &S::partitions>, 0, 256}, Takes::kRestart,
       Shown::kPlain,
       "Read when the store is made; it cannot change later.\n"
       "0: as many as there are cores, at most 16."},
      {"store", "segment_mib", NumberForm{&At<s, &S::segment_mib>, 8, 1024}, Takes::kRestart,
       Shown::kCommented, "The size of one file of the log."},
      {"store", "checkpoint_interval_s", NumberForm{&At<s, &S::checkpoint_interval_s>, 1, 3600},
       Takes::kRestart, Shown::kCommented,
       "The index is written after so many seconds, or so many changes, whichever is first.\n"
       "Rare checkpoints cost less; frequent ones make the start after a crash shorter."},
      {"store", "checkpoint_changes_max",
       NumberForm{&At<s, &S::checkpoint_changes_max>, 100, 10'000'000}, Takes::kRestart,
       Shown::kCommented, ""},
      {"store", "body_memory_mib", NumberForm{&At<s, &S::body_memory_mib>, 8, 1024 * 1024},
       Takes::kRestart, Shown::kCommented,
       "Memory for messages that are arriving. What does not fit goes to disk at once."},
      {"store", "blob_threshold_kib", NumberForm{&At<s, &S::blob_threshold_kib>, 16, 1024 * 1024},
       Takes::kRestart, Shown::kCommented,
       "A message of this size or more gets a file of its own. At most a quarter of segment_mib."},
      {"store", "index_cache_mib", NumberForm{&At<s, &S::index_cache_mib>, 8, 1024 * 1024},
       Takes::kRestart, Shown::kCommented,
       "Memory for the message lists of maildrops that were used lately, and a quarter as much "
       "for\n"
       "a checkpoint: so many maildrops' changes make one due."},
      {"store", "compaction_mib_per_second",
       NumberForm{&At<s, &S::compaction_mib_per_second>, 0, 16 * 1024}, Takes::kRestart,
       Shown::kCommented,
       "What compaction may read and write to win back the space of deleted mail; four times\n"
       "as much when it falls behind. 0: no limit."},
      {"store", "scrub_kib_per_s", NumberForm{&At<s, &S::scrub_kib_per_s>, 0, 1024 * 1024},
       Takes::kReload, Shown::kCommented,
       "How fast stored mail is read again in the background, to find damage early.\n"
       "0: not at all."},
  };
}

std::vector<Setting> UsersSettings() {
  using S = UsersConfig;
  constexpr auto s = &C::users;
  return {
      {"users", "database", PathForm{&At<s, &S::database>, kFile, false}, Takes::kRestart,
       Shown::kPlain, "Tenants, users and password hashes (SQLite)."},
      {"users", "usage", PathForm{&At<s, &S::usage>, kFile, false}, Takes::kRestart,
       Shown::kCommented, "What tenants used, day by day (SQLite): `poplar tenant usage`."},
      {"users", "tenants", PathForm{&At<s, &S::tenants>, kFile, true}, Takes::kRestart,
       Shown::kPlain,
       "A folder with a file NAME.toml for each tenant that is not made by `poplar tenant add`.\n"
       "Empty: none. It need not be there."},
      {"users", "tenants_backend",
       TextForm{&At<s, &S::tenants_backend>, &IsBackendName,
                "write the name of a back end, as \"sql\" for [backend.sql]"},
       Takes::kRestart, Shown::kCommented,
       "A back end that tells which tenants there are and what they may, as sql with a\n"
       "tenant_query (auth/SQL.md). Empty: none."},
      {"users", "tenants_period_s", NumberForm{&At<s, &S::tenants_period_s>, 1, 86'400},
       Takes::kRestart, Shown::kCommented, "How often it is asked."},
      {"users", "cache_seconds", NumberForm{&At<s, &S::cache_seconds>, 0, 60}, Takes::kRestart,
       Shown::kPlain,
       "How long a password that was right is known without asking again, at most 60.\n"
       "0: ask every time."},
      {"users", "hash",
       TextForm{
           &At<s, &S::hash>, &IsHash,
           "write \"yescrypt\", \"argon2id\", \"bcrypt\", \"sha512crypt\" or \"scram-sha-256\""},
       Takes::kRestart, Shown::kCommented,
       "How passwords that are set from now on are stored: \"yescrypt\", \"argon2id\",\n"
       "\"bcrypt\", \"sha512crypt\" or, for SCRAM, \"scram-sha-256\"."},
      {"users", "rehash", SwitchForm{&At<s, &S::rehash>}, Takes::kRestart, Shown::kCommented,
       "Passwords that are stored otherwise are stored so after their next log-in."},
  };
}

std::vector<Setting> AuthSettings() {
  using S = AuthConfig;
  constexpr auto s = &C::auth;
  return {
      {"auth", "chain", NameListForm{&At<s, &S::chain>}, Takes::kRestart, Shown::kCommented,
       "Who is asked about log-ins and addresses, in this order: \"users\" is the database above,\n"
       "others have sections of their own, [backend.NAME] (auth/README.md)."},
      {"auth", "mechanisms", NameListForm{&At<s, &S::mechanisms>}, Takes::kReload,
       Shown::kCommented,
       "How clients may log in, what they shall prefer first: \"USER\" (with PASS), \"APOP\", and\n"
       "the SASL mechanisms \"PLAIN\", \"LOGIN\", \"SCRAM-SHA-256\", \"SCRAM-SHA-1\", either with\n"
       "\"-PLUS\", \"EXTERNAL\", \"OAUTHBEARER\", \"XOAUTH2\". Clients take the strongest that is\n"
       "offered, so offer SCRAM only once everybody has keys (auth/README.md)."},
      {"auth", "scram_iterations", NumberForm{&At<s, &S::scram_iterations>, 4096, 5'000'000},
       Takes::kRestart, Shown::kCommented,
       "Of SCRAM's keys that are made from now on, and what users without keys are told."},
      {"auth", "penalty_after", NumberForm{&At<s, &S::penalty_after>, 0, 100'000}, Takes::kRestart,
       Shown::kCommented,
       "Wrong passwords from one IPv4 address or IPv6 /64 that cost nothing. After them the next\n"
       "tries wait, 250 ms and twice as long each time. Who logged in well from there before "
       "waits\n"
       "for nobody's failures but his own. The same for an IPv6 /48, a login name, and a tenant."},
      {"auth", "penalty_after_network", NumberForm{&At<s, &S::penalty_after_network>, 0, 100'000},
       Takes::kRestart, Shown::kCommented, ""},
      {"auth", "penalty_after_user", NumberForm{&At<s, &S::penalty_after_user>, 0, 100'000},
       Takes::kRestart, Shown::kCommented, ""},
      {"auth", "penalty_after_tenant", NumberForm{&At<s, &S::penalty_after_tenant>, 0, 100'000},
       Takes::kRestart, Shown::kCommented, ""},
      {"auth", "penalty_forget_s", NumberForm{&At<s, &S::penalty_forget_s>, 1, kDayS},
       Takes::kRestart, Shown::kCommented,
       "So many of them are forgotten, one after the other, in this time."},
      {"auth", "penalty_delay_max_ms", NumberForm{&At<s, &S::penalty_delay_max_ms>, 0, 10'000},
       Takes::kRestart, Shown::kCommented,
       "The longest wait; four times as long for one login name. 0: nobody waits."},
      {"auth", "penalty_known_days", NumberForm{&At<s, &S::penalty_known_days>, 0, 365},
       Takes::kRestart, Shown::kCommented,
       "How long a user is known at an address from which he logged in well."},
      {"auth", "penalty_waiting_max", NumberForm{&At<s, &S::penalty_waiting_max>, 0, 1'000'000},
       Takes::kRestart, Shown::kCommented,
       "Tries that wait at once, for each worker; further ones are told to come later."},
      {"auth", "host_threads", NumberForm{&At<s, &S::host_threads>, 1, 1024}, Takes::kRestart,
       Shown::kCommented, "How many questions a plug-in is asked at the same time."},
      {"auth", "host_memory_mib", NumberForm{&At<s, &S::host_memory_mib>, 16, 1024 * 1024},
       Takes::kRestart, Shown::kCommented,
       "Plug-ins have processes of their own; one with more memory is started anew."},
  };
}

std::vector<Setting> TlsSettings() {
  using S = TlsConfig;
  constexpr auto s = &C::tls;
  return {
      {"tls", "certificate", PathForm{&At<s, &S::certificate>, kFile, true}, Takes::kReload,
       Shown::kPlain,
       "The certificate, then those that vouch for it (PEM). Empty, like key: no TLS."},
      {"tls", "key", PathForm{&At<s, &S::key>, kFile, true}, Takes::kReload, Shown::kPlain,
       "Its private key (PEM, without a passphrase)."},
      {"tls", "certificates", PathForm{&At<s, &S::certificates>, kFile, true}, Takes::kReload,
       Shown::kCommented,
       "A folder with certificates of other hosts, for clients that ask for them by name (SNI):\n"
       "pop.example.org/fullchain.pem and privkey.pem, or tls.crt and tls.key; _.example.org is\n"
       "for all of *.example.org. Read when they are first asked for, and again when they change.\n"
       "Empty: none. It need not be there."},
      {"tls", "certificates_loaded_max",
       NumberForm{&At<s, &S::certificates_loaded_max>, 1, 10'000'000}, Takes::kReload,
       Shown::kCommented, "Hosts whose certificates are kept in memory, those asked for last."},
      {"tls", "client_ca", PathForm{&At<s, &S::client_ca>, kFile, true}, Takes::kReload,
       Shown::kCommented,
       "Certificates (PEM) of who vouches for clients: clients are asked for theirs, and one that "
       "is\n"
       "good can log in by \"EXTERNAL\". Empty: they are not asked."},
      {"tls", "client_name",
       ChoiceForm{kClientNames, &GetChoice<s, &S::client_name>, &SetChoice<s, &S::client_name>},
       Takes::kReload, Shown::kCommented,
       "Where it names its user: \"email\" (an e-mail address among its alternative names) or\n"
       "\"cn\" (the common name)."},
      {"tls", "minimum",
       ChoiceForm{kTlsVersions, &GetChoice<s, &S::minimum>, &SetChoice<s, &S::minimum>},
       Takes::kReload, Shown::kPlain, "The oldest version that is spoken: \"1.2\" or \"1.3\"."},
      {"tls", "ktls", ChoiceForm{kKtlsModes, &GetChoice<s, &S::ktls>, &SetChoice<s, &S::ktls>},
       Takes::kReload, Shown::kCommented,
       "\"auto\": the kernel encrypts where it can. \"off\": never."},
      {"tls", "tickets", SwitchForm{&At<s, &S::tickets>}, Takes::kReload, Shown::kCommented,
       "Lets a client that comes again resume its TLS session."},
  };
}

std::vector<Setting> Pop3Settings() {
  using S = Pop3Config;
  constexpr auto s = &C::pop3;
  return {
      {"pop3", "listen", AddressListForm{&At<s, &S::listen>}, Takes::kRestart, Shown::kPlain,
       "Addresses with ports. For everyone: [\"0.0.0.0:110\", \"[::]:110\"]. None: []."},
      {"pop3", "allow_cleartext", SwitchForm{&At<s, &S::allow_cleartext>}, Takes::kReload,
       Shown::kPlain, "Whether a client may log in without TLS. From this machine it always may."},
      {"pop3", "idle_timeout_s", NumberForm{&At<s, &S::idle_timeout_s>, 1, kDayS}, Takes::kReload,
       Shown::kPlain, "A silent session is closed. RFC 1939 asks for 600 at least."},
      {"pop3", "login_timeout_s", NumberForm{&At<s, &S::login_timeout_s>, 1, 3600}, Takes::kReload,
       Shown::kPlain, "How long a client has to log in."},
      {"pop3", "session_age_max_s", NumberForm{&At<s, &S::session_age_max_s>, 60, 7 * kDayS},
       Takes::kReload, Shown::kCommented, "A session is closed after so long, silent or not."},
      {"pop3", "auth_failures_max", NumberForm{&At<s, &S::auth_failures_max>, 1, 100},
       Takes::kReload, Shown::kPlain, "Wrong passwords until the connection is closed."},
      {"pop3", "connections_max", NumberForm{&At<s, &S::connections_max>, 1, 10'000'000},
       Takes::kReload, Shown::kPlain,
       "At once; further ones are refused. A lower RLIMIT_NOFILE lowers it."},
      {"pop3", "connections_per_address_max",
       NumberForm{&At<s, &S::connections_per_address_max>, 1, 10'000'000}, Takes::kReload,
       Shown::kPlain,
       "At once from one address, or from one IPv6 /64; an office often shares one."},
      {"pop3", "output_buffer_kib", NumberForm{&At<s, &S::output_buffer_kib>, 16, 16'384},
       Takes::kReload, Shown::kCommented,
       "Replies kept for a client that does not read them; then it is no longer listened to."},
      {"pop3", "proxy_networks", NetworkListForm{&At<s, &S::proxy_networks>}, Takes::kReload,
       Shown::kCommented,
       "Networks of proxies (\"10.0.0.0/8\") whose connections must begin with a PROXY header,\n"
       "version 1 or 2, that says where the client is. From elsewhere none is believed."},
      {"pop3", "xclient_networks", NetworkListForm{&At<s, &S::xclient_networks>}, Takes::kReload,
       Shown::kCommented,
       "Networks of POP3 proxies, like Dovecot's, that may say so by the command XCLIENT."},
  };
}

std::vector<Setting> LmtpSettings() {
  using S = LmtpConfig;
  constexpr auto s = &C::lmtp;
  constexpr auto kMessageMibCeiling = static_cast<uint32_t>(kMessageOctetsCeiling / kMiB);
  return {
      {"lmtp", "listen", AddressListForm{&At<s, &S::listen>}, Takes::kRestart, Shown::kPlain,
       "LMTP asks for no password: let nobody but your MTA reach it."},
      {"lmtp", "socket", PathForm{&At<s, &S::socket>, kSocket, true}, Takes::kRestart,
       Shown::kPlain, "A Unix socket for an MTA on this machine. Empty: none."},
      {"lmtp", "message_mib_max", NumberForm{&At<s, &S::message_mib_max>, 1, kMessageMibCeiling},
       Takes::kReload, Shown::kPlain, "The largest message that is taken."},
      {"lmtp", "recipients_max",
       NumberForm{&At<s, &S::recipients_max>, 100, kRecipientsPerTransactionMax}, Takes::kReload,
       Shown::kCommented, "Recipients of one message. RFC 5321 asks for 100 at least."},
      {"lmtp", "idle_timeout_s", NumberForm{&At<s, &S::idle_timeout_s>, 1, kDayS}, Takes::kReload,
       Shown::kPlain, "A silent connection is closed."},
      {"lmtp", "connections_max", NumberForm{&At<s, &S::connections_max>, 1, 1'000'000},
       Takes::kReload, Shown::kPlain,
       "At once; further ones are refused. A lower RLIMIT_NOFILE lowers it."},
      {"lmtp", "subaddress_delimiter",
       TextForm{&At<s, &S::subaddress_delimiter>, &IsSubaddressDelimiter,
                "write one of + - _ = # % $ ! & * ~ ^ / | in quotes, or \"\""},
       Takes::kReload, Shown::kPlain,
       "alice+news@ reaches alice@. Empty: addresses are taken as they are."},
      {"lmtp", "over_quota",
       ChoiceForm{kOverQuotas, &GetChoice<s, &S::over_quota>, &SetChoice<s, &S::over_quota>},
       Takes::kReload, Shown::kPlain,
       "What an MTA hears of a maildrop that is full: \"retry\" (452, it keeps the mail and tries\n"
       "again) or \"refuse\" (552, the sender is told at once)."},
      {"lmtp", "proxy_networks", NetworkListForm{&At<s, &S::proxy_networks>}, Takes::kReload,
       Shown::kCommented,
       "Networks of proxies whose connections must begin with a PROXY header, as under [pop3]."},
      {"lmtp", "xclient_networks", NetworkListForm{&At<s, &S::xclient_networks>}, Takes::kReload,
       Shown::kCommented,
       "Networks of MTAs that may say by the command XCLIENT for whom they speak."},
  };
}

std::vector<Setting> OtherSettings() {
  return {
      {"pop3s", "listen", AddressListForm{&At<&C::pop3s, &Pop3sConfig::listen>}, Takes::kRestart,
       Shown::kPlain, "For everyone: [\"0.0.0.0:995\", \"[::]:995\"]. None: []."},
      {"http", "listen", AddressForm{&At<&C::http, &HttpConfig::listen>}, Takes::kRestart,
       Shown::kPlain, "Asks for no password: keep it inside. Empty: none."},
      {"http", "tenant_metrics_max",
       NumberForm{&At<&C::http, &HttpConfig::tenant_metrics_max>, 0, 100'000}, Takes::kReload,
       Shown::kCommented, "Tenants that have metrics of their own, the oldest first. 0: none."},
      {"admin", "socket", PathForm{&At<&C::admin, &AdminConfig::socket>, kSocket, false},
       Takes::kRestart, Shown::kPlain,
       "Answers root and the server's own user only, like import.sock and export.sock beside it,\n"
       "by which `poplar import` and `poplar export` get in."},
  };
}

std::vector<Setting> AllSettings() {
  std::vector<Setting> all;
  for (auto& part :
       {ServerSettings(), LogSettings(), StoreSettings(), UsersSettings(), AuthSettings(),
        TlsSettings(), Pop3Settings(), LmtpSettings(), OtherSettings()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace

std::span<const Section> Sections() {
  static constexpr std::array<Section, 11> kSections = {{
      {"server", ""},
      {"log", "One event, one line, on standard error."},
      {"store", ""},
      {"users", ""},
      {"auth", ""},
      {"tls", "Read again at a reload, without dropping a session."},
      {"pop3",
       "POP3, in clear until the client asks for TLS (STLS). The limits and networks hold for "
       "pop3s\n"
       "too."},
      {"pop3s", "POP3 inside TLS from the first byte."},
      {"lmtp", "Where the mail comes from."},
      {"http", "/metrics for Prometheus, /healthz and /readyz."},
      {"admin", "For the poplar command on this machine."},
  }};
  return kSections;
}

std::span<const Setting> Settings() {
  static const std::vector<Setting> kSettings = AllSettings();
  return kSettings;
}

}  // namespace poplar::tenant
