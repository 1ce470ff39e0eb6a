#include "core/tenant/config_reader.h"

#include <sys/un.h>

#include <algorithm>
#include <map>
#include <utility>

#include "core/base/login_mechanisms.h"
#include "core/base/units.h"
#include "core/tenant/nearest.h"

namespace poplar::tenant {
namespace {

std::string_view TypeName(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::string:
      return "a text";
    case toml::node_type::integer:
      return "a number";
    case toml::node_type::floating_point:
      return "a fraction";
    case toml::node_type::boolean:
      return "true or false";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::table:
      return "a section";
    default:
      return "a date";
  }
}

uint32_t NodeLine(const toml::node& node) { return node.source().begin.line; }

std::string Listed(const std::vector<std::string_view>& words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i != 0) text += i + 1 == words.size() ? " and " : ", ";
    text += words[i];
  }
  return text;
}

std::vector<std::string_view> KeysOf(std::string_view section) {
  std::vector<std::string_view> keys;
  for (const Setting& setting : Settings())
    if (setting.section == section) keys.push_back(setting.key);
  return keys;
}

// Where a key that stands in the wrong place belongs; empty if it is known nowhere.
std::string_view SectionOfKey(std::string_view key) {
  const auto found = std::ranges::find(Settings(), key, &Setting::key);
  return found == Settings().end() ? std::string_view() : found->section;
}

std::string UnknownSection(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Section& section : Sections()) names.push_back(section.name);
  const std::string nearest(Nearest(name, names));
  const std::string start = "[" + std::string(name) + "]: there is no such section; ";
  if (!nearest.empty()) return start + "did you mean [" + nearest + "]?";
  return start + "the sections are " + Listed(names);
}

std::string UnknownKey(std::string_view section, std::string_view key) {
  const auto keys = KeysOf(section);
  const std::string start =
      std::string(section) + "." + std::string(key) + ": there is no such setting; ";
  if (const auto home = SectionOfKey(key); !home.empty())
    return start + "it belongs under [" + std::string(home) + "]";
  if (const auto nearest = Nearest(key, keys); !nearest.empty())
    return start + "did you mean " + std::string(nearest) + "?";
  return start + "[" + std::string(section) + "] knows " + Listed(keys);
}

}  // namespace

ConfigReader::ConfigReader(std::string_view file)
    : file_(file), folder_(std::filesystem::absolute(file).parent_path()) {}

ParsedConfig ConfigReader::Read(const toml::table& document) && {
  for (const auto& [key, node] : document) {
    const bool is_section =
        std::ranges::find(Sections(), key.str(), &Section::name) != Sections().end();
    const std::string name(key.str());
    if (name == "backend") {
      ReadBackends(node);
    } else if (is_section && node.is_table()) {
      ReadSection(key.str(), *node.as_table());
    } else if (is_section) {
      std::string message = name;
      message.append(" is a section: write [").append(name).append("] on a line of its own");
      Fault(NodeLine(node), std::move(message));
    } else if (node.is_table() || node.is_array_of_tables()) {
      Fault(NodeLine(node), UnknownSection(key.str()));
    } else if (const auto home = SectionOfKey(key.str()); !home.empty()) {
      Fault(NodeLine(node),
            name + " stands before any section: write it under [" + std::string(home) + "]");
    } else {
      Fault(NodeLine(node),
            name + ": there is no such setting, and settings stand under a section");
    }
  }
  MakePathsAbsolute();
  if (parsed_.faults.empty()) CheckTogether();
  std::ranges::stable_sort(parsed_.faults, {}, &ConfigFault::line);
  return std::move(parsed_);
}

void ConfigReader::ReadSection(std::string_view section, const toml::table& table) {
  for (const auto& [key, node] : table) {
    const auto setting = std::ranges::find_if(Settings(), [&](const Setting& candidate) {
      return candidate.section == section && candidate.key == key.str();
    });
    if (setting == Settings().end()) {
      Fault(NodeLine(node), UnknownKey(section, key.str()));
      continue;
    }
    parsed_.lines.emplace(setting->Name(), NodeLine(node));
    std::visit([&](const auto& form) { Take(*setting, form, node); }, setting->form);
  }
}

void ConfigReader::Take(const Setting& setting, const NumberForm& form, const toml::node& node) {
  const auto* number = node.as_integer();
  if (number == nullptr) return WrongType(setting, node, "a number");
  if (number->get() < form.min || number->get() > form.max) {
    return Fault(NodeLine(node), setting.Name() + ": " + std::to_string(number->get()) +
                                     " is out of range; write a number from " +
                                     std::to_string(form.min) + " to " + std::to_string(form.max));
  }
  form.at(parsed_.config) = static_cast<uint32_t>(number->get());
}

void ConfigReader::Take(const Setting& setting, const SwitchForm& form, const toml::node& node) {
  const auto* value = node.as_boolean();
  if (value == nullptr) return WrongType(setting, node, "true or false");
  form.at(parsed_.config) = value->get();
}

