// Stored passwords of arbitrary bytes. Reading must end and be bounded; what is said of a value by
// the different doors must agree; SCRAM's keys read back as they are written. Quick digests are
// verified too: nothing but the clear text itself may fit by chance.

#include "auth/schemes/stored_password.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "auth/schemes/digest_schemes.h"
#include "auth/schemes/password_hasher.h"
#include "auth/schemes/scram_keys.h"
#include "auth/schemes/stored_fields.h"
#include "core/base/check.h"

namespace poplar::auth {
namespace {

void CheckFields(std::string_view text) {
  std::string joined;
  for (const std::string_view field : SplitFields(text, '$')) {
    joined.append(field).append("$");
  }
  joined.pop_back();
  POP_CHECK(joined == text);
  if (const auto count = ParseCount(text)) POP_CHECK(std::to_string(*count) == text);
  if (const auto bytes = DecodeBase64(text)) {
    POP_CHECK(EncodeBase64(*bytes) == text || EncodeBase64Unpadded(*bytes) == text);
  }
  if (const auto bytes = DecodeHex(text)) POP_CHECK(2 * bytes->size() == text.size());
  DecodeAdaptedBase64(text);
}

void CheckScram(std::string_view text, bool usable) {
  const std::optional<ScramKeys> keys = ParseScramKeys(text);
  if (!keys) return;
  POP_CHECK(usable);
  POP_CHECK(keys->iterations > 0 && keys->iterations <= kScramIterationsMax);
  POP_CHECK(keys->stored_key.size() == keys->server_key.size());
  POP_CHECK(ParseScramKeys(FormatScramKeys(*keys)) == keys);
}

void Check(std::string_view text) {
  CheckFields(text);
  const std::optional<StoredPassword> parsed = ParseStoredPassword(text);
  const bool usable = CheckStoredHash(text, WeakSchemes::kAllow).ok();
  const bool strong = CheckStoredHash(text).ok();
  POP_CHECK(!strong || usable);
  POP_CHECK(!usable || parsed);
  POP_CHECK(SchemeName(text) == (text.empty() ? "none"
                                 : parsed     ? parsed->scheme->name
                                              : "unknown"));
  CheckScram(text, usable);
  static const PasswordHasher hasher({.prefix = "$y$", .cost = 1});
  hasher.NeedsRehash(text, base::Secret("x"));
  if (!usable) return;
  const SchemeFamily* family = parsed->scheme->family;
  if (family == &kPlainFamily) {
    POP_CHECK(family->verify(*parsed, parsed->data) == HashVerdict::kMatch);
    POP_CHECK(family->verify(*parsed, std::string(parsed->data) + "x") == HashVerdict::kMismatch);
  } else if (family == &kDigestFamily || family == &kSaltedDigestFamily) {
    POP_CHECK(family->verify(*parsed, "no such password") == HashVerdict::kMismatch);
  }
}

}  // namespace
}  // namespace poplar::auth

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  poplar::auth::Check({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
