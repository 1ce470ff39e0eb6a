// Mail settings as Outlook asks for them: "plain old XML" autodiscover ([MS-OXDSCLI]).

#pragma once

#include <string>
#include <string_view>

#include "core/setup/mail_settings.h"

namespace poplar::setup {

// A longer request is refused unread.
inline constexpr size_t kAutodiscoverBytesMax = 8192;

// What is wrong with a request, by the codes of the protocol.
enum class AutodiscoverFault { kNone = 0, kInvalidRequest = 600, kOtherSchema = 601 };

struct AutodiscoverRequest {
  AutodiscoverFault fault = AutodiscoverFault::kNone;
  std::string address;  // Without a fault; whatever the client wrote there.
};
// Any octets. No document type is taken, and no entity but XML's own five.
AutodiscoverRequest ParseAutodiscover(std::string_view body);

// `address` is the user's, which Outlook wants back. REQUIRES: users log in by the password itself:
// what else there is to say here, SPA, is NTLM.
std::string AutodiscoverXml(const MailSettings& settings, std::string_view address);
// REQUIRES: it is one.
std::string AutodiscoverFaultXml(AutodiscoverFault fault);

}  // namespace poplar::setup
