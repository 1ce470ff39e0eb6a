// The settings of what is reached over the network: [tls], [pop3], [pop3s], [lmtp], [http],
// [tenant_limits], [admin].

#include <array>

#include "core/base/limits.h"
#include "core/base/units.h"
#include "core/tenant/settings_rows.h"

namespace poplar::tenant {
namespace {

// In the order of the enums.
constexpr std::array<std::string_view, 2> kTlsVersions = {"1.2", "1.3"};
constexpr std::array<std::string_view, 2> kKtlsModes = {"auto", "off"};
constexpr std::array<std::string_view, 2> kClientNames = {"email", "cn"};
constexpr std::array<std::string_view, 2> kOverQuotas = {"retry", "refuse"};

// A delimiter is a character of RFC 5322's atext that addresses use for little else.
bool IsSubaddressDelimiter(std::string_view text) {
  constexpr std::string_view kDelimiters = "+-_=#%$!&*~^/|";
  return text.empty() ||
         (text.size() == 1 && kDelimiters.find(text.front()) != std::string_view::npos);
}

Setting TenantLimit(std::string_view key, uint32_t& (*at)(Config&), std::string_view explanation) {
  return {"tenant_limits",   key,        NumberForm{at, 0, 100'000'000}, Takes::kReload,
          Shown::kCommented, explanation};
}

}  // namespace

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
      {"pop3", "session_age_max_s", NumberForm{&At<s, &S::session_age_max_s>, 1, 7 * kDayS},
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
      {"pop3", "utf8_headers_for_all", SwitchForm{&At<s, &S::utf8_headers_for_all>}, Takes::kReload,
       Shown::kCommented,
       "Mail with UTF-8 in its header also for who did not ask by UTF8; RFC 6856 would refuse it."},
      {"pop3", "recent_days", NumberForm{&At<s, &S::recent_days>, 0, 36'500}, Takes::kReload,
       Shown::kPlain,
       "Who logs in as recent:alice@example.org is offered the mail of so many days, whatever "
       "other\n"
       "devices have fetched, and deletes nothing: several devices on one mailbox. 0: not "
       "offered."},
      {"pop3", "recent_sessions_max", NumberForm{&At<s, &S::recent_sessions_max>, 1, 1'000},
       Takes::kReload, Shown::kPlain,
       "Sessions of one user that do so at once; a further one hears [IN-USE]."},
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
  using T = TenantLimitsConfig;
  constexpr auto t = &C::tenant_limits;
  return {
      {"pop3s", "listen", AddressListForm{&At<&C::pop3s, &Pop3sConfig::listen>}, Takes::kRestart,
       Shown::kPlain, "For everyone: [\"0.0.0.0:995\", \"[::]:995\"]. None: []."},
      TenantLimit("sessions_max", &At<t, &T::sessions_max>, "Sessions of all its users at once."),
      TenantLimit("sessions_per_address_max", &At<t, &T::sessions_per_address_max>,
                  "Of them, from one IPv4 address or IPv6 /64."),
      TenantLimit("logins_per_minute", &At<t, &T::logins_per_minute>,
                  "Log-ins of all its users; those beyond are told to come later."),
      TenantLimit("deliveries_per_minute", &At<t, &T::deliveries_per_minute>,
                  "Recipients of mail that comes in; those beyond are told to come later (451)."),
      TenantLimit("egress_kib_per_s", &At<t, &T::egress_kib_per_s>,
                  "Mail that is fetched, of all its sessions together; what is beyond it waits."),
      {"http", "listen", AddressForm{&At<&C::http, &HttpConfig::listen>}, Takes::kRestart,
       Shown::kPlain, "Asks for no password: keep it inside. Empty: none."},
      {"http", "tenant_metrics_max",
       NumberForm{&At<&C::http, &HttpConfig::tenant_metrics_max>, 0, 100'000}, Takes::kReload,
       Shown::kCommented,
       "Tenants with metrics of their own: those that have and move most. 0: none."},
      {"admin", "socket", PathForm{&At<&C::admin, &AdminConfig::socket>, kSocket, false},
       Takes::kRestart, Shown::kPlain,
       "Answers root and the server's own user only, like import.sock and export.sock beside it,\n"
       "by which `poplar import` and `poplar export` get in."},
  };
}

}  // namespace poplar::tenant
