#include "core/app/transfer/held_messages.h"

#include <gtest/gtest.h>

namespace poplar::app {
namespace {

// Messages of a mailbox, each with the old server's UIDL, or none, and its stable name.
std::vector<SourceMessage> Messages(
    const std::vector<std::pair<std::string, std::string>>& old_uidls) {
  std::vector<SourceMessage> messages;
  UidlGiver giver;
  for (const auto& [old_uidl, stable_name] : old_uidls) {
    SourceMessage& message = messages.emplace_back();
    message.stable_name = stable_name;
    giver.Give(old_uidl, stable_name, message);
  }
  return messages;
}

std::unordered_set<std::string> UidlsOf(const std::vector<SourceMessage>& messages) {
  std::unordered_set<std::string> uidls;
  for (const SourceMessage& message : messages) uidls.insert(message.uidl);
  return uidls;
}

TEST(HeldMessages, AUidlThatWasNotKnownYet) {
  const auto before = Messages({{"u1", "1.h"}, {"", "2.h"}, {"", "not sound"}});
  const auto now = Messages({{"u1", "1.h"}, {"u2", "2.h"}, {"u3", "not sound"}, {"u4", "4.h"}});
  HeldMessages held(now, UidlsOf(before));
  EXPECT_EQ(held.Find(now[0]), "u1");
  EXPECT_EQ(held.Find(now[1]), "2.h");
  EXPECT_EQ(held.Find(now[2]), before[2].uidl);
  EXPECT_EQ(held.Find(now[3]), "");
}

TEST(HeldMessages, CopiesAreCounted) {
  const auto before = Messages({{"", "a b"}, {"", "a b"}});
  const auto now = Messages({{"u1", "a b"}, {"u2", "a b"}, {"u3", "a b"}});
  HeldMessages held(now, UidlsOf(before));
  EXPECT_EQ(held.Find(now[0]), before[0].uidl);
  EXPECT_EQ(held.Find(now[1]), before[1].uidl);
  EXPECT_EQ(held.Find(now[2]), "");
}

// What still bears the name is there itself, and is nobody else.
TEST(HeldMessages, OneIsKnownNowAndItsCopyNotYet) {
  const auto before = Messages({{"", "a b"}, {"", "a b"}});
  const auto now = Messages({{"u1", "a b"}, {"", "a b"}});
  HeldMessages held(now, UidlsOf(before));
  EXPECT_EQ(held.Find(now[0]), before[1].uidl);
  EXPECT_EQ(held.Find(now[1]), before[0].uidl);
}

TEST(HeldMessages, AnotherMessagesUidlIsNoName) {
  const auto now = Messages({{"2.h", "1.h"}, {"u2", "2.h"}});
  HeldMessages held(now, {"2.h"});
  EXPECT_EQ(held.Find(now[0]), "2.h");
  EXPECT_EQ(held.Find(now[1]), "");
}

TEST(HeldMessages, WhoseUidlIsAlwaysKnownHasNoOther) {
  const auto now = Messages({{"u1", ""}, {"name", "name"}, {"u2", "2.h"}});
  EXPECT_FALSE(HeldMessages::MayHaveOtherUidl(now[0]));
  EXPECT_FALSE(HeldMessages::MayHaveOtherUidl(now[1]));
  EXPECT_TRUE(HeldMessages::MayHaveOtherUidl(now[2]));
}

}  // namespace
}  // namespace poplar::app
