#include "core/proto/pop3/base64.h"

#include <gtest/gtest.h>

#include <string>

#include "core/base/limits.h"

namespace poplar::pop3 {
namespace {

std::string Encode(std::string_view bytes) {
  base::ByteBuffer out;
  AppendBase64(bytes, out);
  return std::string(out.view());
}

// What it decodes to; `!` when it is refused.
std::string Decode(std::string_view text) {
  base::Secret bytes;
  return DecodeBase64(text, bytes) ? std::string(bytes.Reveal()) : "!";
}

TEST(Base64, VectorsOfRfc4648Section10) {
  const std::pair<const char*, const char*> kVectors[] = {{"", ""},
                                                          {"f", "Zg=="},
                                                          {"fo", "Zm8="},
                                                          {"foo", "Zm9v"},
                                                          {"foob", "Zm9vYg=="},
                                                          {"fooba", "Zm9vYmE="},
                                                          {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : kVectors) {
    EXPECT_EQ(Encode(plain), encoded);
    EXPECT_EQ(Decode(encoded), plain);
  }
}

TEST(Base64, EveryByteInEveryPlaceComesBack) {
  for (size_t length = 1; length <= 4; ++length) {
    for (int byte = 0; byte < 256; ++byte) {
      for (size_t place = 0; place < length; ++place) {
        std::string bytes(length, '\x5A');
        bytes[place] = static_cast<char>(byte);
        ASSERT_EQ(Decode(Encode(bytes)), bytes);
      }
    }
  }
}

TEST(Base64, OnlyTheOneSpellingIsTaken) {
  for (const char* text :
       {"Z", "Zg", "Zg=", "Zg===", "=", "==", "====", "Zm=v", "Z===", "Zm9v=", "Zm9v====", "Zm 9",
        "Zm9v\n", "Zm9-", "Zm9_", "Zh==", "Zm9=", "Zm\xC3\xA9"}) {
    EXPECT_EQ(Decode(text), "!") << text;
  }
  EXPECT_EQ(Decode(std::string_view("Zm\0v", 4)), "!");
}

TEST(Base64, ALineAtItsLimitFits) {
  const std::string bytes(size_t{kSaslLineBytesMax} / 4 * 3, 'x');
  const std::string encoded = Encode(bytes);
  ASSERT_EQ(encoded.size(), kSaslLineBytesMax);
  EXPECT_EQ(Decode(encoded), bytes);
}

TEST(Base64, ARefusedTextLeavesTheSecretAlone) {
  base::Secret bytes("before");
  EXPECT_FALSE(DecodeBase64("Zm9?", bytes));
  EXPECT_EQ(bytes.Reveal(), "before");
}

}  // namespace
}  // namespace poplar::pop3
