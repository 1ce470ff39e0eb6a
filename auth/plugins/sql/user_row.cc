#include "auth/plugins/sql/user_row.h"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <utility>

namespace poplar::sql {
namespace {

bool SameLetters(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

// As databases write truth: numbers, bits and words. nullopt: it is neither.
std::optional<bool> TruthOf(const std::string& value) {
  for (const std::string_view word : {"t", "true", "y", "yes", "on"}) {
    if (SameLetters(value, word)) return true;
  }
  for (const std::string_view word : {"", "f", "false", "n", "no", "off"}) {
    if (SameLetters(value, word)) return false;
  }
  // MariaDB's BIT(1).
  if (value.size() == 1 && (value[0] == '\0' || value[0] == '\1')) return value[0] == '\1';
  int64_t number = 0;
  const auto read = std::from_chars(value.data(), value.data() + value.size(), number);
  if (read.ec != std::errc() || read.ptr != value.data() + value.size()) return std::nullopt;
  return number != 0;
}

class Columns {
 public:
  Columns(const Row& row, std::string& fault) : row_(row), fault_(fault) {}

  // Null: there is none of that name.
  const Column* Find(std::string_view name) {
    const auto is_it = [name](const Column& one) { return SameLetters(one.name, name); };
    const auto found = std::ranges::find_if(row_, is_it);
    if (found == row_.end()) return nullptr;
    if (std::find_if(found + 1, row_.end(), is_it) != row_.end()) {
      Fault("two columns are named " + std::string(name));
    } else if (found->value.has_value() && found->value->size() > kValueBytesMax) {
      Fault("column " + std::string(name) + " is too long");
    }
    return &*found;
  }
  std::optional<std::string> Text(std::string_view name) {
    const Column* const column = Find(name);
    if (column == nullptr || column->value.value_or("").empty()) return std::nullopt;
    return column->value;
  }
  // As a condition takes it: NULL is not true.
  std::optional<bool> Truth(std::string_view name) {
    const Column* const column = Find(name);
    if (column == nullptr) return std::nullopt;
    const std::optional<bool> truth = TruthOf(column->value.value_or(""));
    if (!truth.has_value()) Fault("column " + std::string(name) + " is neither true nor false");
    return truth;
  }

 private:
  void Fault(std::string sentence) {
    if (fault_.empty()) fault_ = std::move(sentence);
  }

  const Row& row_;
  std::string& fault_;
};

}  // namespace

std::optional<UserRow> ReadUserRow(const Row& row, std::string& fault) {
  Columns columns(row, fault);
  UserRow user;
  user.account = columns.Text("account").value_or("");
  if (user.account.empty()) fault = "it has no column account, or that is NULL or empty";
  user.disabled =
      columns.Truth("disabled").value_or(false) || !columns.Truth("enabled").value_or(true);
  user.has_password_column = columns.Find("password") != nullptr;
  user.password = columns.Text("password");
  user.address = columns.Text("address");
  user.quota_octets = columns.Text("quota_octets");
  user.quota_messages = columns.Text("quota_messages");
  if (!fault.empty()) return std::nullopt;
  return user;
}

}  // namespace poplar::sql
