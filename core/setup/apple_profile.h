// Mail settings as Apple's devices take them: a configuration profile (.mobileconfig) with one
// account.

#pragma once

#include <string>
#include <string_view>

#include "core/setup/mail_settings.h"

namespace poplar::setup {

// Of this user; the device asks for the password. The same whenever it is made, so that a second
// one takes the place of the first. REQUIRES: settings.smtp, without which no profile may be, and
// that users log in by the password itself: Apple has words for that and for what Poplar has not.
std::string AppleProfile(const MailSettings& settings, std::string_view address);

}  // namespace poplar::setup
