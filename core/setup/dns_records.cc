#include "core/setup/dns_records.h"

#include <algorithm>

#include "core/setup/domain_name.h"

namespace poplar::setup {
namespace {

// RFC 2782: priority, weight, port, target.
DnsRecord Srv(std::string_view service, std::string_view domain, int priority,
              const MailServer& server) {
  return {"_" + std::string(service) + "._tcp." + std::string(domain) + ".", "SRV",
          std::to_string(priority) + " 1 " + std::to_string(server.port) + " " + server.host + "."};
}

}  // namespace

std::vector<DnsRecord> DnsRecordsOf(const MailSettings& settings, std::string_view page_host) {
  std::vector<DnsRecord> records;
  int priority = 0;  // RFC 6186 §3.3: clients take the lowest of all services of a kind.
  for (const MailServer& pop3 : settings.pop3) {
    records.push_back(Srv(pop3.starttls ? "pop3" : "pop3s", settings.domain, priority, pop3));
    priority += 10;
  }
  if (settings.smtp) {
    records.push_back(Srv(settings.smtp->starttls ? "submission" : "submissions", settings.domain,
                          0, *settings.smtp));
  }
  if (page_host.empty()) return records;
  // Where the pages are found by that very name, it has addresses.
  const std::string autoconfig = "autoconfig." + settings.domain;
  if (AsciiDomain(page_host) != autoconfig) {
    records.push_back({autoconfig + ".", "CNAME", std::string(page_host) + "."});
  }
  // No name "autodiscover.": Outlook asks there by HTTPS before it looks at the SRV record, and
  // warns of a certificate for another name.
  constexpr uint16_t kHttpsPort = 443;
  records.push_back(Srv("autodiscover", settings.domain, 0,
                        {.host = std::string(page_host), .port = kHttpsPort}));
  return records;
}

std::string ZoneText(const std::vector<DnsRecord>& records) {
  size_t widest = 0;
  for (const DnsRecord& record : records) widest = std::max(widest, record.name.size());
  std::string text;
  for (const DnsRecord& record : records) {
    text += record.name + std::string(widest - record.name.size(), ' ') + "  " +
            std::to_string(kDnsTtlS) + "  IN  " + record.type +
            std::string(record.type.size() < 5 ? 5 - record.type.size() : 0, ' ') + "  " +
            record.data + "\n";
  }
  return text;
}

}  // namespace poplar::setup
