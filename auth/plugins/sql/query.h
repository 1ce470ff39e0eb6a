// The provider's query, as a server prepares it: what stands in it for parts of the login name are
// parameters of the statement, and their values are sent apart from it. Pure.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/plugins/common/placeholders.h"

namespace poplar::sql {

// How a server reads text: quotes, comments, and what it calls a parameter.
enum class Dialect : uint8_t { kPostgresql, kMariadb };

class Query {
 public:
  Query() = default;
  // `%{login}`, `%{local}` and `%{domain}` become `$1`, `$2`… or `?`. nullopt: `fault` is a
  // sentence about a placeholder that there is not, or one in quotes, quotes that do not end, a
  // parameter of the provider's own, or the lack of any placeholder.
  static std::optional<Query> Parse(std::string_view text, Dialect dialect, std::string& fault);

  const std::string& text() const { return text_; }
  // In the order of the parameters. nullopt: the login name lacks a part.
  std::optional<std::vector<std::string>> Values(std::string_view login) const;

 private:
  std::string text_;
  std::vector<plugins::LoginPart> parameters_;
};

}  // namespace poplar::sql
