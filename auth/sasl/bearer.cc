#include "auth/sasl/bearer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "auth/sasl/gs2.h"
#include "auth/sasl/names.h"

namespace poplar::auth {
namespace {

constexpr char kSeparator = '\x01';
constexpr SaslMalformed kBadMessage{"the message with the token is malformed"};

// RFC 6750 §2.1. Also what nobody would have to quote anywhere.
bool IsToken(std::string_view text) {
  const size_t end = text.find_last_not_of('=');
  return end != std::string_view::npos &&
         std::all_of(text.begin(), text.begin() + static_cast<ptrdiff_t>(end) + 1, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  std::string_view("-._~+/").find(c) != std::string_view::npos;
         });
}

// "Bearer TOKEN": the token, or nothing.
std::optional<std::string_view> TokenOf(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (!EqualIgnoringCase(authorization.substr(0, kScheme.size()), kScheme)) return std::nullopt;
  const std::string_view token = authorization.substr(
      std::min(authorization.find_first_not_of(' ', kScheme.size()), authorization.size()));
  return IsToken(token) ? std::optional(token) : std::nullopt;
}

// The pairs "key=value", each with a separator behind it and one more behind the last.
struct Pairs {
  std::string_view user;
  std::string_view auth;
};

std::optional<Pairs> ParsePairs(std::string_view text) {
  Pairs pairs;
  while (!text.empty() && text.front() != kSeparator) {
    const size_t end = text.find(kSeparator);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view pair = text.substr(0, end);
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string_view key = pair.substr(0, equals);
    for (auto [name, value] : {std::pair("user", &pairs.user), std::pair("auth", &pairs.auth)}) {
      if (key != name) continue;
      if (!value->empty()) return std::nullopt;
      *value = pair.substr(equals + 1);
    }
    text.remove_prefix(end + 1);
  }
  return text == std::string_view(&kSeparator, 1) ? std::optional(pairs) : std::nullopt;
}

class BearerMechanism : public SaslMechanism {
 public:
  explicit BearerMechanism(bool xoauth2) : xoauth2_(xoauth2) {}

  SaslStep Step(std::optional<std::string_view> client_bytes) override {
    if (!client_bytes && !asked_) {
      asked_ = true;
      return SaslChallenge{};
    }
    if (!client_bytes || std::exchange(over_, true)) return kExchangeOver;
    return xoauth2_ ? TakeXoauth2(*client_bytes) : TakeOauthBearer(*client_bytes);
  }

  SaslChallenge RefuseToken() override {
    // XOAUTH2 has it as Google does, RFC 7628 §3.2.2 by RFC 6750's words.
    return {xoauth2_ ? R"({"status":"400","schemes":"Bearer"})" : R"({"status":"invalid_token"})"};
  }

 private:
  // "user=" NAME ^A "auth=Bearer " TOKEN ^A ^A
  static SaslStep TakeXoauth2(std::string_view message) {
    const std::optional<Pairs> pairs = ParsePairs(message);
    if (!pairs) return kBadMessage;
    return Token(pairs->user, pairs->auth);
  }

  // RFC 7628 §3.1: gs2-header ^A *(key "=" value ^A) ^A
  static SaslStep TakeOauthBearer(std::string_view message) {
    const std::optional<Gs2Header> header = ParseGs2Header(message);
    if (!header) return kBadMessage;
    if (header->binding == Gs2Binding::kBound) {
      return SaslMalformed{"OAUTHBEARER binds no channel"};
    }
    std::string_view rest = message.substr(header->text.size());
    if (!rest.starts_with(kSeparator)) return kBadMessage;
    rest.remove_prefix(1);
    const std::optional<Pairs> pairs = ParsePairs(rest);
    if (!pairs || !pairs->user.empty()) return kBadMessage;
    // RFC 7628 §3.1 would have it derived from the token, which nobody can read before it is known
    // whose issuers count: that goes by the tenant, and the tenant by the name.
    if (header->authzid.empty()) {
      return SaslMalformed{"the client does not say whose token it is (a=)"};
    }
    return Token(header->authzid, pairs->auth);
  }

  static SaslStep Token(std::string_view user, std::string_view authorization) {
    if (!IsUserLength(user) || HasNul(user)) return kUserLength;
    const std::optional<std::string_view> token = TokenOf(authorization);
    if (!token) return SaslMalformed{"there is no bearer token"};
    return SaslToken{std::string(user), base::Secret(*token)};
  }

  const bool xoauth2_;
  bool asked_ = false;
  bool over_ = false;
};

}  // namespace

std::unique_ptr<SaslMechanism> MakeOauthBearer() {
  return std::make_unique<BearerMechanism>(/*xoauth2=*/false);
}
std::unique_ptr<SaslMechanism> MakeXoauth2() {
  return std::make_unique<BearerMechanism>(/*xoauth2=*/true);
}

}  // namespace poplar::auth
