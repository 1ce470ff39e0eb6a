// Domains as DNS has them, and as people write them (RFC 3490). Pure; any thread.

#pragma once

#include <string>
#include <string_view>

namespace poplar::setup {

// "bücher.example" is "xn--bcher-kva.example". In lower case; empty: no domain can be called so.
std::string AsciiDomain(std::string_view domain);
// The other way round; what is no such name stays as it is.
std::string UnicodeDomain(std::string_view domain);

// Whether others can find a host by it: not by one name alone, as "mailhost", nor by "localhost".
bool IsPublicName(std::string_view host);

struct MailAddress {
  std::string_view user;
  std::string_view domain;
};
// The two halves of an address; both empty: it is none. What is in them is only known to be UTF-8
// without blanks and control characters, and not too long.
MailAddress SplitAddress(std::string_view address);

}  // namespace poplar::setup
