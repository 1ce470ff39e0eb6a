// What [backend.NAME] says of a directory, read and checked. auth/LDAP.md describes each setting.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "auth/plugin.h"
#include "auth/plugins/common/settings_reader.h"
#include "auth/plugins/ldap/template.h"

namespace poplar::ldap {

enum class Mode : uint8_t {
  kSearchBind,  // Find the entry, then bind as it.
  kDirectBind,  // Bind as what a template says, then read that entry.
  kLookup,      // Find the entry, and hand out the password that it holds.
};

struct Server {
  std::string uri;  // For logs, and for libldap's check of the name.
  std::string host;
  uint16_t port = 0;
  bool ldaps = false;
};

struct Settings {
  Mode mode = Mode::kSearchBind;
  std::vector<Server> servers;  // The first that works is asked.
  bool starttls = false;
  std::string ca_file = plugins::kSystemCaFile;
  std::string bind_dn;  // Of the service account; empty: anonymous.
  std::string bind_password;

  Template base;
  int scope = 0;  // LDAP_SCOPE_*.
  Template filter;
  Template dn_template;

  std::string account_attribute = "entryUUID";
  std::string address_attribute;  // Empty, here and below: none.
  std::string quota_octets_attribute;
  std::string quota_messages_attribute;
  std::string disabled_attribute;
  std::string disabled_value = "TRUE";
  std::string password_attribute = "userPassword";

  plugins::Limits limits;  // For searches, and the same for binds.
};

// nullopt: `fault` is a sentence about the first setting that is wrong, missing or not known. Reads
// the files that settings name.
std::optional<Settings> ReadSettings(const poplar_setting* settings, std::string& fault);

}  // namespace poplar::ldap
