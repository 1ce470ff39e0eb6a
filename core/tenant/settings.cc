#include "core/tenant/settings.h"

#include <algorithm>
#include <array>

#include "core/base/limits.h"
#include "core/base/units.h"
#include "core/tenant/settings_rows.h"

namespace poplar::tenant {
namespace {

// In the order of the enums.
constexpr std::array<std::string_view, 4> kLogLevels = {"debug", "info", "warning", "error"};
constexpr std::array<std::string_view, 2> kLogFormats = {"text", "json"};
constexpr std::array<std::string_view, 3> kSandboxModes = {"on", "off", "required"};

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
      {"server", "refusal_pause_ms", NumberForm{&At<s, &S::refusal_pause_ms>, 0, 60'000},
       Takes::kReload, Shown::kCommented,
       "So long a client waits to hear that its tenant has its fill (sessions, log-ins or mail a\n"
       "minute), so that one that tries again at once does not spin. 0: not at all."},
      {"server", "congestion_control",
       TextForm{&At<s, &S::congestion_control>, &IsCongestionControl,
                "write a name that /proc/sys/net/ipv4/tcp_available_congestion_control lists"},
       Takes::kRestart, Shown::kCommented,
       "TCP congestion control of clients' connections, for example \"cubic\".\n"
       "Empty: the system's default."},
      {"server", "sandbox",
       ChoiceForm{kSandboxModes, &GetChoice<s, &S::sandbox>, &SetChoice<s, &S::sandbox>},
       Takes::kRestart, Shown::kCommented,
       "The server gives away all that it does not need: privileges, other files, calls to the\n"
       "kernel. \"required\": it does not start where the kernel cannot do all of it. \"off\": "
       "not."},
      {"server", "sandbox_reads", PathListForm{&At<s, &S::sandbox_reads>}, Takes::kRestart,
       Shown::kCommented,
       "Folders and files that the server may read beside those that other settings name: where\n"
       "links in tls.certificates lead to, as \"/etc/letsencrypt\"."},
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
      {"store", "snapshots", PathForm{&At<s, &S::snapshots>, kFile, true}, Takes::kRestart,
       Shown::kCommented,
       "Where a server in its sandbox makes copies by `poplar store snapshot`.\n"
       "Empty: the folder \"snapshots\" beside the store."},
      {"store", "partitions", NumberForm{&At<s, &S::partitions>, 0, 256}, Takes::kRestart,
       Shown::kPlain,
       "Read when the store is made; it cannot change later.\n"
       "0: as many as there are cores, at most 16."},
      {"store", "segment_mib", NumberForm{&At<s, &S::segment_mib>, 8, 1024}, Takes::kRestart,
       Shown::kCommented,
       "The size of one file of the log.\n"
       "Of the disk so much is kept back for each partition, and once more; 256 MiB at least."},
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
       "Memory for lists of maildrops that were used lately, and a quarter as much for a\n"
       "checkpoint: so many maildrops' changes make one due."},
      {"store", "compaction", SwitchForm{&At<s, &S::compaction>}, Takes::kRestart,
       Shown::kCommented,
       "Whether the space of deleted mail is won back by itself. Where not, it is by\n"
       "`poplar store compact`, and what a full disk needs; until then it is taken."},
      {"store", "compaction_mib_per_second",
       NumberForm{&At<s, &S::compaction_mib_per_second>, 0, 16 * 1024}, Takes::kRestart,
       Shown::kCommented,
       "What compaction may read and write to win back the space of deleted mail; four times\n"
       "as much when it falls behind. 0: no limit."},
      {"store", "compaction_cpu_percent", NumberForm{&At<s, &S::compaction_cpu_percent>, 0, 100},
       Takes::kRestart, Shown::kCommented,
       "What it may take of each worker's core; twice as much when it falls behind. 0: no limit."},
      {"store", "scrub_kib_per_s", NumberForm{&At<s, &S::scrub_kib_per_s>, 0, 1024 * 1024},
       Takes::kReload, Shown::kCommented,
       "How fast stored mail is read again, to find damage early. 0: not at all."},
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
      {"users", "password_min_length", NumberForm{&At<s, &S::password_min_length>, 1, 64},
       Takes::kReload, Shown::kCommented,
       "What `poplar user add` and `poplar user passwd` ask of a password: so many characters, "
       "and\n"
       "so hard to guess, by zxcvbn's score: 0 anything, 1 a thousand guesses, 2 a million (those "
       "who\n"
       "can only try to log in), 3 a hundred million, 4 ten billion. What it has in common\n"
       "with the address counts for nothing."},
      {"users", "password_min_strength", NumberForm{&At<s, &S::password_min_strength>, 0, 4},
       Takes::kReload, Shown::kCommented, ""},
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
      {"auth", "penalty_known_max",
       NumberForm{&At<s, &S::penalty_known_max>, 1024, 64 * 1024 * 1024}, Takes::kRestart,
       Shown::kCommented,
       "So many users at addresses are known, 8 octets each; two or three a user. Beyond it the\n"
       "oldest are forgotten. Rounded up to a power of two."},
      {"auth", "penalty_waiting_max", NumberForm{&At<s, &S::penalty_waiting_max>, 0, 1'000'000},
       Takes::kRestart, Shown::kCommented,
       "Tries that wait at once, for each worker; further ones are told to come later."},
      {"auth", "refusal_step_ms", NumberForm{&At<s, &S::refusal_step_ms>, 0, 5000}, Takes::kReload,
       Shown::kCommented,
       "A wrong password is told at the next multiple of this since it came, so that time does "
       "not\n"
       "tell who exists. More than what the back ends take. 0: at once."},
      {"auth", "host_threads", NumberForm{&At<s, &S::host_threads>, 0, 8192}, Takes::kRestart,
       Shown::kCommented,
       "How many questions a plug-in is asked at the same time. 0: six for each worker, at least "
       "8."},
      {"auth", "host_memory_mib", NumberForm{&At<s, &S::host_memory_mib>, 16, 1024 * 1024},
       Takes::kRestart, Shown::kCommented,
       "Plug-ins have processes of their own; one with more memory is started anew."},
      {"auth", "host_reads", PathListForm{&At<s, &S::host_reads>}, Takes::kRestart,
       Shown::kCommented,
       "Folders and files that these may read beside those that their settings name."},
  };
}

