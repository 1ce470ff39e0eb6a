#include "core/app/doctor/certificates.h"

#include <map>
#include <set>
#include <utility>

#include "core/app/doctor/knock.h"
#include "core/setup/domain_name.h"

namespace poplar::app {
namespace {

constexpr size_t kNamedMax = 3;

// "a.example, b.example and 7 more"
std::string Named(const std::vector<std::string>& hosts) {
  std::string text;
  const size_t named = hosts.size() > kNamedMax + 1 ? kNamedMax : hosts.size();
  for (size_t i = 0; i < named; ++i) text += (i == 0 ? "" : ", ") + hosts[i];
  return named == hosts.size() ? text
                               : text + " and " + std::to_string(hosts.size() - named) + " more";
}

// Those of tenants that may fetch mail by another name than the server's.
std::set<std::string> OwnHosts(const TenantPolicies& policies) {
  std::set<std::string> hosts;
  for (const auto& [name, domain] : policies.by_domain) {
    const TenantRules& rules = policies.Of(domain.tenant).rules;
    if (domain.enabled && rules.pop3 && !rules.pop3_host.empty()) hosts.insert(rules.pop3_host);
  }
  return hosts;
}

void TellOfStrangers(const std::vector<std::string>& hosts, Findings& findings) {
  findings.Add(
      {.step = "certificate name",
       .health = Health::kFault,
       .says = "mail programs that come to " + Named(hosts) +
               " are shown a certificate for other names",
       .mover = Mover::kOperator,
       .mend = "a certificate for that name (tls.certificate, or a folder " + hosts.front() +
               " in tls.certificates); or, where customers come by another name, that one in "
               "setup.pop3_host or the tenant's (`poplar tenant set NAME --pop3-host`)",
       .to_customer = "Your mail program warns that our server's certificate is for another name. "
                      "That is a fault on our side, and we are seeing to it: nothing has to be "
                      "changed in your mail program.",
       .code = ExitCode::kConfig});
}

void TellOfDistrusted(const std::string& fault, const std::vector<std::string>& hosts,
                      Findings& findings) {
  findings.Note("certificate",
                "mail programs that come to " + Named(hosts) + " warn of it: " + fault,
                "a certificate from an authority that they know (tls.certificate, or a folder " +
                    hosts.front() + " in tls.certificates)",
                "Your mail program may ask whether it shall trust our server's certificate.");
}

}  // namespace

Pop3Hosts Pop3HostsOf(const setup::SetupFacts& facts, const TenantPolicies& policies,
                      std::string_view address) {
  Pop3Hosts hosts{.names = {facts.pop3_host}, .left_out = 0};
  if (!address.empty()) {
    const auto* const owner = setup::OwnerOf(policies, setup::SplitAddress(address).domain);
    const std::string own = owner == nullptr ? "" : policies.Of(owner->tenant).rules.pop3_host;
    if (!own.empty()) hosts.names = {own};
    return hosts;
  }
  std::set<std::string> of_tenants = OwnHosts(policies);
  of_tenants.erase(hosts.names.front());
  for (const std::string& host : of_tenants) {
    if (hosts.names.size() <= kTenantHostsMax) {
      hosts.names.push_back(host);
    } else {
      ++hosts.left_out;
    }
  }
  return hosts;
}

void LookAtCertificates(const tenant::Config& config, const tenant::ListenAddress& pop3s,
                        const Pop3Hosts& hosts, Findings& findings) {
  std::vector<std::string> strangers;
  std::map<std::string, std::vector<std::string>> by_fault;
  for (const std::string& host : hosts.names) {
    const auto seen = [&]() -> Status {
      POP_ASSIGN_OR_RETURN(LineConnection connection, KnockAt(pop3s));
      POP_RETURN_IF_ERROR(Introduce(connection, pop3s, config.pop3.proxy_networks));
      POP_RETURN_IF_ERROR(
          connection.StartTls(host, {.ca_file = "", .insecure = false, .only_note = true}));
      const std::string fault = connection.certificate_fault();
      const bool is_stranger = !connection.CertificateIsFor(host);
      if (is_stranger) strangers.push_back(host);
      if (!is_stranger || !fault.empty()) by_fault[fault].push_back(host);
      return OkStatus();
    }();
    if (!seen.ok()) {
      // The next would fare no better.
      findings.Skip("certificate", "for " + host + " none was seen: " + std::string(Message(seen)));
      break;
    }
  }
  for (const auto& [fault, names] : by_fault) {
    if (!fault.empty()) {
      TellOfDistrusted(fault, names, findings);
    } else {
      findings.Good("certificate", "mail programs that come to " + Named(names) + " trust it");
    }
  }
  if (!strangers.empty()) TellOfStrangers(strangers, findings);
  if (hosts.left_out > 0) {
    findings.Note(
        "certificates",
        "so many more names of tenants were not looked at: " + std::to_string(hosts.left_out),
        "`poplar doctor ADDRESS` looks at that of one; `poplar check` at all files");
  }
}

}  // namespace poplar::app
