#include "core/app/transfer/uidl_format.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "core/base/check.h"

namespace poplar::app {
namespace {

constexpr int32_t kWidthMax = 1000;

Status Unknown(std::string_view what) {
  return MakeStatus(StatusCode::kInvalidArgument,
                    "pop3_uidl_format: " + std::string(what) + " is not known");
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
char Upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

std::string_view Trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// Digits off the front; 0 without any.
int32_t TakeNumber(std::string_view& text) {
  int32_t number = 0;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    number = std::min(kWidthMax, number * 10 + (text.front() - '0'));
    text.remove_prefix(1);
  }
  return number;
}

bool TakeChar(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

// As strtoull(…, 10) and %llx: what is no number is 0.
std::string HexOf(std::string_view decimal) {
  uint64_t number = 0;
  const auto parsed = std::from_chars(decimal.data(), decimal.data() + decimal.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != decimal.data() + decimal.size()) number = 0;
  char digits[16];
  return {digits, std::to_chars(digits, digits + sizeof digits, number, 16).ptr};
}

// In lower-case hex digits: %Mf is what tpop3d made of a file's name.
std::string Md5Of(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  POP_CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_md5(), nullptr) == 1);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (unsigned int i = 0; i < length; ++i) {
    hex += kDigits[digest[i] >> 4];
    hex += kDigits[digest[i] & 0xF];
  }
  return hex;
}

}  // namespace

StatusOr<UidlFormat::Variable> UidlFormat::VariableNamed(std::string_view name) {
  if (name == "m") {
    return Unknown(
        "the variable %m of mbox, which no file holds (`poplar import pop3` keeps such UIDLs),");
  }
  if (name == "u" || name == "uid") return Variable::kUid;
  if (name == "v" || name == "uidvalidity") return Variable::kUidValidity;
  if (name == "f" || name == "filename") return Variable::kFilename;
  if (name == "g" || name == "guid") return Variable::kGuid;
  return Unknown("the variable %" + std::string(name));
}

// [-][0]WIDTH or [-][0]OFFSET.[0][-]WIDTH, modifiers, then one letter or a name in braces.
Status UidlFormat::ParseVariable(std::string_view& text, Part& part) {
  const int32_t sign = TakeChar(text, '-') ? -1 : 1;  // It counts for an offset only.
  part.zero_padded = TakeChar(text, '0');
  part.width = TakeNumber(text);
  if (TakeChar(text, '.')) {
    part.offset = sign * part.width;
    part.zero_padded = TakeChar(text, '0');
    const bool negative = TakeChar(text, '-');
    part.width = TakeNumber(text) * (negative ? -1 : 1);
  }
  for (; !text.empty() && text.front() >= 'A' && text.front() <= 'Z'; text.remove_prefix(1)) {
    const char letter = text.front();
    constexpr std::string_view kLetters = "XLUM";  // In the order of Change.
    const size_t index = kLetters.find(letter);
    if (index == std::string_view::npos) {
      return Unknown("the modifier " + std::string(1, letter));
    }
    part.modifiers.push_back({static_cast<Change>(index), 0});
  }
  if (text.empty()) return Unknown("what has no variable behind its %");
  if (TakeChar(text, '{')) return ParseBraces(text, part);
  POP_ASSIGN_OR_RETURN(part.variable, VariableNamed(text.substr(0, 1)));
  text.remove_prefix(1);
  return OkStatus();
}

Status UidlFormat::ParseFilter(std::string_view filter, Part& part) {
  constexpr std::array<std::pair<std::string_view, Change>, 3> kNamed = {
      {{"lower", Change::kLower}, {"upper", Change::kUpper}, {"md5", Change::kMd5}}};
  for (const auto& [name, change] : kNamed) {
    if (filter != name) continue;
    part.modifiers.push_back({change, 0});
    return OkStatus();
  }
  std::string_view rest = filter;
  size_t digits = 0;
  bool known = rest.starts_with("hex");
  rest.remove_prefix(known ? 3 : 0);
  if (TakeChar(rest, '(')) {
    digits = static_cast<size_t>(TakeNumber(rest));
    known = known && TakeChar(rest, ')');
  }
  if (!known || !rest.empty()) return Unknown("the filter " + std::string(filter));
  part.modifiers.push_back({Change::kHex, digits});
  return OkStatus();
}

