#include "auth/plugins/oauth/claims.h"

#include <algorithm>
#include <vector>

namespace poplar::oauth {
namespace {

std::string_view TextOf(const json_t* value) {
  if (!IsText(value)) return {};
  return {json_string_value(value), json_string_length(value)};
}

// A text, or a list of them. With `words`, a text is words between blanks.
std::vector<std::string> ListOf(const json_t* value, bool words) {
  std::vector<std::string> all;
  if (IsList(value)) {
    for (size_t i = 0; i < json_array_size(value); ++i) {
      all.emplace_back(TextOf(json_array_get(value, i)));
    }
  } else if (IsText(value)) {
    std::string_view rest = TextOf(value);
    while (words && rest.find(' ') != std::string_view::npos) {
      all.emplace_back(rest.substr(0, rest.find(' ')));
      rest.remove_prefix(rest.find(' ') + 1);
    }
    all.emplace_back(rest);
  }
  return all;
}

bool Has(const std::vector<std::string>& all, const std::string& one) {
  return !one.empty() && std::ranges::find(all, one) != all.end();
}

Verdict Refuse(std::string reason) { return {POPLAR_REFUSED, std::move(reason)}; }

// Empty: in time.
std::string TimeFault(const json_t* claims, const Settings& settings, int64_t now_s,
                      bool introspected) {
  const json_t* const expires = json_object_get(claims, "exp");
  const json_t* const begins = json_object_get(claims, "nbf");
  const double leeway_s = settings.leeway_s;
  const auto now = static_cast<double>(now_s);
  if (expires == nullptr && !introspected) return "the token does not say when it ends";
  if (expires != nullptr && !IsNumber(expires)) return "the token's \"exp\" is no number";
  if (expires != nullptr && now >= json_number_value(expires) + leeway_s) {
    return "the token is expired";
  }
  if (begins != nullptr && !IsNumber(begins)) return "the token's \"nbf\" is no number";
  if (begins != nullptr && now + leeway_s < json_number_value(begins)) {
    return "the token is not valid yet";
  }
  return "";
}

// The login name that the token is of; empty: it says none.
std::string UserOf(const json_t* claims, const Settings& settings) {
  std::string user(TextOf(json_object_get(claims, settings.user_claim.c_str())));
  for (char& c : user) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (!user.empty() && user.find('@') == std::string::npos && !settings.default_domain.empty()) {
    user += "@" + settings.default_domain;
  }
  return user;
}

}  // namespace

Json ParseObject(std::string_view text) {
  Json json(json_loadb(text.data(), text.size(), JSON_REJECT_DUPLICATES, nullptr));
  return IsObject(json.get()) ? std::move(json) : nullptr;
}

Verdict CheckClaims(const json_t* claims, const Settings& settings, std::string_view login,
                    int64_t now_s, bool introspected) {
  const json_t* const issuer = json_object_get(claims, "iss");
  const bool issuer_given = issuer != nullptr || !introspected;
  if (issuer_given && !settings.issuer.empty() && TextOf(issuer) != settings.issuer) {
    return {POPLAR_UNKNOWN, "a token of another issuer"};
  }
  const std::vector<std::string> audience = ListOf(json_object_get(claims, "aud"), /*words=*/false);
  if (std::ranges::none_of(settings.audience,
                           [&](const std::string& ours) { return Has(audience, ours); })) {
    return Refuse("the token is for somebody else (\"aud\")");
  }
  std::string fault = TimeFault(claims, settings, now_s, introspected);
  if (!fault.empty()) return Refuse(std::move(fault));
  const json_t* const scope = json_object_get(claims, "scope");
  const std::vector<std::string> scopes =
      ListOf(scope != nullptr ? scope : json_object_get(claims, "scp"), /*words=*/true);
  for (const std::string& wanted : settings.scope) {
    if (!Has(scopes, wanted)) return Refuse("the token lacks the scope " + wanted);
  }
  const std::string user = UserOf(claims, settings);
  if (user.empty()) return Refuse("the token names no user (\"" + settings.user_claim + "\")");
  // Some issuers write a text.
  const json_t* const verified = json_object_get(claims, "email_verified");
  const bool unverified =
      IsFalse(verified) ||
      (IsText(verified) && std::string_view("true") != json_string_value(verified));
  if (settings.user_claim == "email" && unverified) {
    return Refuse("the address in the token was not verified");
  }
  if (user != login) return Refuse("the token is of another user");
  return {POPLAR_OK, ""};
}

}  // namespace poplar::oauth
