// Mail settings as DNS tells them (RFC 6186, RFC 8314), and where programs find the pages of this
// folder. Pure; any thread.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/setup/mail_settings.h"

namespace poplar::setup {

inline constexpr int kDnsTtlS = 3600;

struct DnsRecord {
  std::string name;  // With the dot at its end, as in `data`.
  std::string type;
  std::string data;

  friend bool operator==(const DnsRecord&, const DnsRecord&) = default;
};

// `page_host`: where the pages are found; empty: nowhere.
std::vector<DnsRecord> DnsRecordsOf(const MailSettings& settings, std::string_view page_host);

// In the form of a zone's file (RFC 1035 §5), a line each.
std::string ZoneText(const std::vector<DnsRecord>& records);

}  // namespace poplar::setup
