// JSON Web Keys and signed tokens (RFC 7517, RFC 7515, RFC 8037), by libcjose, and by OpenSSL where
// that does not know the algorithm. Any thread.

#pragma once

#include <cjose/cjose.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/plugins/oauth/claims.h"
#include "auth/plugins/oauth/ed25519.h"

namespace poplar::oauth {

inline constexpr size_t kKeysMax = 64;
inline constexpr size_t kRsaBitsMin = 2048;

// Keys that signatures can be checked by; immutable.
class KeySet {
 public:
  // Those of a JWK set that are fit for it: the rest is left out. Null, and why: it is no such set,
  // or none of it is fit.
  static std::shared_ptr<const KeySet> Parse(std::string_view json, std::string& fault);

  size_t size() const { return keys_.size(); }

 private:
  friend class SignedToken;
  struct FreeKey {
    void operator()(cjose_jwk_t* key) const { cjose_jwk_release(key); }
  };
  struct Key {
    std::unique_ptr<cjose_jwk_t, FreeKey> key;  // Null: it is the next.
    std::optional<Ed25519Key> ed25519;
    std::string id;         // Empty: it has none.
    std::string algorithm;  // Empty: any of its kind.
  };
  // Nothing: it is not fit, or of no kind that is known.
  static std::optional<Key> ReadKey(json_t* jwk);

  std::vector<Key> keys_;
};

enum class SignatureVerdict { kGood, kWrong, kNoKey };

class SignedToken {
 public:
  // Nothing: it is no JWS in compact form, or asks for what we do not know ("crit").
  static std::optional<SignedToken> Parse(std::string_view text);

  const std::string& algorithm() const { return algorithm_; }
  // kNoKey: the set has none of the token's name and kind.
  SignatureVerdict Verify(const KeySet& keys);
  // What it says, signed or not; null: no JSON object.
  Json Claims() const;

 private:
  struct FreeJws {
    void operator()(cjose_jws_t* jws) const { cjose_jws_release(jws); }
  };
  SignedToken() = default;
  bool Import();
  bool IsSignedBy(const KeySet::Key& key);

  std::unique_ptr<cjose_jws_t, FreeJws> jws_;  // Of an algorithm that libcjose knows; else null.
  std::string text_;
  std::string plain_;  // Without jws_: what it says, and its signature.
  std::string signature_;
  std::string algorithm_;
  std::string key_id_;
};

}  // namespace poplar::oauth