std::vector<Setting> AllSettings() {
  std::vector<Setting> all;
  for (auto& part :
       {ServerSettings(), LogSettings(), StoreSettings(), UsersSettings(), AuthSettings(),
        TlsSettings(), Pop3Settings(), LmtpSettings(), OtherSettings(), SetupSettings()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace

std::span<const Section> Sections() {
  static constexpr std::array<Section, 13> kSections = {{
      {"server", ""},
      {"log", "One event, one line, on standard error."},
      {"store", ""},
      {"users", ""},
      {"auth", ""},
      {"tls",
       "Read again at a reload, without dropping a session; the files of the certificate also "
       "within\n"
       "five seconds of a change."},
      {"pop3",
       "POP3, in clear until the client asks for TLS (STLS). The limits and networks hold for "
       "pop3s\n"
       "too."},
      {"pop3s", "POP3 inside TLS from the first byte."},
      {"lmtp", "Where the mail comes from."},
      {"tenant_limits",
       "For each tenant whose own setting of the name is 0: what no customer may use up alone. 0: "
       "no\n"
       "limit. A tenant that is to have none then writes a number that it never reaches."},
      {"http", "/metrics for Prometheus, /healthz and /readyz."},
      {"admin", "For the poplar command on this machine."},
      {"setup",
       "Mail programs that set themselves up by an address alone: Thunderbird (autoconfig), "
       "Outlook\n"
       "(autodiscover), Apple's (profiles). `poplar tenant dns DOMAIN` prints what DNS needs for "
       "it."},
  }};
  return kSections;
}

std::span<const Setting> Settings() {
  static const std::vector<Setting> kSettings = AllSettings();
  return kSettings;
}

}  // namespace poplar::tenant
