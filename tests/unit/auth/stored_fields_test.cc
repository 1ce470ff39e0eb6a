#include "auth/schemes/stored_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace poplar::auth {
namespace {

using testing::ElementsAre;
using testing::Eq;
using testing::Optional;

TEST(SplitFields, KeepsEmptyOnes) {
  EXPECT_THAT(SplitFields("", '$'), ElementsAre(""));
  EXPECT_THAT(SplitFields("$a$$b", '$'), ElementsAre("", "a", "", "b"));
  EXPECT_THAT(SplitFields("a$", '$'), ElementsAre("a", ""));
}

TEST(ParseCount, HasOneSpellingANumber) {
  EXPECT_THAT(ParseCount("0"), Optional(0U));
  EXPECT_THAT(ParseCount("4294967295"), Optional(4294967295U));
  for (const char* bad : {"", "4294967296", "-1", "+1", " 1", "1 ", "01", "00", "0x1", "1e3"}) {
    EXPECT_EQ(ParseCount(bad), std::nullopt) << bad;
  }
}

// RFC 4648 §10.
TEST(Base64, ReadsWhatItWrites) {
  for (const auto& [bytes, text] : {std::pair("", ""), std::pair("f", "Zg=="),
                                    std::pair("fo", "Zm8="), std::pair("foob", "Zm9vYg==")}) {
    EXPECT_EQ(EncodeBase64(bytes), text);
    EXPECT_THAT(DecodeBase64(text), Optional(Eq(bytes)));
    EXPECT_THAT(DecodeBase64(EncodeBase64Unpadded(bytes)), Optional(Eq(bytes)));
  }
  EXPECT_EQ(EncodeBase64Unpadded("f"), "Zg");
  EXPECT_THAT(DecodeBase64("+/+/"), Optional(Eq("\xfb\xff\xbf")));
}

TEST(Base64, TakesNothingElse) {
  for (const char* bad : {"Z", "Zg=", "Zg===", "Zh==", "Zh", "Z g==", "Zg==\n", "=", "Zg=a", "Zm9-",
                          "Zm9.", "Zg..", "\xff\xff\xff\xff"}) {
    EXPECT_EQ(DecodeBase64(bad), std::nullopt) << bad;
  }
}

TEST(Base64, PasslibsHasADotForThePlus) {
  EXPECT_THAT(DecodeAdaptedBase64("./.."), Optional(Eq("\xfb\xff\xbe")));
  EXPECT_THAT(DecodeAdaptedBase64("Zg"), Optional(Eq("f")));
  for (const char* bad : {"+/+/", "Zg==", "Zh"}) EXPECT_EQ(DecodeAdaptedBase64(bad), std::nullopt);
}

TEST(DecodeHex, TakesBothCases) {
  EXPECT_THAT(DecodeHex("00fFa9"), Optional(Eq(std::string("\0\xff\xa9", 3))));
  EXPECT_THAT(DecodeHex(""), Optional(Eq("")));
  for (const char* bad : {"0", "0g", " 0", "0x00"}) EXPECT_EQ(DecodeHex(bad), std::nullopt) << bad;
}

}  // namespace
}  // namespace poplar::auth
