// Values of settings as TOML writes them.

#include "core/tenant/settings.h"

namespace poplar::tenant {
namespace {

std::string Quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::string QuotedAll(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ", ") + Quoted(item);
  return "[" + text + "]";
}

struct ValueWriter {
  Config& config;

  std::string operator()(const NumberForm& form) const { return std::to_string(form.at(config)); }
  std::string operator()(const SwitchForm& form) const {
    return form.at(config) ? "true" : "false";
  }
  std::string operator()(const TextForm& form) const { return Quoted(form.at(config)); }
  std::string operator()(const PathForm& form) const { return Quoted(form.at(config)); }
  std::string operator()(const ChoiceForm& form) const {
    return Quoted(form.words[form.get(config)]);
  }
  std::string operator()(const AddressForm& form) const {
    const auto& address = form.at(config);
    return Quoted(address ? address->ToString() : "");
  }
  std::string operator()(const AddressListForm& form) const {
    std::string text;
    for (const ListenAddress& address : form.at(config)) {
      if (!text.empty()) text += ", ";
      text += Quoted(address.ToString());
    }
    return "[" + text + "]";
  }
  std::string operator()(const NetworkListForm& form) const {
    std::string text;
    for (const base::IpNetwork& network : form.at(config))
      text += (text.empty() ? "" : ", ") + Quoted(network.Text());
    return "[" + text + "]";
  }
  std::string operator()(const NameListForm& form) const { return QuotedAll(form.at(config)); }
  std::string operator()(const PathListForm& form) const { return QuotedAll(form.at(config)); }
};

}  // namespace

std::string ValueText(const Setting& setting, Config config) {
  return std::visit(ValueWriter{config}, setting.form);
}

}  // namespace poplar::tenant
