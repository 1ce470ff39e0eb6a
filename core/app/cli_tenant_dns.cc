// The command line of `poplar tenant dns`.

#include <memory>

#include "core/app/cli_accounts.h"
#include "core/app/commands/tenant_dns.h"

namespace poplar::app {

void AddTenantDns(CLI::App* tenant, Console& console,
                  const RunWithConfigFunction& run_with_config) {
  CLI::App* dns =
      AddLeaf(tenant, "dns",
              "Prints the DNS records of a domain by which mail programs set themselves "
              "up: SRV (RFC 6186), autoconfig, autodiscover",
              "  poplar tenant dns acme.example >>acme.example.zone\n"
              "  poplar tenant dns acme.example --json | jq -r '.[].name'");
  auto options = std::make_shared<TenantDnsOptions>();
  dns->add_option("DOMAIN", options->domain, "One of a tenant's domains")->required();
  dns->add_flag("--json", options->json, "As JSON");
  run_with_config(dns, [options, &console](const tenant::Config& config) {
    return TenantDns(*options, config, console);
  });
}

}  // namespace poplar::app
