#include "auth/sasl/apop.h"

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include "auth/sasl/names.h"
#include "auth/schemes/stored_fields.h"

namespace poplar::auth {
namespace {

constexpr size_t kDigestBytes = 16;

// Nothing: OpenSSL has no MD5 here (its FIPS provider).
std::optional<std::string> DigestOf(const std::string& timestamp, const base::Secret& password) {
  std::string text = timestamp;
  text.reserve(timestamp.size() + password.Reveal().size());  // At once: no copy is left behind.
  text += password.Reveal();
  std::string digest(kDigestBytes, '\0');
  const int done =
      EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr,
                 EVP_md5(), nullptr);
  base::Wipe(text.data(), text.size());
  return done == 1 ? std::optional(std::move(digest)) : std::nullopt;
}

class ApopMechanism : public SaslMechanism {
 public:
  explicit ApopMechanism(const SaslConnection& connection)
      : timestamp_(connection.apop_timestamp) {}

  SaslStep Step(std::optional<std::string_view> client_bytes) override {
    if (!client_bytes || std::exchange(state_, State::kVerifier) != State::kStart) {
      return kExchangeOver;
    }
    const size_t blank = client_bytes->rfind(' ');
    if (blank == std::string_view::npos) return SaslMalformed{"APOP wants a name and a digest"};
    const std::string_view user = client_bytes->substr(0, blank);
    const std::optional<std::string> digest = DecodeHex(client_bytes->substr(blank + 1));
    if (!IsUserLength(user) || HasNul(user)) return kUserLength;
    if (!digest || digest->size() != kDigestBytes) {
      return SaslMalformed{"the digest is none of 32 digits"};
    }
    digest_ = *digest;
    return SaslVerifierWanted{.user = std::string(user), .mechanism = "APOP"};
  }

  SaslStep TakeVerifier(const Verifier& verifier) override {
    if (std::exchange(state_, State::kOver) != State::kVerifier) return kExchangeOver;
    const std::optional<std::string> wanted = DigestOf(timestamp_, verifier.material);
    return SaslProof{.right = wanted && base::EqualConstantTime(*wanted, digest_)};
  }

 private:
  enum class State : uint8_t { kStart, kVerifier, kOver };

  const std::string timestamp_;
  std::string digest_;
  State state_ = State::kStart;
};

}  // namespace

std::unique_ptr<SaslMechanism> MakeApop(const SaslConnection& connection) {
  return std::make_unique<ApopMechanism>(connection);
}

}  // namespace poplar::auth
