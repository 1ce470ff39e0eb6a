#include "core/app/commands/tenant_dns.h"

#include <nlohmann/json.hpp>

#include "core/app/commands/user_records.h"
#include "core/app/listeners.h"
#include "core/setup/dns_records.h"
#include "core/setup/domain_name.h"

namespace poplar::app {
namespace {

using nlohmann::json;

// Of a domain whose hosts are these.
void WarnOfHosts(setup::SetupFacts facts, const setup::MailSettings& settings, Console& console) {
  facts.pop3_host = settings.pop3.front().host;
  facts.smtp_host = settings.smtp ? settings.smtp->host : "";
  for (const setup::LostHost& lost : setup::LostHostsOf(facts)) {
    const bool may_be_the_tenants = lost.setting != "setup.host";
    console.err << "poplar: warning: " << lost.setting
                << (may_be_the_tenants ? ", or the tenant's: " : ": ") << lost.Why() << '\n';
  }
}

}  // namespace

ExitCode TenantDns(const TenantDnsOptions& options, const tenant::Config& config,
                   Console& console) {
  // As zones write it.
  const std::string domain =
      options.domain.substr(0, options.domain.size() - (options.domain.ends_with('.') ? 1 : 0));
  const auto users = OpenUsers(config);
  if (!users.ok()) return FailUsers(console, users.status());
  const auto policies = (*users)->TakePolicies();
  if (!policies.ok()) return Fail(console, policies.status());
  // A server that runs knows better than the file where it listens.
  const auto shown = AskToShowItself(config);
  const setup::SetupFacts facts =
      setup::FactsOf(shown.ok() ? AsListening(config, shown->listeners) : config);
  const TenantPolicies::Domain* const owner = setup::OwnerOf(**policies, domain);
  if (owner == nullptr) {
    return Fail(
        console, ExitCode::kNoUser,
        "no tenant has the domain " + domain + " (`poplar tenant domain add` gives it one)");
  }
  const auto settings = setup::SettingsOfDomain(facts, **policies, domain);
  if (!settings) {
    return Fail(console, ExitCode::kUnavailable,
                "nobody of " + domain +
                    " can fetch mail by TLS: its tenant has no POP3, or none of its mechanisms is "
                    "among auth.mechanisms, or pop3s.listen and tls.certificate are empty");
  }
  WarnOfHosts(facts, *settings, console);
  const auto records = setup::DnsRecordsOf(*settings, facts.page_host);
  if (options.json) {
    json list = json::array();
    for (const setup::DnsRecord& record : records) {
      list.push_back({{"name", record.name},
                      {"type", record.type},
                      {"ttl", setup::kDnsTtlS},
                      {"data", record.data}});
    }
    console.out << list.dump(2) << '\n';
    return ExitCode::kOk;
  }
  console.out << setup::ZoneText(records);
  const bool ports_are_told = config.setup.pop3s_port != 0 && config.setup.pop3_port != 0;
  if (!shown.ok() && !ports_are_told) {
    console.out << "; no server was asked where it listens: the ports are those of the "
                   "configuration\n";
  }
  const std::string autodiscover = "autodiscover." + settings->domain;
  if (facts.page_host.empty()) {
    console.out << "; setup.listen is empty: programs that ask by HTTP (Thunderbird, Outlook) find "
                   "nothing\n";
  } else if (setup::AsciiDomain(facts.page_host) != autodiscover) {
    console.out << "; no " << autodiscover
                << ": Outlook would ask there first, and warn of a certificate for another name. "
                   "Where the web server has one for it:\n; "
                << autodiscover << ".  CNAME  " << facts.page_host << ".\n";
  }
  if (!settings->smtp) {
    const TenantRules& rules = (*policies)->Of(owner->tenant).rules;
    console.out << (rules.smtp_host == kNoHost ? "; the tenant's smtp_host is none"
                                               : "; setup.smtp_host is empty")
                << ": programs are not told where to send mail\n";
  }
  return ExitCode::kOk;
}

}  // namespace poplar::app
