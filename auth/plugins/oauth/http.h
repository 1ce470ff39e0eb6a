// One request to a server of the issuer's, by libcurl. Any thread; it blocks until its deadline at
// most.

#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "auth/plugins/oauth/settings.h"

namespace poplar::oauth {

using Deadline = std::chrono::steady_clock::time_point;

inline constexpr size_t kReplyBytesMax = 1 << 20;

struct Request {
  std::string url;
  std::optional<std::string> form;  // Posted, in "x-www-form-urlencoded"; nothing: fetched.
};

// The body of a reply of status 200; nothing, and why.
std::optional<std::string> Fetch(const Request& request, const Settings& settings,
                                 Deadline deadline, std::string& fault);

// For a form.
std::string UrlEncode(const std::string& text);

}  // namespace poplar::oauth