void ConfigReader::Take(const Setting& setting, const TextForm& form, const toml::node& node) {
  const std::string* text = TextOf(setting, node);
  if (text == nullptr) return;
  if (!form.accepts(*text)) {
    return Fault(NodeLine(node),
                 setting.Name() + ": \"" + *text + "\" cannot be; " + std::string(form.expected));
  }
  form.at(parsed_.config) = *text;
}

void ConfigReader::Take(const Setting& setting, const PathForm& form, const toml::node& node) {
  const std::string* text = TextOf(setting, node);
  if (text == nullptr) return;
  if (text->empty() && !form.may_be_empty)
    return Fault(NodeLine(node), setting.Name() + " is empty; write a path, or remove the line");
  if (text->find('\0') != std::string::npos)
    return Fault(NodeLine(node), setting.Name() + ": a path holds no NUL; remove it");
  std::string path = text->empty() ? "" : (folder_ / *text).lexically_normal().string();
  constexpr size_t kSocketPathBytesMax = sizeof(sockaddr_un::sun_path) - 1;
  if (setting.section == "admin") {  // Others stand beside it; the longest name counts.
    const std::string beside = AdminConfig{path}.import_socket();
    if (beside.size() > path.size()) path = beside;
  }
  if (form.kind == PathForm::Kind::kSocket && path.size() > kSocketPathBytesMax) {
    return Fault(NodeLine(node),
                 setting.Name() + ": " + path + " has " + std::to_string(path.size()) +
                     " octets and a socket's path may have " + std::to_string(kSocketPathBytesMax) +
                     "; write a shorter one, like \"/run/poplar/" + std::string(setting.section) +
                     ".sock\"");
  }
  form.at(parsed_.config) = *text;
}

void ConfigReader::Take(const Setting& setting, const ChoiceForm& form, const toml::node& node) {
  const std::string* text = TextOf(setting, node);
  if (text == nullptr) return;
  const auto word = std::ranges::find(form.words, *text);
  if (word == form.words.end()) {
    std::string words;
    for (size_t i = 0; i < form.words.size(); ++i) {
      if (i != 0) words += i + 1 == form.words.size() ? " or " : ", ";
      words += "\"" + std::string(form.words[i]) + "\"";
    }
    return Fault(NodeLine(node), setting.Name() + ": \"" + *text + "\" cannot be; write " + words);
  }
  form.set(parsed_.config, static_cast<size_t>(word - form.words.begin()));
}

void ConfigReader::Take(const Setting& setting, const AddressForm& form, const toml::node& node) {
  const std::string* text = TextOf(setting, node);
  if (text == nullptr) return;
  if (text->empty()) {
    form.at(parsed_.config).reset();
    return;
  }
  auto address = ListenAddress::Parse(*text);
  if (!address.ok())
    return Fault(NodeLine(node), setting.Name() + ": " + std::string(Message(address.status())));
  form.at(parsed_.config) = *std::move(address);
}

// One text stands for a list of one.
template <class Item>
void ConfigReader::TakeList(const Setting& setting, std::vector<Item>& items,
                            const toml::node& node) {
  std::vector<Item> taken;
  const auto add = [&](const toml::node& element) {
    const std::string* text = TextOf(setting, element);
    if (text == nullptr) return;
    StatusOr<Item> item = Item::Parse(*text);
    if (item.ok())
      taken.push_back(*std::move(item));
    else
      Fault(NodeLine(element), setting.Name() + ": " + std::string(Message(item.status())));
  };
  if (const auto* list = node.as_array()) {
    for (const toml::node& element : *list) add(element);
  } else if (node.is_string()) {
    add(node);
  } else {
    return WrongType(setting, node, "a list of texts");
  }
  items = std::move(taken);
}

void ConfigReader::Take(const Setting& setting, const AddressListForm& form,
                        const toml::node& node) {
  TakeList(setting, form.at(parsed_.config), node);
}

void ConfigReader::Take(const Setting& setting, const NetworkListForm& form,
                        const toml::node& node) {
  TakeList(setting, form.at(parsed_.config), node);
}

void ConfigReader::Take(const Setting& setting, const NameListForm& form, const toml::node& node) {
  const auto* list = node.as_array();
  if (list == nullptr) return WrongType(setting, node, "a list of texts");
  std::vector<std::string> names;
  for (const toml::node& item : *list) {
    if (const std::string* text = TextOf(setting, item)) names.push_back(*text);
  }
  form.at(parsed_.config) = std::move(names);
}

void ConfigReader::Take(const Setting& setting, const PathListForm& form, const toml::node& node) {
  const auto* list = node.as_array();
  if (list == nullptr) return WrongType(setting, node, "a list of paths");
  std::vector<std::string> paths;
  for (const toml::node& item : *list) {
    paths.emplace_back();
    if (TextOf(setting, item) == nullptr || TakePath(item, paths.back())) continue;
    Fault(NodeLine(item), setting.Name() + ": a path is not empty, and holds no NUL");
  }
  form.at(parsed_.config) = std::move(paths);
}

