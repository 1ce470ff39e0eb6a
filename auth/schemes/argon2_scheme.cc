#include "auth/schemes/argon2_scheme.h"

#include <argon2.h>
#include <openssl/rand.h>

#include <array>
#include <optional>
#include <vector>

#include "auth/schemes/stored_fields.h"
#include "core/base/check.h"
#include "core/base/secret.h"

namespace poplar::auth {
namespace {

constexpr uint32_t kNewSaltBytes = 16;
constexpr uint32_t kNewHashBytes = 32;

struct Argon2 {
  argon2_type type = Argon2_id;
  uint32_t version = ARGON2_VERSION_10;  // Of hashes that name none.
  uint32_t memory_kib = 0;
  uint32_t passes = 0;
  uint32_t lanes = 0;
  std::string salt;
  std::string hash;  // Empty in a setting.

  uint64_t work_kib() const { return uint64_t{memory_kib} * passes; }
};

// The number behind `name`.
std::optional<uint32_t> Named(std::string_view field, std::string_view name) {
  if (!field.starts_with(name)) return std::nullopt;
  return ParseCount(field.substr(name.size()));
}

// "m=65536,t=3,p=4".
bool ParseCosts(std::string_view text, Argon2& argon2) {
  const std::vector<std::string_view> fields = SplitFields(text, ',');
  if (fields.size() != 3) return false;
  const std::optional<uint32_t> memory_kib = Named(fields[0], "m=");
  const std::optional<uint32_t> passes = Named(fields[1], "t=");
  const std::optional<uint32_t> lanes = Named(fields[2], "p=");
  if (!memory_kib || !passes || !lanes) return false;
  argon2.memory_kib = *memory_kib;
  argon2.passes = *passes;
  argon2.lanes = *lanes;
  return true;
}

bool WithinBounds(const Argon2& argon2) {
  const bool hash_fits = argon2.hash.empty() || (argon2.hash.size() >= kArgon2HashBytesMin &&
                                                 argon2.hash.size() <= kArgon2HashBytesMax);
  return argon2.lanes >= 1 && argon2.lanes <= kArgon2LanesMax && argon2.passes >= 1 &&
         argon2.memory_kib >= ARGON2_MIN_MEMORY * argon2.lanes &&
         argon2.memory_kib <= kArgon2MemoryKibMax && argon2.work_kib() <= kArgon2WorkKibMax &&
         argon2.salt.size() >= kArgon2SaltBytesMin && argon2.salt.size() <= kArgon2SaltBytesMax &&
         hash_fits;
}

// "", "argon2id", "v=19", costs, salt, and the hash unless it is a setting.
std::optional<Argon2> Parse(std::string_view text) {
  std::vector<std::string_view> fields = SplitFields(text, '$');
  Argon2 argon2;
  if (fields.size() > 2 && fields[2].starts_with("v=")) {
    if (fields[2] != "v=19" && fields[2] != "v=16") return std::nullopt;
    if (fields[2] == "v=19") argon2.version = ARGON2_VERSION_13;
    fields.erase(fields.begin() + 2);
  }
  if (fields.size() != 4 && fields.size() != 5) return std::nullopt;
  if (fields[1] != "argon2id" && fields[1] != "argon2i") return std::nullopt;
  argon2.type = fields[1] == "argon2id" ? Argon2_id : Argon2_i;
  if (!ParseCosts(fields[2], argon2)) return std::nullopt;
  std::optional<std::string> salt = DecodeBase64(fields[3]);
  std::optional<std::string> hash = fields.size() == 5 ? DecodeBase64(fields[4]) : "";
  if (!salt || !hash || (fields.size() == 5 && hash->empty())) return std::nullopt;
  argon2.salt = std::move(*salt);
  argon2.hash = std::move(*hash);
  return WithinBounds(argon2) ? std::optional(std::move(argon2)) : std::nullopt;
}

// Empty: libargon2 refused, most often for want of memory.
std::string Compute(const Argon2& argon2, std::string_view password, size_t hash_bytes) {
  std::string hash(hash_bytes, '\0');
  argon2_context context{};
  context.out = reinterpret_cast<uint8_t*>(hash.data());
  context.outlen = static_cast<uint32_t>(hash.size());
  // libargon2 reads them only, unless a flag tells it to wipe.
  context.pwd = reinterpret_cast<uint8_t*>(const_cast<char*>(password.data()));
  context.pwdlen = static_cast<uint32_t>(password.size());
  context.salt = reinterpret_cast<uint8_t*>(const_cast<char*>(argon2.salt.data()));
  context.saltlen = static_cast<uint32_t>(argon2.salt.size());
  context.t_cost = argon2.passes;
  context.m_cost = argon2.memory_kib;
  context.lanes = argon2.lanes;
  context.threads = 1;
  context.version = argon2.version;
  context.flags = ARGON2_DEFAULT_FLAGS;
  return argon2_ctx(&context, argon2.type) == ARGON2_OK ? hash : "";
}

std::optional<Strength> Examine(const StoredPassword& stored) {
  const std::optional<Argon2> argon2 = Parse(stored.data);
  if (!argon2 || argon2->hash.empty()) return std::nullopt;
  return argon2->work_kib() < kArgon2WorkKibStrongMin ? Strength::kWeak : Strength::kStrong;
}

HashVerdict Verify(const StoredPassword& stored, std::string_view password) {
  const std::optional<Argon2> argon2 = Parse(stored.data);
  if (!argon2 || argon2->hash.empty()) return HashVerdict::kUnusable;
  const std::string computed = Compute(*argon2, password, argon2->hash.size());
  if (computed.empty()) return HashVerdict::kUnusable;
  return base::EqualConstantTime(computed, argon2->hash) ? HashVerdict::kMatch
                                                         : HashVerdict::kMismatch;
}

}  // namespace

const SchemeFamily kArgon2Family = {.examine = &Examine, .verify = &Verify};

std::string NewArgon2Setting(uint32_t memory_kib) {
  std::array<unsigned char, kNewSaltBytes> salt;
  POP_CHECK(RAND_bytes(salt.data(), static_cast<int>(salt.size())) == 1);
  const std::string setting =
      std::string(kArgon2idPrefix) + "v=" + std::to_string(ARGON2_VERSION_13) +
      "$m=" + std::to_string(memory_kib == 0 ? kArgon2MemoryKib : memory_kib) +
      ",t=" + std::to_string(kArgon2Passes) + ",p=1$" +
      EncodeBase64Unpadded({reinterpret_cast<const char*>(salt.data()), salt.size()});
  return Parse(setting) ? setting : "";
}

std::string ComputeArgon2(std::string_view setting, std::string_view password) {
  const std::optional<Argon2> argon2 = Parse(setting);
  if (!argon2 || !argon2->hash.empty()) return "";
  const std::string hash = Compute(*argon2, password, kNewHashBytes);
  return hash.empty() ? "" : std::string(setting) + "$" + EncodeBase64Unpadded(hash);
}

}  // namespace poplar::auth
