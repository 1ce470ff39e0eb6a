#include "auth/sasl/external.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "auth/sasl/names.h"

namespace poplar::auth {
namespace {

class ExternalMechanism : public SaslMechanism {
 public:
  explicit ExternalMechanism(const SaslConnection& connection)
      : names_(connection.certificate_names) {}

  SaslStep Step(std::optional<std::string_view> client_bytes) override {
    if (!client_bytes && !asked_) {
      asked_ = true;
      return SaslChallenge{};
    }
    if (!client_bytes || std::exchange(over_, true)) return kExchangeOver;
    if (names_.empty()) return SaslMalformed{"the client showed no certificate that is good"};
    const std::string_view authzid = *client_bytes;
    if (HasNul(authzid)) return kNul;
    if (authzid.empty()) {
      if (names_.size() > 1) return SaslMalformed{"the certificate names several users"};
      return Identity(names_.front());
    }
    const auto named = std::ranges::find_if(
        names_, [&](const std::string& name) { return EqualIgnoringCase(name, authzid); });
    return named == names_.end() ? SaslStep(kOtherUser) : Identity(*named);
  }

 private:
  static SaslStep Identity(const std::string& name) {
    if (!IsUserLength(name)) return kUserLength;
    return SaslIdentity{name};
  }

  const std::vector<std::string> names_;
  bool asked_ = false;
  bool over_ = false;
};

}  // namespace

std::unique_ptr<SaslMechanism> MakeExternal(const SaslConnection& connection) {
  return std::make_unique<ExternalMechanism>(connection);
}

}  // namespace poplar::auth
