// The table behind the configuration: one row a setting, with its place in Config, its form, its
// limits and its explanation. Private to core/tenant.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/tenant/config.h"

namespace poplar::tenant {

struct NumberForm {
  uint32_t& (*at)(Config&);
  uint32_t min;
  uint32_t max;
};

struct SwitchForm {
  bool& (*at)(Config&);
};

struct TextForm {
  std::string& (*at)(Config&);
  bool (*accepts)(std::string_view);
  std::string_view expected;  // "write …": what is accepted.
};

// A path, made absolute. A socket's is bounded by sockaddr_un.
struct PathForm {
  enum class Kind : uint8_t { kFile, kSocket };
  std::string& (*at)(Config&);
  Kind kind;
  bool may_be_empty;
};

// One of some words; the index of the word is the value of the enum.
struct ChoiceForm {
  std::span<const std::string_view> words;
  size_t (*get)(const Config&);
  void (*set)(Config&, size_t);
};

struct AddressForm {
  std::optional<ListenAddress>& (*at)(Config&);
};

struct AddressListForm {
  std::vector<ListenAddress>& (*at)(Config&);
};

struct NetworkListForm {
  std::vector<base::IpNetwork>& (*at)(Config&);
};

struct NameListForm {
  std::vector<std::string>& (*at)(Config&);
};

// Paths, made absolute.
struct PathListForm {
  std::vector<std::string>& (*at)(Config&);
};

using Form = std::variant<NumberForm, SwitchForm, TextForm, PathForm, ChoiceForm, AddressForm,
                          AddressListForm, NetworkListForm, NameListForm, PathListForm>;

// When a changed value counts: at the next reload, or at the next start.
enum class Takes : uint8_t { kReload, kRestart };

// How poplar.toml shows it: as a line to edit, or commented out because few will need it.
enum class Shown : uint8_t { kPlain, kCommented };

struct Setting {
  std::string_view section;
  std::string_view key;
  Form form;
  Takes takes;
  Shown shown;
  std::string_view explanation;  // Lines, without comment marks.

  std::string Name() const { return std::string(section) + "." + std::string(key); }
};

struct Section {
  std::string_view name;
  std::string_view explanation;
};

// In the order of the file; a section's settings stand together.
std::span<const Section> Sections();
std::span<const Setting> Settings();

// The value as TOML writes it.
std::string ValueText(const Setting& setting, Config config);

}  // namespace poplar::tenant
