// Names and passwords as stringprep (RFC 3454) prepares them, so that what looks alike is alike.
// Any thread.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/secret.h"

namespace poplar::auth {

// By SASLprep (RFC 4013), as clients prepare names and passwords. Nothing: it forbids `text`, or
// that is no UTF-8 or holds a NUL.
std::optional<base::Secret> SaslPrep(std::string_view text);

// One form for all spellings of a name that differ by case, or by what Unicode calls compatible (a
// letter of double width): as Nameprep (RFC 3491) has it. What is ASCII or no UTF-8 stays as it is.
std::string FoldName(std::string_view name);

}  // namespace poplar::auth
