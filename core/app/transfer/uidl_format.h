// Dovecot's `pop3_uidl_format`: how it makes the UIDLs that mail programs remember. Pure; any
// thread.
//
// Known are the variables %u (uid), %v (uidvalidity), %f (file name without flags), %g (GUID) in
// the syntax of version 2.3 (`%08Xu%08Xv`, `%X{uid}`) with the modifiers L, U, X and M, offset and
// width, and in that of 2.4 (`%{uid | hex(8)}`) with the filters hex, lower, upper and md5. %m, an
// MD5 of headers that Dovecot offers for mbox only, is refused: no file has it.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/status.h"

namespace poplar::app {

inline constexpr std::string_view kDefaultUidlFormat = "%08Xu%08Xv";

// What Dovecot knows of a message.
struct UidlFields {
  uint32_t uid = 0;
  uint32_t uid_validity = 0;
  std::string_view filename;
  std::string_view guid;
};

class UidlFormat {
 public:
  // kInvalidArgument: not such a format, or with something that is not known here.
  static StatusOr<UidlFormat> Parse(std::string_view text);

  std::string Expand(const UidlFields& fields) const;

 private:
  enum class Variable : uint8_t { kNone, kUid, kUidValidity, kFilename, kGuid };
  enum class Change : uint8_t { kHex, kLower, kUpper, kMd5 };
  struct Modifier {
    Change change = Change::kHex;
    size_t digits = 0;  // Of kHex, at least.
  };
  // A literal, or a variable with what is done to it.
  struct Part {
    std::string literal;
    Variable variable = Variable::kNone;
    std::vector<Modifier> modifiers;  // In order.
    int32_t offset = 0;               // Negative: from the end.
    int32_t width = 0;                // 0: all of it. Negative: all but so many.
    bool zero_padded = false;
  };

  static StatusOr<Variable> VariableNamed(std::string_view name);
  static Status ParseVariable(std::string_view& text, Part& part);
  static Status ParseBraces(std::string_view& text, Part& part);
  static Status ParseFilter(std::string_view filter, Part& part);
  static std::string ValueOf(const Part& part, const UidlFields& fields);
  static void Cut(const Part& part, std::string& value);

  std::vector<Part> parts_;
};

}  // namespace poplar::app
