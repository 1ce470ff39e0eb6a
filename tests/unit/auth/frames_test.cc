#include "auth/host/frames.h"

#include <gtest/gtest.h>

#include <string>

namespace poplar::auth {
namespace {

QuestionFrame SomeQuestion() {
  QuestionFrame frame;
  frame.id = 0x1122334455667788;
  frame.instance = 3;
  frame.operation = POPLAR_VERIFY_PASSWORD;
  frame.deadline_ms = 10'000;
  frame.login = "alice@example.org";
  frame.secret = base::Secret(std::string_view("pass\0word\xFF", 10));
  frame.mechanism = "";
  frame.client_address = "192.0.2.1";
  return frame;
}

AnswerFrame SomeAnswer() {
  AnswerFrame frame;
  frame.id = 7;
  frame.outcome = POPLAR_OK;
  frame.account = "3f0c";
  frame.address = "Alice@example.org";
  frame.quota_octets = 0;
  frame.verifier = base::Secret("key");
  frame.reason = "from the directory";
  frame.stored_password = base::Secret("{PLAIN}x");
  return frame;
}

std::string Bytes(const StatusOr<base::Secret>& encoded) {
  EXPECT_TRUE(encoded.ok()) << encoded.status();
  return std::string(encoded->Reveal());
}

TEST(Frames, QuestionsComeBackAsTheyWere) {
  const std::string bytes = Bytes(Encode(SomeQuestion()));
  EXPECT_EQ(TypeOf(bytes), FrameType::kQuestion);
  QuestionFrame back;
  ASSERT_TRUE(Decode(bytes, back));
  EXPECT_EQ(back.id, 0x1122334455667788U);
  EXPECT_EQ(back.instance, 3U);
  EXPECT_EQ(back.operation, POPLAR_VERIFY_PASSWORD);
  EXPECT_EQ(back.deadline_ms, 10'000U);
  EXPECT_EQ(back.login, "alice@example.org");
  EXPECT_EQ(back.secret.Reveal(), std::string_view("pass\0word\xFF", 10));
  EXPECT_EQ(back.mechanism, "");
  EXPECT_EQ(back.client_address, "192.0.2.1");
  EXPECT_EQ(Bytes(Encode(back)), bytes);
}

TEST(Frames, AnswersComeBackAsTheyWere) {
  const std::string bytes = Bytes(Encode(SomeAnswer()));
  AnswerFrame back;
  ASSERT_TRUE(Decode(bytes, back));
  EXPECT_EQ(back.quota_octets, 0U);
  EXPECT_EQ(back.quota_messages, std::nullopt);
  EXPECT_EQ(back.stored_password.Reveal(), "{PLAIN}x");
  EXPECT_EQ(Bytes(Encode(back)), bytes);
}

TEST(Frames, SettingsMayRepeat) {
  OpenFrame open;
  open.instance = 1;
  open.settings = {{"server", "a"}, {"server", ""}, {"base", "dc=x"}};
  OpenFrame back;
  ASSERT_TRUE(Decode(Bytes(Encode(open)), back));
  EXPECT_EQ(back.settings, open.settings);
}

TEST(Frames, TenantsMayRepeat) {
  AnswerFrame answer = SomeAnswer();
  answer.tenants = {"name=a\ndomain=a.example\n", "", "name=b\n"};
  AnswerFrame back;
  ASSERT_TRUE(Decode(Bytes(Encode(answer)), back));
  EXPECT_EQ(back.tenants, answer.tenants);
}

TEST(Frames, WhatIsCutOrOfAnotherTypeIsNone) {
  const std::string bytes = Bytes(Encode(SomeQuestion()));
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    QuestionFrame back;
    // Cut between two fields it is a frame with fewer; never what it was.
    if (Decode(std::string_view(bytes).substr(0, cut), back)) {
      EXPECT_EQ(back.client_address, "");
    }
  }
  AnswerFrame answer;
  EXPECT_FALSE(Decode(bytes, answer));
  EXPECT_EQ(TypeOf(""), std::nullopt);
  EXPECT_EQ(TypeOf("\xFF"), std::nullopt);
  EXPECT_EQ(TypeOf(std::string_view("\0", 1)), std::nullopt);
}

TEST(Frames, NoChangedOctetDoesHarm) {
  const std::string bytes = Bytes(Encode(SomeAnswer()));
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xFF}) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      AnswerFrame back;
      if (!Decode(changed, back)) continue;
      EXPECT_LE(back.account.size() + back.address.size() + back.reason.size(), changed.size());
    }
  }
}

TEST(Frames, AreNotLongerThanAPacket) {
  QuestionFrame question = SomeQuestion();
  question.secret = base::Secret(std::string(kFrameBytesMax, 'x'));
  EXPECT_EQ(Encode(question).status().code(), StatusCode::kInvalidArgument);
  question.secret = base::Secret(std::string(kFrameBytesMax - 512, 'x'));
  EXPECT_TRUE(Encode(question).ok());
}

}  // namespace
}  // namespace poplar::auth
