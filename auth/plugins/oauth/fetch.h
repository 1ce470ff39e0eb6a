// One request to a server of the issuer's. Any thread; it blocks until its deadline at most.

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "auth/plugins/common/deadline.h"
#include "auth/plugins/common/secret_text.h"
#include "auth/plugins/oauth/settings.h"

namespace poplar::oauth {

inline constexpr size_t kReplyBytesMax = 1 << 20;

struct Request {
  std::string url;
  // Posted, in "x-www-form-urlencoded"; nothing: fetched.
  std::optional<plugins::SecretText> form = {};
};

// The body of a reply of status 200; nothing, and why.
std::optional<plugins::SecretText> Fetch(const Request& request, const Settings& settings,
                                         plugins::Deadline deadline, std::string& fault);

// For a form.
plugins::SecretText UrlEncode(std::string_view text);

}  // namespace poplar::oauth
