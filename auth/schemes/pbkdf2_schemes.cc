#include "auth/schemes/pbkdf2_schemes.h"

#include <openssl/evp.h>

#include <vector>

#include "auth/schemes/stored_fields.h"
#include "core/base/secret.h"

namespace poplar::auth {
namespace {

struct Pbkdf2 {
  uint32_t rounds = 0;
  std::string salt;
  std::string key;
};

std::optional<Pbkdf2> Checked(const StoredPassword& stored, std::optional<uint32_t> rounds,
                              std::optional<std::string> salt, std::optional<std::string> key) {
  if (!rounds || *rounds == 0 || *rounds > kPbkdf2RoundsMax || !salt || salt->empty() || !key ||
      key->size() != static_cast<size_t>(EVP_MD_get_size(stored.scheme->digest()))) {
    return std::nullopt;
  }
  return Pbkdf2{.rounds = *rounds, .salt = std::move(*salt), .key = std::move(*key)};
}

// "", "1", salt, rounds, hex.
std::optional<Pbkdf2> ParseDovecot(const StoredPassword& stored) {
  const std::vector<std::string_view> fields = SplitFields(stored.data, '$');
  if (fields.size() != 5) return std::nullopt;
  return Checked(stored, ParseCount(fields[3]), std::string(fields[2]), DecodeHex(fields[4]));
}

// "", "pbkdf2-...", rounds, salt, hash.
std::optional<Pbkdf2> ParsePasslib(const StoredPassword& stored) {
  const std::vector<std::string_view> fields = SplitFields(stored.data, '$');
  if (fields.size() != 5) return std::nullopt;
  return Checked(stored, ParseCount(fields[2]), DecodeAdaptedBase64(fields[3]),
                 DecodeAdaptedBase64(fields[4]));
}

// rounds, salt, hash.
std::optional<Pbkdf2> ParseLdap(const StoredPassword& stored) {
  const std::vector<std::string_view> fields = SplitFields(stored.data, '$');
  if (fields.size() != 3) return std::nullopt;
  return Checked(stored, ParseCount(fields[0]), DecodeAdaptedBase64(fields[1]),
                 DecodeAdaptedBase64(fields[2]));
}

using Parse = std::optional<Pbkdf2> (*)(const StoredPassword&);

template <Parse parse>
std::optional<Strength> Examine(const StoredPassword& stored) {
  const std::optional<Pbkdf2> parsed = parse(stored);
  if (!parsed) return std::nullopt;
  return parsed->rounds < kPbkdf2RoundsStrongMin ? Strength::kWeak : Strength::kStrong;
}

template <Parse parse>
HashVerdict Verify(const StoredPassword& stored, std::string_view password) {
  const std::optional<Pbkdf2> parsed = parse(stored);
  if (!parsed) return HashVerdict::kUnusable;
  const std::optional<std::string> key =
      DerivePbkdf2(stored.scheme->digest(), password, parsed->salt, parsed->rounds);
  if (!key) return HashVerdict::kUnusable;
  return base::EqualConstantTime(*key, parsed->key) ? HashVerdict::kMatch : HashVerdict::kMismatch;
}

}  // namespace

const SchemeFamily kPbkdf2DovecotFamily = {.examine = &Examine<&ParseDovecot>,
                                           .verify = &Verify<&ParseDovecot>};
const SchemeFamily kPbkdf2PasslibFamily = {.examine = &Examine<&ParsePasslib>,
                                           .verify = &Verify<&ParsePasslib>};
const SchemeFamily kPbkdf2LdapFamily = {.examine = &Examine<&ParseLdap>,
                                        .verify = &Verify<&ParseLdap>};

std::optional<std::string> DerivePbkdf2(const evp_md_st* digest, std::string_view password,
                                        std::string_view salt, uint32_t rounds) {
  std::string key(static_cast<size_t>(EVP_MD_get_size(digest)), '\0');
  if (PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                        reinterpret_cast<const unsigned char*>(salt.data()),
                        static_cast<int>(salt.size()), static_cast<int>(rounds), digest,
                        static_cast<int>(key.size()),
                        reinterpret_cast<unsigned char*>(key.data())) != 1) {
    return std::nullopt;
  }
  return key;
}

}  // namespace poplar::auth
