#include "core/tenant/text_file.h"

#include <cstdint>

#include "core/base/text_file.h"
#include "core/base/units.h"

namespace poplar::tenant {
namespace {

constexpr uint64_t kTextBytesMax = 1 * kMiB;

}  // namespace

StatusOr<std::string> ReadTextFile(const std::string& path) {
  return base::ReadTextFile(path, kTextBytesMax);
}

// What the TOML reader says, in our words where they are clearer.
std::string SyntaxMessage(std::string_view description) {
  if (description.find("redefine") != std::string_view::npos) {
    const size_t quote = description.find('\'');
    const size_t end = quote == std::string_view::npos ? quote : description.find('\'', quote + 1);
    if (end != std::string_view::npos)
      return std::string(description.substr(quote + 1, end - quote - 1)) +
             " is written twice; remove one of the two";
  }
  return std::string(description);
}

}  // namespace poplar::tenant
