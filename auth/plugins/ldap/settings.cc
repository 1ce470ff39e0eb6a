#include "auth/plugins/ldap/settings.h"

#include <arpa/inet.h>
#include <ldap.h>
#include <openldap.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

namespace poplar::ldap {
namespace {

// Within this machine nobody listens to the wire.
bool IsLoopback(const std::string& host) {
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  return host == "::1" || host == "localhost";
}

// Takes each setting once, and keeps the first fault.
class Reader {
 public:
  Reader(const poplar_setting* settings, std::string& fault) : fault_(fault) {
    for (; settings->name != nullptr; ++settings) {
      values_[settings->name].emplace_back(settings->value);
    }
  }

  bool ok() const { return fault_.empty(); }
  void Fault(const std::string& sentence) {
    if (fault_.empty()) fault_ = sentence;
  }

  std::vector<std::string> List(const std::string& name) {
    const auto found = values_.find(name);
    if (found == values_.end()) return {};
    std::vector<std::string> list = std::move(found->second);
    values_.erase(found);
    return list;
  }
  std::optional<std::string> Text(const std::string& name) {
    std::vector<std::string> list = List(name);
    if (list.empty()) return std::nullopt;
    if (list.size() > 1) Fault(name + " has one value");
    return std::move(list[0]);
  }
  void Text(const std::string& name, std::string& to) {
    if (std::optional<std::string> text = Text(name)) to = std::move(*text);
  }
  void Number(const std::string& name, uint32_t least, uint32_t most, uint32_t& to) {
    const std::optional<std::string> text = Text(name);
    if (!text.has_value()) return;
    const auto parsed = std::from_chars(text->data(), text->data() + text->size(), to);
    if (parsed.ec != std::errc() || parsed.ptr != text->data() + text->size() || to < least ||
        to > most) {
      Fault(name + " is a number from " + std::to_string(least) + " to " + std::to_string(most));
    }
  }
  void Truth(const std::string& name, bool& to) {
    const std::optional<std::string> text = Text(name);
    if (!text.has_value()) return;
    if (*text != "true" && *text != "false") Fault(name + " is true or false");
    to = *text == "true";
  }
  template <typename Value, size_t n>
  void OneOf(const std::string& name, const std::array<std::pair<std::string_view, Value>, n>& all,
             Value& to) {
    const std::optional<std::string> text = Text(name);
    if (!text.has_value()) return;
    std::string choices;
    for (const auto& [word, value] : all) {
      if (word == *text) {
        to = value;
        return;
      }
      choices += choices.empty() ? "" : ", ";
      choices += '"' + std::string(word) + '"';
    }
    Fault(name + " is one of " + choices);
  }
  void Place(const std::string& name, Template::Place place, Template& to) {
    const std::optional<std::string> text = Text(name);
    if (!text.has_value()) return;
    std::string why;
    const std::optional<Template> parsed = Template::Parse(*text, place, why);
    if (parsed.has_value()) {
      to = *parsed;
    } else {
      Fault(name + ": " + why);
    }
  }
  void NothingElse() {
    if (!values_.empty()) {
      Fault("there is no setting \"" + values_.begin()->first + "\"; auth/LDAP.md lists them");
    }
  }

 private:
  std::map<std::string, std::vector<std::string>> values_;
  std::string& fault_;
};

void ReadServers(Reader& reader, Settings& settings) {
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
    } else if (!server.ldaps && !settings.starttls && !IsLoopback(server.host)) {
      reader.Fault("server: passwords would travel to " + uri +
                   " in clear: write starttls = true, or ldaps://");
    }
    settings.servers.push_back(std::move(server));
  }
  if (settings.servers.empty()) reader.Fault("server is missing: as \"ldaps://ldap1.example.net\"");
}

void ReadServiceAccount(Reader& reader, Settings& settings) {
  reader.Text("bind_dn", settings.bind_dn);
  reader.Text("bind_password", settings.bind_password);
  if (const std::optional<std::string> path = reader.Text("bind_password_file")) {
    std::ifstream file(*path);
    if (!settings.bind_password.empty()) {
      reader.Fault("bind_password and bind_password_file: write one of them");
    } else if (!std::getline(file, settings.bind_password)) {
      reader.Fault("bind_password_file: the first line of " + *path + " cannot be read");
    }
  }
  // Many servers take a name without a password for a right one (RFC 4513 section 5.1.2).
  if (settings.bind_dn.empty() != settings.bind_password.empty()) {
    reader.Fault("bind_dn and bind_password (or bind_password_file) belong together");
  }
}

void ReadPlaces(Reader& reader, Settings& settings) {
  const bool direct = settings.mode == Mode::kDirectBind;
  settings.scope = LDAP_SCOPE_SUBTREE;
  reader.OneOf<int>(
      "scope",
      std::array<std::pair<std::string_view, int>, 3>{
          {{"sub", LDAP_SCOPE_SUBTREE}, {"one", LDAP_SCOPE_ONELEVEL}, {"base", LDAP_SCOPE_BASE}}},
      settings.scope);
  reader.Place("base", Template::Place::kDn, settings.base);
  reader.Place("filter", Template::Place::kFilter, settings.filter);
  reader.Place("dn_template", Template::Place::kDn, settings.dn_template);
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

void CheckSyntax(Reader& reader, const Settings& settings) {
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
  Reader reader(settings, fault);
  Settings read;
  reader.OneOf<Mode>(
      "mode",
      std::array<std::pair<std::string_view, Mode>, 3>{{{"search-bind", Mode::kSearchBind},
                                                        {"direct-bind", Mode::kDirectBind},
                                                        {"lookup", Mode::kLookup}}},
      read.mode);
  reader.Truth("starttls", read.starttls);
  ReadServers(reader, read);
  reader.Text("ca_file", read.ca_file);
  const bool tls = read.starttls || std::ranges::any_of(read.servers, &Server::ldaps);
  if (tls && access(read.ca_file.c_str(), R_OK) != 0) {
    reader.Fault("ca_file: " + read.ca_file + " cannot be read");
  }
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
  reader.Number("connections", 1, 64, read.connections);
  reader.Number("connect_timeout_ms", 10, 60'000, read.connect_timeout_ms);
  reader.Number("timeout_ms", 10, 60'000, read.timeout_ms);
  reader.NothingElse();
  if (!reader.ok()) return std::nullopt;
  return read;
}

}  // namespace poplar::ldap
