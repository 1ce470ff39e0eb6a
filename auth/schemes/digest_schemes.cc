#include "auth/schemes/digest_schemes.h"

#include <openssl/evp.h>

#include <array>
#include <memory>
#include <string>

#include "auth/schemes/stored_fields.h"
#include "core/base/secret.h"

namespace poplar::auth {
namespace {

size_t DigestBytes(const StoredPassword& stored) {
  return static_cast<size_t>(EVP_MD_get_size(stored.scheme->digest()));
}

// Digest and salt; nothing where the text is no such thing.
std::optional<std::string> Decode(const StoredPassword& stored, bool salted) {
  const size_t bytes = DigestBytes(stored);
  const bool hex =
      stored.encoding == Encoding::kHex ||
      (stored.encoding == Encoding::kAsUsual && !salted && stored.data.size() == 2 * bytes);
  std::optional<std::string> decoded = hex ? DecodeHex(stored.data) : DecodeBase64(stored.data);
  if (!decoded || (salted ? decoded->size() <= bytes : decoded->size() != bytes)) {
    return std::nullopt;
  }
  return decoded;
}

template <bool salted>
std::optional<Strength> ExamineDigest(const StoredPassword& stored) {
  return Decode(stored, salted) ? std::optional(Strength::kWeak) : std::nullopt;
}

template <bool salted>
HashVerdict VerifyDigest(const StoredPassword& stored, std::string_view password) {
  const std::optional<std::string> expected = Decode(stored, salted);
  if (!expected) return HashVerdict::kUnusable;
  const std::string_view digest = std::string_view(*expected).substr(0, DigestBytes(stored));
  const std::string_view salt = std::string_view(*expected).substr(digest.size());

  std::array<unsigned char, EVP_MAX_MD_SIZE> computed;
  unsigned int computed_bytes = 0;
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  if (!context || EVP_DigestInit_ex(context.get(), stored.scheme->digest(), nullptr) != 1 ||
      EVP_DigestUpdate(context.get(), password.data(), password.size()) != 1 ||
      EVP_DigestUpdate(context.get(), salt.data(), salt.size()) != 1 ||
      EVP_DigestFinal_ex(context.get(), computed.data(), &computed_bytes) != 1) {
    return HashVerdict::kUnusable;  // Where only approved digests may be used, say.
  }
  const std::string_view computed_view(reinterpret_cast<const char*>(computed.data()),
                                       computed_bytes);
  return base::EqualConstantTime(computed_view, digest) ? HashVerdict::kMatch
                                                        : HashVerdict::kMismatch;
}

std::optional<Strength> ExaminePlain(const StoredPassword& stored) {
  return stored.data.empty() ? std::nullopt : std::optional(Strength::kWeak);
}

HashVerdict VerifyPlain(const StoredPassword& stored, std::string_view password) {
  return base::EqualConstantTime(stored.data, password) ? HashVerdict::kMatch
                                                        : HashVerdict::kMismatch;
}

}  // namespace

const SchemeFamily kDigestFamily = {.examine = &ExamineDigest<false>,
                                    .verify = &VerifyDigest<false>};
const SchemeFamily kSaltedDigestFamily = {.examine = &ExamineDigest<true>,
                                          .verify = &VerifyDigest<true>};
const SchemeFamily kPlainFamily = {.examine = &ExaminePlain, .verify = &VerifyPlain};

}  // namespace poplar::auth