// NAME or NAME | FILTER | …, up to the brace.
Status UidlFormat::ParseBraces(std::string_view& text, Part& part) {
  const size_t end = text.find('}');
  if (end == std::string_view::npos) return Unknown("a %{ without its }");
  std::string_view inside = text.substr(0, end);
  text.remove_prefix(end + 1);
  const size_t bar = inside.find('|');
  POP_ASSIGN_OR_RETURN(part.variable, VariableNamed(Trimmed(inside.substr(0, bar))));
  inside.remove_prefix(std::min(bar, inside.size()));
  while (TakeChar(inside, '|')) {
    const std::string_view filter = inside.substr(0, inside.find('|'));
    POP_RETURN_IF_ERROR(ParseFilter(Trimmed(filter), part));
    inside.remove_prefix(filter.size());
  }
  return OkStatus();
}

StatusOr<UidlFormat> UidlFormat::Parse(std::string_view text) {
  UidlFormat format;
  while (!text.empty()) {
    Part part;
    if (!TakeChar(text, '%')) {
      part.literal = text.substr(0, text.find('%'));
      text.remove_prefix(part.literal.size());
    } else if (TakeChar(text, '%')) {
      part.literal = "%";
    } else {
      POP_RETURN_IF_ERROR(ParseVariable(text, part));
    }
    format.parts_.push_back(std::move(part));
  }
  const bool varies = std::any_of(format.parts_.begin(), format.parts_.end(), [](const Part& part) {
    return part.variable != Variable::kNone && part.variable != Variable::kUidValidity;
  });
  if (!varies) return Unknown("a format that gives every message the same UIDL");
  return format;
}

std::string UidlFormat::ValueOf(const Part& part, const UidlFields& fields) {
  switch (part.variable) {
    case Variable::kUid:
      return std::to_string(fields.uid);
    case Variable::kUidValidity:
      return std::to_string(fields.uid_validity);
    case Variable::kFilename:
      return std::string(fields.filename);
    case Variable::kGuid:
      return std::string(fields.guid);
    case Variable::kNone:
      break;
  }
  return part.literal;
}

void UidlFormat::Cut(const Part& part, std::string& value) {
  const auto length = static_cast<int32_t>(value.size());
  const int32_t skipped = part.offset < 0 ? std::max(0, length + part.offset) : part.offset;
  value.erase(0, static_cast<size_t>(skipped));
  const auto left = static_cast<int32_t>(value.size());
  if (part.zero_padded) {  // Then nothing is cut off the end.
    if (left < part.width) value.insert(0, static_cast<size_t>(part.width - left), '0');
    return;
  }
  const int32_t kept = part.width < 0 ? left + part.width : part.width;
  if (part.width != 0 && kept >= 0 && kept < left) value.resize(static_cast<size_t>(kept));
}

std::string UidlFormat::Expand(const UidlFields& fields) const {
  std::string uidl;
  for (const Part& part : parts_) {
    std::string value = ValueOf(part, fields);
    for (const Modifier& modifier : part.modifiers) {
      if (modifier.change == Change::kHex) {
        value = HexOf(value);
        if (value.size() < modifier.digits) value.insert(0, modifier.digits - value.size(), '0');
      } else if (modifier.change == Change::kMd5) {
        value = Md5Of(value);
      } else {
        const auto change = modifier.change == Change::kLower ? &Lower : &Upper;
        std::transform(value.begin(), value.end(), value.begin(), change);
      }
    }
    if (part.variable != Variable::kNone) Cut(part, value);
    uidl += value;
  }
  return uidl;
}

}  // namespace poplar::app
