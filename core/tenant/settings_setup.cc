// The settings of [setup].

#include "core/base/public_name.h"
#include "core/tenant/settings_rows.h"

namespace poplar::tenant {
namespace {

// One that only this network knows is allowed, for trying things; whoever tells it to others warns.
bool IsSetupHost(std::string_view text) {
  return text.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string_view::npos &&
         (text.empty() || base::IsDomainName(text));
}
constexpr std::string_view kHostHint =
    "write a host's name in lower case, without a dot at its end, or \"\"";

}  // namespace

std::vector<Setting> SetupSettings() {
  using S = SetupConfig;
  constexpr auto s = &C::setup;
  const auto host = [](std::string_view key, std::string& (*at)(Config&), std::string_view what) {
    return Setting{"setup",           key, TextForm{at, &IsSetupHost, kHostHint}, Takes::kReload,
                   Shown::kCommented, what};
  };
  const auto port = [](std::string_view key, uint32_t& (*at)(Config&), std::string_view what) {
    return Setting{"setup",           key, NumberForm{at, 0, 65'535}, Takes::kReload,
                   Shown::kCommented, what};
  };
  return {
      {"setup", "listen", AddressListForm{&At<s, &S::listen>}, Takes::kRestart, Shown::kCommented,
       "Plain HTTP, for a web server in front that has the certificates. None: []."},
      host("host", &At<s, &S::host>,
           "The name by which that web server is reached. Empty: server.hostname."),
      host("pop3_host", &At<s, &S::pop3_host>,
           "Where mail is fetched, unless the tenant has a pop3_host. Empty: server.hostname."),
      port("pop3s_port", &At<s, &S::pop3s_port>,
           "As clients reach it from outside. 0: that of pop3s.listen."),
      port("pop3_port", &At<s, &S::pop3_port>, "For STLS. 0: that of pop3.listen."),
      host("smtp_host", &At<s, &S::smtp_host>,
           "Where mail is sent, unless the tenant has an smtp_host. Empty: nothing is said of it,\n"
           "and programs that want to know (Thunderbird, Apple's) ask the user."),
      {"setup", "smtp_port", NumberForm{&At<s, &S::smtp_port>, 1, 65'535}, Takes::kReload,
       Shown::kCommented, ""},
      {"setup", "smtp_starttls", SwitchForm{&At<s, &S::smtp_starttls>}, Takes::kReload,
       Shown::kCommented,
       "false: TLS from the first byte, as port 465 is for. true: STARTTLS (587)."},
  };
}

}  // namespace poplar::tenant
