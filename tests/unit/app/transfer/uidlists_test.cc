#include "core/app/transfer/uidlists.h"

#include <gtest/gtest.h>

namespace poplar::app {
namespace {

TEST(MaildirBaseName, FolderAndFlagsDoNotCount) {
  EXPECT_EQ(MaildirBaseName("cur/1.M2.h,S=5:2,S"), "1.M2.h,S=5");
  EXPECT_EQ(MaildirBaseName("1.M2.h"), "1.M2.h");
  EXPECT_EQ(MaildirBaseName("/a:b/1"), "1");
  EXPECT_EQ(MaildirBaseName(":2,"), "");
}

TEST(DovecotUidlist, Version3) {
  const auto list = ParseDovecotUidlist(
      "3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1\n"
      "25006 W4096 Pold-uidl O7 G00ff :1276528487.M364837P9451.kurkku,S=1355,W=1394:2,\n"
      "25017 P :1276533073.M242911P3632.kurkku:2,F\n"
      "25021 :with space:2,\n");
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->uid_validity, 1'275'660'208U);
  ASSERT_EQ(list->entries.size(), 3U);
  EXPECT_EQ(list->entries[0].uid, 25'006U);
  EXPECT_EQ(list->entries[0].base_name, "1276528487.M364837P9451.kurkku,S=1355,W=1394");
  EXPECT_EQ(list->entries[0].pop3_uidl, "old-uidl");
  EXPECT_EQ(list->entries[0].pop3_order, 7U);
  EXPECT_EQ(list->entries[0].guid, "00ff");
  EXPECT_EQ(list->entries[1].pop3_uidl, "");
  EXPECT_FALSE(list->entries[2].pop3_uidl.has_value());
  EXPECT_EQ(list->entries[2].base_name, "with space");
  EXPECT_EQ(list->entries[1].line, "25017 P :1276533073.M242911P3632.kurkku:2,F");
  EXPECT_EQ(list->next_uid, 25'022U);
  EXPECT_EQ(list->other_fields, " G3085f01b7f11094c501100008c4a11c1");
}

TEST(DovecotUidlist, Version1) {
  const auto list = ParseDovecotUidlist("1 1275660208 3\n1 a.M1.h:2,S\r\n2 b.M1.h\n");
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->entries.size(), 2U);
  EXPECT_EQ(list->entries[0].base_name, "a.M1.h");
  EXPECT_EQ(list->entries[1].uid, 2U);
  EXPECT_EQ(list->entries[0].line, "1 :a.M1.h:2,S");
  EXPECT_EQ(list->next_uid, 3U);
  EXPECT_EQ(ParseDovecotUidlist("1 9\n7 a.M1.h\n")->next_uid, 8U);  // What it says is too little.
}

TEST(DovecotUidlist, LinesThatAreNotUnderstoodAreLeftOut) {
  const auto list = ParseDovecotUidlist(
      "3 V1 N9\n"
      "\n"
      "0 :zero\n"
      "x :no-number\n"
      "4294967296 :too-large\n"
      "5 P1\n"
      "6 Oxx :bad-order\n"
      "7 P2 :\n"
      "8 :good");
  ASSERT_TRUE(list.ok());
  ASSERT_EQ(list->entries.size(), 1U);
  EXPECT_EQ(list->entries[0].base_name, "good");
}

TEST(DovecotUidlist, WhatIsNoList) {
  for (const char* const bad :
       {"", "2 V1\n", "4 V1 N2\n", "3 N2\n", "3 Vx\n", "3 V0\n", "1 x 2\n", "/3 1 2\n"}) {
    EXPECT_EQ(ParseDovecotUidlist(bad).status().code(), StatusCode::kInvalidArgument) << bad;
  }
}

TEST(CourierList, TheVersions) {
  const auto third = ParseCourierList(
      "/3 12 1275660208\n"
      "1276528487.M1P2.h,S=1355:2,S 1394 7:1275660208:0\n"
      "1276528488.M1P2.h 10 8:0:1\n");
  ASSERT_TRUE(third.ok()) << third.status();
  ASSERT_EQ(third->entries.size(), 2U);
  EXPECT_EQ(third->entries[0].base_name, "1276528487.M1P2.h,S=1355");
  EXPECT_EQ(third->entries[0].uidl, "UID7-1275660208");
  EXPECT_EQ(third->entries[1].uidl, "UID8");
  const auto second = ParseCourierList("/2 12 5\na.M1.h 10 3:5\n");
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->entries.at(0).uidl, "UID3-5");
  // Without a number the name is the UIDL.
  const auto first = ParseCourierList("/1 12\na+b.h:2,S 10 0\nc 10 4\n");
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->entries.at(0).uidl, "a+2Bb.h");
  EXPECT_EQ(first->entries.at(1).uidl, "UID4");
}

TEST(CourierList, WhatIsNotUnderstood) {
  EXPECT_FALSE(ParseCourierList("").ok());
  EXPECT_FALSE(ParseCourierList("/4 1 2\n").ok());
  EXPECT_FALSE(ParseCourierList("3 V1 N2\n").ok());
  const auto list =
      ParseCourierList("/3 1 2\n\nname\nname 1\n 1 2:3:0\nname 1 x:3:0\nname 1 2:y:0\n");
  ASSERT_TRUE(list.ok());
  EXPECT_TRUE(list->entries.empty());
}

TEST(CourierUidlOfName, EscapesWhatCourierDid) {
  EXPECT_EQ(CourierUidlOfName("1.M2 'x'+\"\x7f\xc3.h"), "1.M2+20+27x+27+2B+22+7F+C3.h");
}

}  // namespace
}  // namespace poplar::app
