// Names as DNS has them: in ASCII, without a dot at their end. Pure; any thread.

#pragma once

#include <string_view>

namespace poplar::base {

// RFC 1123 §2.1: labels of letters, digits and '-', with dots between.
bool IsDomainName(std::string_view name);
// Whether others can find a host by it: not by one label alone ("mailhost"), by "localhost", or by
// an address ("192.0.2.5").
bool IsPublicName(std::string_view name);

}  // namespace poplar::base