const std::string* ConfigReader::TextOf(const Setting& setting, const toml::node& node) {
  if (const auto* text = node.as_string()) return &text->get();
  WrongType(setting, node, "a text");
  return nullptr;
}

void ConfigReader::MakePathsAbsolute() {
  for (const Setting& setting : Settings()) {
    const auto* form = std::get_if<PathForm>(&setting.form);
    if (form == nullptr) continue;
    std::string& path = form->at(parsed_.config);
    if (!path.empty()) path = (folder_ / path).lexically_normal().string();
  }
}

void ConfigReader::CheckTogether() {
  const Config& config = parsed_.config;
  if (config.tls.certificate.empty() != config.tls.key.empty()) {
    Fault(LineOf(config.tls.key.empty() ? "tls.key" : "tls.certificate"),
          "tls.certificate and tls.key belong together; write both, or both empty for no TLS");
  } else if (!config.tls.enabled() && !config.pop3s.listen.empty()) {
    Fault(LineOf("tls.certificate"),
          "pop3s.listen needs a certificate; write tls.certificate and tls.key, or listen = [] "
          "under [pop3s]");
  }
  const uint64_t blob_kib_max = uint64_t{config.store.segment_mib} * (kMiB / kKiB) / 4;
  if (config.store.blob_threshold_kib > blob_kib_max) {
    Fault(LineOf("store.blob_threshold_kib"),
          "store.blob_threshold_kib: " + std::to_string(config.store.blob_threshold_kib) +
              " is more than a quarter of segment_mib; write at most " +
              std::to_string(blob_kib_max) + ", or a larger segment_mib");
  }
  CheckListenersDiffer();
  CheckTenantsBackend();
  CheckChain();
  CheckMechanisms();
}

void ConfigReader::CheckMechanisms() {
  const Config& config = parsed_.config;
  const std::vector<std::string>& all = config.auth.mechanisms;
  const uint32_t line = LineOf("auth.mechanisms");
  if (all.empty()) {
    Fault(line, "auth.mechanisms is empty: nobody could log in; write [\"USER\", \"PLAIN\"]");
  }
  for (auto name = all.begin(); name != all.end(); ++name) {
    if (std::ranges::find(kLoginMechanisms, *name) == kLoginMechanisms.end()) {
      Fault(line, "auth.mechanisms: \"" + *name + "\" is none; write some of " +
                      Listed({kLoginMechanisms.begin(), kLoginMechanisms.end()}));
    } else if (std::find(all.begin(), name, *name) != name) {
      Fault(line, "auth.mechanisms: \"" + *name + "\" is there twice; remove one of the two");
    }
  }
  // A proxy in front may have looked at them.
  if (std::ranges::find(all, "EXTERNAL") != all.end() && config.tls.client_ca.empty() &&
      config.pop3.proxy_networks.empty()) {
    Fault(line,
          "auth.mechanisms: \"EXTERNAL\" needs to know whose certificates are good; write "
          "client_ca = \"FILE\" under [tls]");
  }
}

void ConfigReader::CheckListenersDiffer() {
  std::map<std::string, std::string> taken;  // Address and port, or path, to the setting's name.
  const auto claim = [&](const Setting& setting, const std::string& where) {
    const auto [entry, is_new] = taken.emplace(where, setting.Name());
    if (is_new) return;
    Fault(LineOf(setting.Name()), setting.Name() + ": " + where + " is already listened on (" +
                                      entry->second + "); write another, or remove one of the two");
  };
  for (const Setting& setting : Settings()) {
    if (const auto* list = std::get_if<AddressListForm>(&setting.form)) {
      for (const ListenAddress& address : list->at(parsed_.config))
        if (address.port != 0) claim(setting, address.ToString());
    } else if (const auto* single = std::get_if<AddressForm>(&setting.form)) {
      const auto& address = single->at(parsed_.config);
      if (address && address->port != 0) claim(setting, address->ToString());
    } else if (const auto* path = std::get_if<PathForm>(&setting.form)) {
      const std::string& socket = path->at(parsed_.config);
      if (path->kind == PathForm::Kind::kSocket && !socket.empty()) claim(setting, socket);
      if (setting.section != "admin") continue;
      claim(setting, parsed_.config.admin.import_socket());
      claim(setting, parsed_.config.admin.export_socket());
    }
  }
}

uint32_t ConfigReader::LineOf(std::string_view name) const {
  const auto line = parsed_.lines.find(name);
  return line == parsed_.lines.end() ? 0 : line->second;
}

void ConfigReader::Fault(uint32_t line, std::string message) {
  parsed_.faults.push_back({std::string(file_), line, std::move(message)});
}

void ConfigReader::WrongType(const Setting& setting, const toml::node& node,
                             std::string_view expected) {
  Fault(NodeLine(node), setting.Name() + " is " + std::string(TypeName(node)) + "; write " +
                            std::string(expected) + ", like " + std::string(setting.key) + " = " +
                            ValueText(setting, Config()));
}

}  // namespace poplar::tenant
