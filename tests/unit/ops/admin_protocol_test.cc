#include "core/ops/admin_protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace poplar::ops {
namespace {

using nlohmann::json;

std::string_view WithoutEnd(const std::string& line) {
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  return std::string_view(line).substr(0, line.size() - 1);
}

TEST(AdminProtocol, RequestsComeBackAsTheyWere) {
  const std::string line = EncodeRequest("session.kick", {{"user", "a\nb\xc3\xbc"}});
  const auto request = DecodeRequest(WithoutEnd(line));
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->command, "session.kick");
  EXPECT_EQ(request->arguments, (json{{"user", "a\nb\xc3\xbc"}}));
  EXPECT_EQ(DecodeRequest(R"({"command":"x"})")->arguments, json::object());
}

TEST(AdminProtocol, RepliesComeBackAsTheyWere) {
  const auto result = DecodeReply(WithoutEnd(EncodeReply(json{{"kicked", 3}})));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(*result, (json{{"kicked", 3}}));

  const auto error =
      DecodeReply(WithoutEnd(EncodeReply(MakeStatus(StatusCode::kNotFound, "no session 17"))));
  EXPECT_EQ(error.status(), MakeStatus(StatusCode::kNotFound, "no session 17"));
}

TEST(AdminProtocol, TextThatIsNotUtf8IsShownAllTheSame) {
  const auto result = DecodeReply(WithoutEnd(EncodeReply(json{{"user", "\xff"}})));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ((*result)["user"], "\xef\xbf\xbd");
}

TEST(AdminProtocol, MalformedRequestsSayWhatIsWrong) {
  for (const std::string_view line :
       {"", "x", "[]", "{", "{}", R"({"command":7})", R"({"command":"x","arguments":[]})",
        R"({"command":"x"} trailing)", "\xff"})
    EXPECT_EQ(DecodeRequest(line).status().code(), StatusCode::kInvalidArgument) << line;
  EXPECT_FALSE(DecodeRequest(std::string(kAdminRequestBytesMax, '[')).ok());
}

TEST(AdminProtocol, MalformedRepliesAreAnError) {
  for (const std::string_view line : {"", "7", "{}", R"({"error":1})", R"({"error":{"code":1}})",
                                      R"({"error":{"code":"NOT_FOUND"}})"})
    EXPECT_EQ(DecodeReply(line).status().code(), StatusCode::kInternal) << line;
  EXPECT_EQ(DecodeReply(R"({"error":{"code":"NEW","message":"m"}})").status().code(),
            StatusCode::kUnknown);
}

}  // namespace
}  // namespace poplar::ops
