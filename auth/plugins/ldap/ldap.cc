// The LDAP plug-in's entry. auth/LDAP.md tells how to configure it.

#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "auth/plugin.h"
#include "auth/plugins/ldap/directory.h"
#include "auth/plugins/ldap/settings.h"

namespace {

using poplar::ldap::Directory;

void SetFault(const std::string& sentence, char* fault, size_t fault_bytes) {
  if (fault_bytes == 0) return;
  fault[sentence.copy(fault, fault_bytes - 1)] = '\0';
}

void* Open(const poplar_host* host, const poplar_setting* settings, char* fault,
           size_t fault_bytes) {
  try {
    std::string why;
    std::optional<poplar::ldap::Settings> read = poplar::ldap::ReadSettings(settings, why);
    if (read.has_value()) return std::make_unique<Directory>(std::move(*read), *host).release();
    SetFault(why, fault, fault_bytes);
  } catch (const std::exception& error) {
    SetFault(error.what(), fault, fault_bytes);
  }
  return nullptr;
}

poplar_outcome Ask(void* instance, const poplar_question* question, poplar_answer* answer) {
  try {
    return static_cast<Directory*>(instance)->Ask(*question, answer);
  } catch (const std::exception&) {  // No memory.
    return POPLAR_TEMPORARY;
  }
}

void Close(void* instance) {
  std::unique_ptr<Directory>(static_cast<Directory*>(instance)).reset();
}

}  // namespace

extern "C" const poplar_plugin* poplar_plugin_entry() {
  static const poplar_plugin plugin = {
      .version = POPLAR_PLUGIN_VERSION,
      .struct_bytes = sizeof(poplar_plugin),
      .name = "ldap",
      .operations = POPLAR_RESOLVE | POPLAR_VERIFY_PASSWORD,
      .open = &Open,
      .ask = &Ask,
      .close = &Close,
  };
  // Neither ldap.conf nor variables of libldap's have a say: the back end's settings are all there
  // is. Before the process has a second thread.
  static const int once = ::setenv("LDAPNOINIT", "1", 1);
  static_cast<void>(once);
  return &plugin;
}
