#include "auth/sasl/gs2.h"

namespace poplar::auth {

std::optional<Gs2Header> ParseGs2Header(std::string_view message) {
  const size_t first = message.find(',');
  if (first == std::string_view::npos) return std::nullopt;
  const size_t second = message.find(',', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  Gs2Header header;
  const std::string_view flag = message.substr(0, first);
  if (flag.starts_with("p=") && flag.size() > 2) {
    header.binding = Gs2Binding::kBound;
    header.binding_type = flag.substr(2);
  } else if (flag == "y") {
    header.binding = Gs2Binding::kUnasked;
  } else if (flag != "n") {
    return std::nullopt;
  }
  const std::string_view authzid = message.substr(first + 1, second - first - 1);
  if (!authzid.empty()) {
    if (!authzid.starts_with("a=")) return std::nullopt;
    std::optional<std::string> name = DecodeSaslName(authzid.substr(2));
    if (!name || name->empty()) return std::nullopt;
    header.authzid = std::move(*name);
  }
  header.text = message.substr(0, second + 1);
  return header;
}

std::optional<std::string> DecodeSaslName(std::string_view text) {
  std::string name;
  while (!text.empty()) {
    if (text.starts_with("=2C") || text.starts_with("=3D")) {
      name += text.starts_with("=2C") ? ',' : '=';
      text.remove_prefix(3);
      continue;
    }
    if (text.front() == '=' || text.front() == ',' || text.front() == '\0') return std::nullopt;
    name += text.front();
    text.remove_prefix(1);
  }
  return name;
}

}  // namespace poplar::auth
