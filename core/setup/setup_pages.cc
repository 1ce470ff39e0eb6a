#include "core/setup/setup_pages.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "core/setup/apple_profile.h"
#include "core/setup/autoconfig.h"
#include "core/setup/autodiscover.h"
#include "core/setup/domain_name.h"

namespace poplar::setup {
namespace {

constexpr unsigned kOk = 200;
constexpr unsigned kBadRequest = 400;
constexpr unsigned kNotFound = 404;
constexpr unsigned kMethodNotAllowed = 405;

constexpr std::string_view kXml = "text/xml; charset=utf-8";

// Of ASCII; `lower` is in lower case.
bool EqualIgnoringCase(std::string_view text, std::string_view lower) {
  return std::ranges::equal(text, lower, {}, [](char c) {
    return static_cast<char>(absl::ascii_tolower(static_cast<unsigned char>(c)));
  });
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(absl::ascii_tolower(static_cast<unsigned char>(c)));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// RFC 3986 section 2.1; what is no escape stays as it is.
std::string PercentDecoded(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool may_be = text[i] == '%' && i + 2 < text.size();
    const int high = may_be ? HexDigit(text[i + 1]) : -1;
    const int low = may_be ? HexDigit(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      decoded += text[i];
      continue;
    }
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

SetupAnswer NotHere(SetupPage page) {
  return {.page = page, .status = kNotFound, .body = "There are no settings for this.\n"};
}

// There is a domain, and mail, but no word for how its users log in: what is told all the same
// would never work.
SetupAnswer ByHand(SetupPage page) {
  return {.page = page,
          .status = kNotFound,
          .body =
              "These settings have no word for how users of this domain log in: set the mail "
              "program up by hand.\n"};
}

// "autoconfig.example.org:80", and the domain itself, are example.org's.
std::string_view DomainOfHost(std::string_view host) {
  host = host.substr(0, host.find(':'));
  constexpr std::string_view kPrefix = "autoconfig.";
  if (EqualIgnoringCase(host.substr(0, kPrefix.size()), kPrefix))
    host.remove_prefix(kPrefix.size());
  return host;
}

SetupAnswer Autoconfig(const SetupRequest& request, const SetupFacts& facts,
                       const TenantPolicies& policies) {
  const std::string_view domain =
      request.address.empty() ? DomainOfHost(request.host) : SplitAddress(request.address).domain;
  const auto settings = SettingsOfDomain(facts, policies, domain);
  if (!settings) return NotHere(SetupPage::kAutoconfig);
  if (settings->authentication == Authentication::kScram) return ByHand(SetupPage::kAutoconfig);
  return {.page = SetupPage::kAutoconfig,
          .status = kOk,
          .body = AutoconfigXml(*settings),
          .content_type = kXml};
}

SetupAnswer Autodiscover(const SetupRequest& request, const SetupFacts& facts,
                         const TenantPolicies& policies) {
  const AutodiscoverRequest asked = ParseAutodiscover(request.body);
  if (asked.fault != AutodiscoverFault::kNone) {
    // The protocol's own faults come with 200.
    return {.page = SetupPage::kAutodiscover,
            .status = kOk,
            .body = AutodiscoverFaultXml(asked.fault),
            .content_type = kXml};
  }
  const auto settings = SettingsOfDomain(facts, policies, SplitAddress(asked.address).domain);
  if (!settings) return NotHere(SetupPage::kAutodiscover);
  if (settings->authentication != Authentication::kPassword) {
    return ByHand(SetupPage::kAutodiscover);
  }
  return {.page = SetupPage::kAutodiscover,
          .status = kOk,
          .body = AutodiscoverXml(*settings, asked.address),
          .content_type = kXml};
}

SetupAnswer Apple(const SetupRequest& request, const SetupFacts& facts,
                  const TenantPolicies& policies) {
  const MailAddress address = SplitAddress(request.address);
  if (address.domain.empty()) {
    return {.page = SetupPage::kApple,
            .status = kBadRequest,
            .body = "Whose? Ask with ?emailaddress=NAME@DOMAIN.\n"};
  }
  const auto settings = SettingsOfDomain(facts, policies, address.domain);
  if (!settings || !settings->smtp) return NotHere(SetupPage::kApple);
  if (settings->authentication != Authentication::kPassword) return ByHand(SetupPage::kApple);
  return {.page = SetupPage::kApple,
          .status = kOk,
          .body = AppleProfile(*settings, request.address),
          .content_type = "application/x-apple-aspen-config; charset=utf-8",
          .file_name = settings->domain + ".mobileconfig"};
}

}  // namespace

std::string_view Name(SetupPage page) {
  switch (page) {
    case SetupPage::kAutoconfig:
      return "autoconfig";
    case SetupPage::kAutodiscover:
      return "autodiscover";
    case SetupPage::kApple:
      return "apple";
    case SetupPage::kNone:
      break;
  }
  return "other";
}

SetupPage PageOf(std::string_view path) {
  if (path == "/mail/config-v1.1.xml" || path == "/.well-known/autoconfig/mail/config-v1.1.xml") {
    return SetupPage::kAutoconfig;
  }
  // Outlook's versions write it in several ways.
  if (EqualIgnoringCase(path, "/autodiscover/autodiscover.xml")) {
    return SetupPage::kAutodiscover;
  }
  return path == "/mail.mobileconfig" ? SetupPage::kApple : SetupPage::kNone;
}

std::string AddressIn(std::string_view target) {
  const size_t mark = target.find('?');
  if (mark == std::string_view::npos) return "";
  for (std::string_view query = target.substr(mark + 1); !query.empty();) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos) continue;
    if (EqualIgnoringCase(PercentDecoded(pair.substr(0, equals)), "emailaddress")) {
      return PercentDecoded(pair.substr(equals + 1));
    }
  }
  return "";
}

SetupAnswer AnswerTo(const SetupRequest& request, const SetupFacts& facts,
                     const TenantPolicies& policies) {
  const SetupPage page = PageOf(request.path);
  if (page == SetupPage::kNone) return NotHere(page);
  const bool posts = page == SetupPage::kAutodiscover;
  const bool allowed =
      posts ? request.method == "POST" : request.method == "GET" || request.method == "HEAD";
  if (!allowed) {
    return {.page = page,
            .status = kMethodNotAllowed,
            .body = posts ? "Only POST.\n" : "Only GET and HEAD.\n",
            .allow = posts ? "POST" : "GET, HEAD"};
  }
  switch (page) {
    case SetupPage::kAutoconfig:
      return Autoconfig(request, facts, policies);
    case SetupPage::kAutodiscover:
      return Autodiscover(request, facts, policies);
    case SetupPage::kApple:
    case SetupPage::kNone:
      break;
  }
  return Apple(request, facts, policies);
}

}  // namespace poplar::setup
