#include "core/app/transfer/content_name.h"

#include <openssl/evp.h>

#include <array>
#include <memory>
#include <vector>

#include "core/base/check.h"

namespace poplar::app {
namespace {

constexpr size_t kPieceBytes = 64 * 1024;

}  // namespace

StatusOr<std::string> NameByContent(ByteSource& mail) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> digest(EVP_MD_CTX_new(),
                                                                  &EVP_MD_CTX_free);
  POP_CHECK(digest != nullptr && EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr) == 1);
  std::vector<char> piece(kPieceBytes);
  while (true) {
    POP_ASSIGN_OR_RETURN(const size_t bytes, mail.Read(piece));
    if (bytes == 0) break;
    POP_CHECK(EVP_DigestUpdate(digest.get(), piece.data(), bytes) == 1);
  }
  std::array<unsigned char, 32> octets;
  POP_CHECK(EVP_DigestFinal_ex(digest.get(), octets.data(), nullptr) == 1);
  constexpr char kHex[] = "0123456789abcdef";
  std::string name;
  for (const unsigned char octet : octets) name += {kHex[octet >> 4], kHex[octet & 15]};
  return name;
}

}  // namespace poplar::app
