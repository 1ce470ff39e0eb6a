// What is answered to a mail program that asks how it is to be set up. Goes by domains alone:
// nothing tells whether there is a user. Any octets may come in. Pure; any thread.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/setup/mail_settings.h"

namespace poplar::setup {

struct SetupRequest {
  std::string_view method = {};
  std::string_view path = {};     // Decoded, without the query.
  std::string_view host = {};     // Of the Host header; may have a port.
  std::string_view address = {};  // As AddressIn gives it; may be empty.
  std::string_view body = {};
};

enum class SetupPage : uint8_t { kAutoconfig, kAutodiscover, kApple, kNone };
inline constexpr size_t kSetupPages = 4;
std::string_view Name(SetupPage page);

struct SetupAnswer {
  SetupPage page = SetupPage::kNone;
  unsigned status = 404;  // Of HTTP.
  std::string body = {};
  std::string_view content_type = "text/plain; charset=utf-8";
  std::string_view allow = {};  // With 405.
  std::string file_name = {};   // To be kept under this name, not shown.
};

SetupPage PageOf(std::string_view path);
// What a request's target has as `emailaddress` in its query, decoded; empty: nothing. No address
// holds a blank, so "+" stands for itself, as "%2B" does, and not for one as in forms.
std::string AddressIn(std::string_view target);

SetupAnswer AnswerTo(const SetupRequest& request, const SetupFacts& facts,
                     const TenantPolicies& policies);

}  // namespace poplar::setup
