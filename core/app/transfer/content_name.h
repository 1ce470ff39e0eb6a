// A name for a mail that has none: what it says. Two mails have the same one only if they are the
// same, whoever wrote them.

#pragma once

#include <string>

#include "core/app/transfer/byte_source.h"
#include "core/base/status.h"

namespace poplar::app {

// The SHA-256 of all that `mail` still gives, in 64 hexadecimal digits: a sound UIDL. Errors are
// those of `mail`.
StatusOr<std::string> NameByContent(ByteSource& mail);

}  // namespace poplar::app
