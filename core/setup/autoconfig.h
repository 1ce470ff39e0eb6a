// Mail settings as Thunderbird, and many others after it, read them: Mozilla's autoconfig,
// clientConfig 1.1.

#pragma once

#include <string>

#include "core/setup/mail_settings.h"

namespace poplar::setup {

// The same for all users of the domain: their programs fill the address in. REQUIRES: they log in
// by anything but SCRAM, for which clientConfig has no word.
std::string AutoconfigXml(const MailSettings& settings);

}  // namespace poplar::setup
