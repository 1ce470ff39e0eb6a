// Which mailboxes are to be moved: one, those of a list, or those that a pattern of paths finds.

#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/app/transfer/parallel.h"

namespace poplar::app {

// Lines of two columns with a TAB between them; blank lines and those with `#` in front are none.
// kInvalidArgument names the line that is not so.
StatusOr<std::vector<std::pair<std::string, std::string>>> ParsePairs(std::string_view text);

// The parts of a name where `pattern` has %u and %d; false if the name is not of that form. Both
// stand for one octet or more, none of them `/` or `@`, and as few as will do.
bool MatchPattern(std::string_view pattern, std::string_view name, std::string& user,
                  std::string& domain);

// Every path of the form of `pattern` (`/var/vmail/%d/%u/Maildir`), with the address `%u@%d`,
// sorted by address. kInvalidArgument: %u or %d is missing. Folders that cannot be read are errors.
StatusOr<std::vector<MailboxTask>> ExpandTree(std::string_view pattern);

}  // namespace poplar::app
