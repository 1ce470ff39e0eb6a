#include "core/tenant/text_file.h"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>

#include "core/base/units.h"

namespace poplar::tenant {
namespace {

constexpr uint64_t kTextBytesMax = 1 * kMiB;

}  // namespace

StatusOr<std::string> ReadTextFile(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"),
                                                             &std::fclose);
  if (file == nullptr) return ErrnoStatus(errno, "cannot open it");
  std::string text(kTextBytesMax + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) return ErrnoStatus(errno, "cannot read it");
  if (text.size() > kTextBytesMax)
    return MakeStatus(StatusCode::kInvalidArgument,
                      "it is larger than 1 MiB, so it is not a configuration; name the right file");
  return text;
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
