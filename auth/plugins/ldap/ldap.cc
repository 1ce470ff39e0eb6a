// The LDAP plug-in's entry. auth/LDAP.md tells how to configure it.

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "auth/plugin.h"
#include "auth/plugins/common/entry.h"
#include "auth/plugins/ldap/directory.h"
#include "auth/plugins/ldap/settings.h"

namespace poplar::ldap {
namespace {

std::unique_ptr<Directory> MakeDirectory(const poplar_setting* settings, const poplar_host& host,
                                         std::string& fault) {
  std::optional<Settings> read = ReadSettings(settings, fault);
  if (!read.has_value()) return nullptr;
  return std::make_unique<Directory>(std::move(*read), host);
}

}  // namespace
}  // namespace poplar::ldap

extern "C" const poplar_plugin* poplar_plugin_entry() {
  static const poplar_plugin plugin =
      poplar::plugins::PluginOf<poplar::ldap::Directory, &poplar::ldap::MakeDirectory>(
          "ldap", POPLAR_RESOLVE | POPLAR_VERIFY_PASSWORD);
  // Neither ldap.conf nor variables of libldap's have a say: the back end's settings are all there
  // is. Before the process has a second thread.
  static const int once = ::setenv("LDAPNOINIT", "1", 1);
  static_cast<void>(once);
  return &plugin;
}
