// Secrets: wiped when they end, compared in constant time, impossible to log by accident (no stream
// operator, no implicit conversion to a string).

#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace poplar::base {

// Overwrites memory in a way that the optimiser keeps.
void Wipe(void* memory, size_t bytes);

// Takes the same time wherever the first difference is; lengths are not secret.
bool EqualConstantTime(std::string_view a, std::string_view b);

// Owns a secret. Any thread, one at a time.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view bytes) : bytes_(bytes.begin(), bytes.end()) {}
  Secret(Secret&& other) noexcept : bytes_(std::move(other.bytes_)) { other.bytes_.clear(); }
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { Clear(); }

  // A deliberate copy, for what must outlive its source.
  Secret Copy() const { return Secret(Reveal()); }
  // The view ends with this object. Call it only where the bytes are used.
  std::string_view Reveal() const { return {bytes_.data(), bytes_.size()}; }
  bool empty() const { return bytes_.empty(); }
  void Clear();

 private:
  std::vector<char>
      bytes_;  // Not std::string: its small buffer would leave a copy behind when moved.
};

}  // namespace poplar::base
