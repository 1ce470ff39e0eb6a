// Fills a Config from a parsed TOML document and collects what is wrong with it. Private to
// core/tenant; lives for one parse.

#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/tenant/config.h"
#include "core/tenant/settings.h"

namespace poplar::tenant {

class ConfigReader {
 public:
  // REQUIRES: `file` outlives the reader.
  explicit ConfigReader(std::string_view file);

  ParsedConfig Read(const toml::table& document) &&;

 private:
  void ReadSection(std::string_view section, const toml::table& table);

  void Take(const Setting&, const NumberForm&, const toml::node&);
  void Take(const Setting&, const SwitchForm&, const toml::node&);
  void Take(const Setting&, const TextForm&, const toml::node&);
  void Take(const Setting&, const PathForm&, const toml::node&);
  void Take(const Setting&, const ChoiceForm&, const toml::node&);
  void Take(const Setting&, const AddressForm&, const toml::node&);
  void Take(const Setting&, const AddressListForm&, const toml::node&);
  void Take(const Setting&, const NetworkListForm&, const toml::node&);
  void Take(const Setting&, const NameListForm&, const toml::node&);
  void Take(const Setting&, const PathListForm&, const toml::node&);
  template <class Item>
  void TakeList(const Setting& setting, std::vector<Item>& items, const toml::node& node);

  void ReadBackends(const toml::node& node);
  void ReadBackend(const std::string& name, const toml::table& table, uint32_t line);
  // False: not what the setting wants.
  bool TakePath(const toml::node& node, std::string& path) const;
  static bool TakeStaticSetting(const std::string& name, const toml::node& node,
                                BackendConfig& backend);
  bool TakePasswdFileSetting(const std::string& name, const toml::node& node,
                             BackendConfig& backend) const;
  void ReadNextAfter(const std::string& where, const toml::node& node, BackendConfig& backend);
  bool AddPluginSetting(const std::string& name, const toml::node& node, BackendConfig& backend);

  // The text of a string value; otherwise a fault, and null.
  const std::string* TextOf(const Setting& setting, const toml::node& node);

  void MakePathsAbsolute();
  // Rules between settings; only asked when each is right by itself.
  void CheckTogether();
  void CheckListenersDiffer();
  void CheckTenantsBackend();
  void CheckChain();
  void CheckMechanisms();

  // Where the setting "section.key" is written; 0 if it is not.
  uint32_t LineOf(std::string_view name) const;
  void Fault(uint32_t line, std::string message);
  void WrongType(const Setting& setting, const toml::node& node, std::string_view expected);

  std::string_view file_;
  std::filesystem::path folder_;
  ParsedConfig parsed_;
};

}  // namespace poplar::tenant
