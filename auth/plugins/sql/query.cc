#include "auth/plugins/sql/query.h"

#include <algorithm>
#include <cctype>

namespace poplar::sql {
namespace {

using plugins::LoginPart;
using plugins::Placeholder;
using plugins::PlaceholderAt;

constexpr size_t kNoEnd = std::string_view::npos;

bool IsNamePart(char octet) {
  const auto value = static_cast<unsigned char>(octet);
  return std::isalnum(value) != 0 || octet == '_' || octet == '$' || value >= 0x80;
}

// The octets of quoted text, from one quotation mark to the other; a double one is one within.
size_t QuotedOctets(std::string_view text, bool backslash_escapes) {
  const char mark = text.front();
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\' && backslash_escapes) {
      ++i;
    } else if (text[i] == mark) {
      if (i + 1 == text.size() || text[i + 1] != mark) return i + 1;
      ++i;
    }
  }
  return kNoEnd;
}

// PostgreSQL's `$$…$$` and `$name$…$name$`; 0: `text` begins with none.
size_t DollarQuotedOctets(std::string_view text) {
  size_t name = 1;
  while (name < text.size() && text[name] != '$' && IsNamePart(text[name])) ++name;
  const bool digit_first = name > 1 && std::isdigit(static_cast<unsigned char>(text[1])) != 0;
  if (name >= text.size() || text[name] != '$' || digit_first) return 0;
  const std::string_view mark = text.substr(0, name + 1);
  const size_t end = text.find(mark, mark.size());
  return end == kNoEnd ? kNoEnd : end + mark.size();
}

// PostgreSQL's comments may hold others.
size_t BlockCommentOctets(std::string_view text, bool nested) {
  size_t depth = 1;
  for (size_t i = 2; i + 1 < text.size(); ++i) {
    const std::string_view two = text.substr(i, 2);
    if (two == "*/") {
      ++i;
      if (--depth == 0) return i + 1;
    } else if (two == "/*" && nested) {
      ++i;
      ++depth;
    }
  }
  return kNoEnd;
}

// Reads a query from its start to its end.
class Scanner {
 public:
  Scanner(std::string_view text, Dialect dialect) : text_(text), dialect_(dialect) {}

  bool ended() const { return at_ == text_.size(); }
  std::string_view rest() const { return text_.substr(at_); }
  std::string_view Take(size_t octets) {
    const std::string_view taken = rest().substr(0, octets);
    at_ += taken.size();
    return taken;
  }

  // 0: what comes next is no comment.
  size_t CommentOctets() const {
    const std::string_view next = rest();
    if (next.starts_with("/*")) return BlockCommentOctets(next, Postgresql());
    // MariaDB takes `a--b` for two signs.
    const bool dashes =
        next.starts_with("--") && (Postgresql() || next.size() == 2 || std::isspace(next[2]) != 0);
    if (!dashes && (Postgresql() || next.front() != '#')) return 0;
    return std::min(next.find('\n'), next.size());
  }
  // 0: what comes next is not quoted.
  size_t QuoteOctets() const {
    const std::string_view next = rest();
    switch (next.front()) {
      case '\'':
        return QuotedOctets(next, !Postgresql() || AfterWord("e"));
      case '"':
        return QuotedOctets(next, !Postgresql());
      case '`':
        return Postgresql() ? 0 : QuotedOctets(next, false);
      case '$':
        return Postgresql() && !AfterName() ? DollarQuotedOctets(next) : 0;
      default:
        return 0;
    }
  }
  // What comes next is a parameter, which only Poplar may write.
  bool AtParameter() const {
    const std::string_view next = rest();
    if (!Postgresql()) return next.front() == '?';
    return next.size() > 1 && next[0] == '$' && std::isdigit(next[1]) != 0 && !AfterName();
  }

 private:
  bool Postgresql() const { return dialect_ == Dialect::kPostgresql; }
  bool AfterName() const { return at_ > 0 && IsNamePart(text_[at_ - 1]); }
  // Behind that letter, standing alone.
  bool AfterWord(std::string_view letter) const {
    return at_ > 0 && std::tolower(text_[at_ - 1]) == letter[0] &&
           (at_ == 1 || !IsNamePart(text_[at_ - 2]));
  }

  const std::string_view text_;
  const Dialect dialect_;
  size_t at_ = 0;
};

std::string Excerpt(std::string_view text) { return "\"" + std::string(text.substr(0, 24)) + "\""; }

}  // namespace

std::optional<Query> Query::Parse(std::string_view text, Dialect dialect, std::string& fault) {
  Query query;
  Scanner scanner(text, dialect);
  while (!scanner.ended() && fault.empty()) {
    const size_t comment = scanner.CommentOctets();
    const size_t quoted = comment == 0 ? scanner.QuoteOctets() : 0;
    if (comment == kNoEnd || quoted == kNoEnd) {
      fault = Excerpt(scanner.rest()) + " has no end";
    } else if (comment > 0) {
      query.text_ += scanner.Take(comment);
    } else if (quoted > 0) {
      const std::string_view literal = scanner.Take(quoted);
      if (literal.find("%{") != std::string_view::npos) {
        fault = Excerpt(literal) +
                ": a placeholder stands without quotes, as in \"WHERE address = %{login}\"";
      }
      query.text_ += literal;
    } else if (scanner.rest().starts_with("%{")) {
      const std::optional<Placeholder> found = PlaceholderAt(scanner.rest());
      if (found.has_value()) {
        scanner.Take(found->octets);
        query.parameters_.push_back(found->part);
        query.text_ +=
            dialect == Dialect::kMariadb ? "?" : "$" + std::to_string(query.parameters_.size());
      } else {
        fault = Excerpt(scanner.rest()) + ": there are %{login}, %{local}, %{domain}";
      }
    } else if (scanner.AtParameter()) {
      fault = Excerpt(scanner.rest()) + ": parameters are written %{login}, %{local}, %{domain}";
    } else {
      query.text_ += scanner.Take(1);
    }
  }
  if (fault.empty() && query.parameters_.empty()) {
    fault = "it is the same for everybody: it needs %{login}, or %{local} and %{domain}";
  }
  if (!fault.empty()) return std::nullopt;
  return query;
}

std::optional<std::vector<std::string>> Query::Values(std::string_view login) const {
  std::vector<std::string> values;
  for (const LoginPart part : parameters_) {
    const std::optional<std::string_view> value = plugins::PartOf(login, part);
    if (!value.has_value()) return std::nullopt;
    values.emplace_back(*value);
  }
  return values;
}

}  // namespace poplar::sql
