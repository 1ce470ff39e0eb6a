#include "auth/sasl/scram.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "auth/sasl/gs2.h"
#include "auth/sasl/names.h"
#include "auth/schemes/prepared_text.h"
#include "auth/schemes/stored_fields.h"

namespace poplar::auth {
namespace {

constexpr SaslMalformed kBadMessage{"the SCRAM message is malformed"};
constexpr SaslMalformed kBadBinding{"the channel is not bound as it should be"};

bool IsNonce(std::string_view text) {
  return !text.empty() && text.size() <= kScramNonceBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

// The value of the attribute that `text` begins with, which is taken off it with the comma behind.
std::optional<std::string_view> TakeAttribute(std::string_view& text, std::string_view name) {
  if (!text.starts_with(name)) return std::nullopt;
  const size_t end = std::min(text.find(','), text.size());
  const std::string_view value = text.substr(name.size(), end - name.size());
  text.remove_prefix(std::min(end + 1, text.size()));
  return value;
}

class ScramMechanism : public SaslMechanism {
 public:
  ScramMechanism(ScramHash hash, bool plus, const SaslConnection& connection,
                 const std::string& server_nonce)
      : hash_(hash), plus_(plus), connection_(connection), nonce_(server_nonce) {}

  SaslStep Step(std::optional<std::string_view> client_bytes) override {
    switch (std::exchange(state_, State::kOver)) {
      case State::kStart:
        if (!client_bytes) {
          state_ = State::kFirst;
          return SaslChallenge{};
        }
        return TakeFirst(*client_bytes);
      case State::kFirst:
        return client_bytes ? TakeFirst(*client_bytes) : kExchangeOver;
      case State::kFinal:
        return client_bytes ? TakeFinal(*client_bytes) : kExchangeOver;
      case State::kProved:
        // RFC 5034 §4: what the server shows last is a challenge, and its answer is empty.
        if (client_bytes && client_bytes->empty()) return SaslProof{.right = true};
        return kBadMessage;
      case State::kVerifier:
      case State::kOver:
        break;
    }
    return kExchangeOver;
  }

  SaslStep TakeVerifier(const Verifier& verifier) override {
    if (std::exchange(state_, State::kOver) != State::kVerifier) return kExchangeOver;
    keys_ = ParseScramKeys(verifier.material.Reveal());
    if (!keys_ || keys_->hash != hash_) return SaslMalformed{"there are no SCRAM keys"};
    server_first_ = "r=" + nonce_ + ",s=" + EncodeBase64(keys_->salt) +
                    ",i=" + std::to_string(keys_->iterations);
    state_ = State::kFinal;
    return SaslChallenge{server_first_};
  }

 private:
  enum class State : uint8_t { kStart, kFirst, kVerifier, kFinal, kProved, kOver };

  // client-first-message = gs2-header [reserved-mext ","] username "," nonce ["," extensions]
  SaslStep TakeFirst(std::string_view message) {
    const std::optional<Gs2Header> header = ParseGs2Header(message);
    if (!header) return kBadMessage;
    std::optional<std::string> binding = BindingOf(*header);
    if (!binding) return kBadBinding;
    bound_ = EncodeBase64(std::string(header->text) + *binding);
    client_first_bare_ = message.substr(header->text.size());
    std::string_view rest = client_first_bare_;
    if (rest.starts_with("m=")) return SaslMalformed{"an extension is asked for that is not known"};
    const std::optional<std::string_view> name = TakeAttribute(rest, "n=");
    if (!name) return kBadMessage;
    const std::optional<std::string_view> client_nonce = TakeAttribute(rest, "r=");
    if (!client_nonce || !IsNonce(*client_nonce)) return kBadMessage;
    const std::optional<std::string> decoded = DecodeSaslName(*name);
    if (!decoded) return kBadMessage;
    const std::optional<base::Secret> user = SaslPrep(*decoded);
    if (!user || !IsUserLength(user->Reveal())) return kUserLength;
    if (!header->authzid.empty() && !EqualIgnoringCase(header->authzid, *decoded)) {
      return kOtherUser;
    }
    nonce_.insert(0, *client_nonce);
    state_ = State::kVerifier;
    return SaslVerifierWanted{.user = std::string(user->Reveal()),
                              .mechanism = std::string(MechanismName(hash_)),
                              .saw_no_binding = header->binding == Gs2Binding::kUnasked};
  }

  // What the channel is bound by; nothing: not by what this form of the mechanism wants.
  std::optional<std::string> BindingOf(const Gs2Header& header) const {
    if (!plus_) {
      const bool lied_to = header.binding == Gs2Binding::kUnasked && connection_.binding_offered;
      return header.binding == Gs2Binding::kBound || lied_to ? std::nullopt
                                                             : std::optional<std::string>("");
    }
    if (header.binding != Gs2Binding::kBound) return std::nullopt;
    std::string binding;
    if (header.binding_type == "tls-exporter") binding = connection_.tls_exporter;
    if (header.binding_type == "tls-server-end-point") binding = connection_.tls_server_end_point;
    return binding.empty() ? std::nullopt : std::optional(std::move(binding));
  }

  // client-final-message = channel-binding "," nonce ["," extensions] "," proof
  SaslStep TakeFinal(std::string_view message) {
    const size_t proof_at = message.rfind(",p=");
    if (proof_at == std::string_view::npos) return kBadMessage;
    const std::string_view without_proof = message.substr(0, proof_at);
    const std::optional<std::string> proof = DecodeBase64(message.substr(proof_at + 3));
    std::string_view rest = without_proof;
    const std::optional<std::string_view> bound = TakeAttribute(rest, "c=");
    const std::optional<std::string_view> nonce = TakeAttribute(rest, "r=");
    if (!proof || !bound || !nonce) return kBadMessage;
    if (*bound != bound_) return kBadBinding;
    if (*nonce != nonce_) return SaslMalformed{"the nonce is another one"};
    const std::string auth_message =
        client_first_bare_ + "," + server_first_ + "," + std::string(without_proof);
    if (!IsScramProof(*keys_, auth_message, *proof)) return SaslProof{.right = false};
    state_ = State::kProved;
    return SaslChallenge{"v=" + EncodeBase64(ScramServerSignature(*keys_, auth_message))};
  }

  const ScramHash hash_;
  const bool plus_;
  const SaslConnection connection_;
  State state_ = State::kStart;
  std::string nonce_;  // The server's, then both.
  std::string bound_;  // What "c=" has to say.
  std::string client_first_bare_;
  std::string server_first_;
  std::optional<ScramKeys> keys_;
};

}  // namespace

std::unique_ptr<SaslMechanism> MakeScram(ScramHash hash, bool plus,
                                         const SaslConnection& connection,
                                         const std::string& server_nonce) {
  return std::make_unique<ScramMechanism>(hash, plus, connection, server_nonce);
}

}  // namespace poplar::auth
