#include "auth/sasl/clear_text.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "auth/sasl/names.h"

namespace poplar::auth {
namespace {

constexpr SaslMalformed kPasswordLength{"the password is too long"};

// RFC 4616 §2: message = [authzid] NUL authcid NUL passwd.
SaslStep ParsePlain(std::string_view message) {
  const size_t first = message.find('\0');
  if (first == std::string_view::npos) return SaslMalformed{"PLAIN wants two NULs"};
  const size_t second = message.find('\0', first + 1);
  if (second == std::string_view::npos) return SaslMalformed{"PLAIN wants two NULs"};
  const std::string_view authzid = message.substr(0, first);
  const std::string_view user = message.substr(first + 1, second - first - 1);
  const std::string_view password = message.substr(second + 1);
  if (!IsUserLength(user)) return kUserLength;
  if (password.size() > kPasswordBytesMax) return kPasswordLength;
  if (HasNul(password)) return kNul;
  if (!authzid.empty() && !EqualIgnoringCase(authzid, user)) return kOtherUser;
  return SaslCredentials{std::string(authzid), std::string(user), base::Secret(password)};
}

class PlainMechanism : public SaslMechanism {
 public:
  SaslStep Step(std::optional<std::string_view> client_bytes) override {
    if (!client_bytes && !asked_) {
      asked_ = true;
      return SaslChallenge{};
    }
    if (!client_bytes || std::exchange(over_, true)) return kExchangeOver;
    return ParsePlain(*client_bytes);
  }

 private:
  bool asked_ = false;
  bool over_ = false;
};

// The prompts are part of the mechanism: clients compare them, or their first letter.
class LoginMechanism : public SaslMechanism {
 public:
  SaslStep Step(std::optional<std::string_view> client_bytes) override {
    switch (state_) {
      case State::kStart:
        state_ = State::kUser;
        if (!client_bytes) return SaslChallenge{"Username:"};
        [[fallthrough]];
      case State::kUser:
        return client_bytes ? TakeUser(*client_bytes) : End(kExchangeOver);
      case State::kPassword:
        return client_bytes ? TakePassword(*client_bytes) : End(kExchangeOver);
      case State::kOver:
        break;
    }
    return kExchangeOver;
  }

 private:
  enum class State : uint8_t { kStart, kUser, kPassword, kOver };

  SaslStep End(SaslStep step) {
    state_ = State::kOver;
    return step;
  }
  SaslStep TakeUser(std::string_view user) {
    if (!IsUserLength(user)) return End(kUserLength);
    if (HasNul(user)) return End(kNul);
    user_ = user;
    state_ = State::kPassword;
    return SaslChallenge{"Password:"};
  }
  SaslStep TakePassword(std::string_view password) {
    if (password.size() > kPasswordBytesMax) return End(kPasswordLength);
    if (HasNul(password)) return End(kNul);
    return End(SaslCredentials{"", std::move(user_), base::Secret(password)});
  }

  State state_ = State::kStart;
  std::string user_;
};

}  // namespace

std::unique_ptr<SaslMechanism> MakePlain() { return std::make_unique<PlainMechanism>(); }
std::unique_ptr<SaslMechanism> MakeLogin() { return std::make_unique<LoginMechanism>(); }

}  // namespace poplar::auth
