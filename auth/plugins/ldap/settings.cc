#include "auth/plugins/ldap/settings.h"

#include <ldap.h>
#include <openldap.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "auth/plugins/common/dial.h"

namespace poplar::ldap {
namespace {

using plugins::SettingsReader;

void ReadPlace(SettingsReader& reader, const std::string& name, Template::Place place,
               Template& to) {
  const std::optional<std::string> text = reader.Text(name);
  if (!text.has_value()) return;
  std::string why;
  const std::optional<Template> parsed = Template::Parse(*text, place, why);
  if (parsed.has_value()) {
    to = *parsed;
  } else {
    reader.Fault(name + ": " + why);
  }
}

void ReadServers(SettingsReader& reader, Settings& settings) {
  for (const std::string& uri : reader.List("server")) {
    LDAPURLDesc* parsed = nullptr;
    const int result = ldap_url_parse(uri.c_str(), &parsed);
    const std::unique_ptr<LDAPURLDesc, void (*)(LDAPURLDesc*)> url(parsed, ldap_free_urldesc);
    const std::string_view scheme = result == LDAP_URL_SUCCESS ? url->lud_scheme : "";
    const bool has_host = !scheme.empty() && url->lud_host != nullptr && *url->lud_host != '\0';
    const bool has_more = !scheme.empty() && (url->lud_dn != nullptr && *url->lud_dn != '\0');
    if ((scheme != "ldap" && scheme != "ldaps") || !has_host || has_more) {
      return reader.Fault("server: \"" + uri +
                          "\" is not as \"ldaps://ldap1.example.net\" or \"ldap://[::1]:1389\"");
    }
    Server server{.uri = uri, .host = url->lud_host, .port = 0, .ldaps = scheme == "ldaps"};
    server.port = static_cast<uint16_t>(url->lud_port != 0 ? url->lud_port
                                        : server.ldaps     ? LDAPS_PORT
                                                           : LDAP_PORT);
    if (server.ldaps && settings.starttls) {
      reader.Fault("server: " + uri + " speaks TLS from its first octet: without starttls");
    } else if (!server.ldaps && !settings.starttls && !plugins::IsLoopback(server.host)) {
      reader.Fault("server: passwords would travel to " + uri +
                   " in clear: write starttls = true, or ldaps://");
    }
    settings.servers.push_back(std::move(server));
  }
  if (settings.servers.empty()) reader.Fault("server is missing: as \"ldaps://ldap1.example.net\"");
}

void ReadServiceAccount(SettingsReader& reader, Settings& settings) {
  reader.Text("bind_dn", settings.bind_dn);
  reader.Secret("bind_password", settings.bind_password);
  // Many servers take a name without a password for a right one (RFC 4513 section 5.1.2).
  if (settings.bind_dn.empty() != settings.bind_password.empty()) {
    reader.Fault("bind_dn and bind_password (or bind_password_file) belong together");
  }
}

void ReadPlaces(SettingsReader& reader, Settings& settings) {
  const bool direct = settings.mode == Mode::kDirectBind;
  settings.scope = LDAP_SCOPE_SUBTREE;
  reader.OneOf<int>(
      "scope",
      std::array<std::pair<std::string_view, int>, 3>{
          {{"sub", LDAP_SCOPE_SUBTREE}, {"one", LDAP_SCOPE_ONELEVEL}, {"base", LDAP_SCOPE_BASE}}},
      settings.scope);
  ReadPlace(reader, "base", Template::Place::kDn, settings.base);
  ReadPlace(reader, "filter", Template::Place::kFilter, settings.filter);
  ReadPlace(reader, "dn_template", Template::Place::kDn, settings.dn_template);
  if (direct && settings.dn_template.fixed()) {
    reader.Fault(
        "dn_template is missing, or the same for everybody: as "
        "\"uid=%{local},ou=people,dc=example,dc=net\"");
  } else if (direct && (!settings.base.empty() || !settings.filter.empty())) {
    reader.Fault(
        "base and filter are not for mode direct-bind: dn_template says where entries are");
  } else if (direct && settings.bind_dn.empty()) {
    reader.Fault(
        "mode direct-bind needs bind_dn too: when mail comes, nobody gives a password, "
        "and the entry must be read");
  } else if (!direct && !settings.dn_template.empty()) {
    reader.Fault("dn_template is for mode direct-bind");
  } else if (!direct && settings.base.empty()) {
    reader.Fault("base is missing: where entries are, as \"ou=people,dc=example,dc=net\"");
  } else if (!direct && settings.filter.empty()) {
    reader.Fault("filter is missing: which entry has a login name, as \"(mail=%{login})\"");
  } else if (!direct && settings.base.fixed() && settings.filter.fixed()) {
    reader.Fault("filter is the same for everybody: as \"(mail=%{login})\"");
  }
}

// libldap looks at a filter as it sends one: to nobody, here.
bool FilterIsFit(const std::string& filter) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return true;
  LDAP* handle = nullptr;
  int id = 0;
  bool fit = true;
  if (ldap_init_fd(ends[0], LDAP_PROTO_TCP, nullptr, &handle) == LDAP_SUCCESS) {
    fit = ldap_search_ext(handle, "", LDAP_SCOPE_BASE, filter.c_str(), nullptr, 0, nullptr, nullptr,
                          nullptr, 0, &id) != LDAP_FILTER_ERROR;
    ldap_unbind_ext(handle, nullptr, nullptr);
  } else {
    close(ends[0]);
  }
  close(ends[1]);
  return fit;
}

bool DnIsFit(const std::string& dn) {
  LDAPDN parsed = nullptr;
  const bool fit = ldap_str2dn(dn.c_str(), &parsed, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS;
  if (parsed != nullptr) ldap_dnfree(parsed);
  return fit;
}

void CheckSyntax(SettingsReader& reader, const Settings& settings) {
  const std::string sample = "a@a.example";
  for (const auto& [name, place] :
       {std::pair("base", &settings.base), std::pair("dn_template", &settings.dn_template)}) {
    if (!DnIsFit(place->Render(sample).value_or(""))) {
      reader.Fault(std::string(name) + " makes no distinguished name");
    }
  }
  if (!DnIsFit(settings.bind_dn)) reader.Fault("bind_dn is no distinguished name");
  if (!settings.filter.empty() && !FilterIsFit(settings.filter.Render(sample).value_or(""))) {
    reader.Fault("filter makes no filter (RFC 4515): are all parentheses there?");
  }
}

}  // namespace

std::optional<Settings> ReadSettings(const poplar_setting* settings, std::string& fault) {
  SettingsReader reader(settings, "auth/LDAP.md", fault);
  Settings read;
  reader.OneOf<Mode>(
      "mode",
      std::array<std::pair<std::string_view, Mode>, 3>{{{"search-bind", Mode::kSearchBind},
                                                        {"direct-bind", Mode::kDirectBind},
                                                        {"lookup", Mode::kLookup}}},
      read.mode);
  reader.Truth("starttls", read.starttls);
  ReadServers(reader, read);
  reader.CaFile(read.starttls || std::ranges::any_of(read.servers, &Server::ldaps), read.ca_file);
  ReadServiceAccount(reader, read);
  ReadPlaces(reader, read);
  CheckSyntax(reader, read);
  reader.Text("account_attribute", read.account_attribute);
  reader.Text("password_attribute", read.password_attribute);
  reader.Text("address_attribute", read.address_attribute);
  reader.Text("quota_octets_attribute", read.quota_octets_attribute);
  reader.Text("quota_messages_attribute", read.quota_messages_attribute);
  reader.Text("disabled_attribute", read.disabled_attribute);
  if (read.account_attribute.empty()) reader.Fault("account_attribute is missing");
  if (read.password_attribute.empty()) reader.Fault("password_attribute is missing");
  reader.Text("disabled_value", read.disabled_value);
  reader.Times(read.limits);
  reader.NothingElse();
  if (!reader.ok()) return std::nullopt;
  return read;
}

}  // namespace poplar::ldap
