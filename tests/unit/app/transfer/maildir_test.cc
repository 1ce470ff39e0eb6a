#include "core/app/transfer/maildir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace poplar::app {
namespace {

using testing::ElementsAre;

class MaildirTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "poplar-maildir-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    path_ = name;
    for (const char* folder : {"cur", "new", "tmp"}) {
      std::filesystem::create_directory(path_ + "/" + folder);
    }
    options_.format = *UidlFormat::Parse("%u");
  }
  void TearDown() override { std::filesystem::remove_all(path_); }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(path_ + "/" + name) << text;
  }
  std::vector<std::string> Uidls() {
    source_ = *OpenMaildir(path_, options_);
    std::vector<std::string> uidls;
    for (const SourceMessage& message : source_->messages()) uidls.push_back(message.uidl);
    return uidls;
  }
  std::string Read(size_t message) {
    const auto source = source_->Open(message);
    if (!source.ok()) return "error: " + std::string(Message(source.status()));
    std::string text;
    std::array<char, 3> piece;
    for (size_t got = 1; got > 0;) {
      got = *(*source)->Read(piece);
      text.append(piece.data(), got);
    }
    return text;
  }

  std::string path_;
  MaildirOptions options_;
  std::unique_ptr<MailboxSource> source_;
};

TEST_F(MaildirTest, ByDovecotsListInItsOrder) {
  Write("cur/30.M1.h:2,S", "three");
  Write("cur/10.M1.h,S=3:2,", "one");
  Write("new/20.M1.h", "two");
  Write("new/40.M1.h", "not listed");
  Write("tmp/50.M1.h", "arriving");
  Write("cur/.hidden", "");
  Write("dovecot-uidlist",
        "3 V9 N8\n3 :20.M1.h\n5 :10.M1.h,S=3:2,RS\n6 Psaved O1 :30.M1.h:2,\n7 :gone.M1.h\n");
  EXPECT_THAT(Uidls(), ElementsAre("saved", "3", "5", "40.M1.h"));
  EXPECT_EQ(source_->messages()[3].fate, UidlFate::kUnknown);
  EXPECT_EQ(source_->messages()[0].stable_name, "30.M1.h");
  EXPECT_EQ(Read(0), "three");
  EXPECT_EQ(Read(2), "one");
}

TEST_F(MaildirTest, ByCouriersList) {
  Write("cur/9.M2.h:2,S", "");
  Write("cur/10.M1.h:2,S", "");
  Write("cur/10.M0.h:2,S", "");
  Write("courierpop3dsizelist", "/3 9 77\n10.M1.h:2, 5 4:77:0\n9.M2.h 5 6:77:0\n");
  EXPECT_THAT(Uidls(), ElementsAre("UID6-77", "10.M0.h", "UID4-77"));
  options_.uidls = UidlSource::kFilename;
  EXPECT_THAT(Uidls(), ElementsAre("9.M2.h", "10.M0.h", "10.M1.h"));
  std::filesystem::remove(path_ + "/courierpop3dsizelist");
  options_.uidls = UidlSource::kCourier;
  Write("new/11.M+1.h", "");
  EXPECT_THAT(Uidls(), ElementsAre("9.M2.h", "10.M0.h", "10.M1.h", "11.M+2B1.h"));
}

TEST_F(MaildirTest, UidlsThatCannotBeKept) {
  Write("cur/1.h", "");
  Write("cur/2.h", "");
  Write("cur/3.h", "");
  Write("cur/4.h" + std::string(80, 'x'), "");
  Write("dovecot-uidlist", "3 V9 N8\n1 Psame :1.h\n2 Psame :2.h\n3 Pb\xc3\xa4 :3.h\n4 P" +
                               std::string(71, 'u') + " :4.h" + std::string(80, 'x') + "\n");
  const std::vector<std::string> first = Uidls();
  EXPECT_THAT(std::vector(first.begin(), first.begin() + 3), ElementsAre("same", "2.h", "3.h"));
  EXPECT_EQ(first[3].size(), 33U);  // Of a name that is too long, too: its hash.
  std::vector<UidlFate> fates;
  for (const SourceMessage& message : source_->messages()) fates.push_back(message.fate);
  EXPECT_THAT(fates, ElementsAre(UidlFate::kKept, UidlFate::kDuplicate, UidlFate::kBadOctets,
                                 UidlFate::kTooLong));
  EXPECT_EQ(Uidls(), first);  // The same at every run.
}

TEST_F(MaildirTest, HeadersFirst) {
  Write("cur/1.h", "Subject: x\nx-uidl:  from-header \n\nX-UIDL: body\n");
  Write("cur/2.h", "Subject: x\n\nX-UIDL: body\n");
  Write("cur/3.h", "X-UIDL: saved-wins\r\n\r\n");
  Write("dovecot-uidlist", "3 V9 N8\n1 :1.h\n2 :2.h\n3 Psaved :3.h\n");
  EXPECT_THAT(Uidls(), ElementsAre("1", "2", "saved"));
  options_.header_first = true;
  EXPECT_THAT(Uidls(), ElementsAre("from-header", "2", "saved"));
}

TEST_F(MaildirTest, FilesThatMoveMeanwhile) {
  Write("new/1.h", "one");
  Write("new/2.h", "two");
  Write("cur/2.h:2,S", "two");
  EXPECT_THAT(Uidls(), ElementsAre("1.h", "2.h"));
  std::filesystem::rename(path_ + "/new/1.h", path_ + "/cur/1.h:2,RS");
  EXPECT_EQ(Read(0), "one");
  std::filesystem::remove(path_ + "/cur/2.h:2,S");
  EXPECT_THAT(Read(1), testing::HasSubstr("was deleted meanwhile"));
}

TEST_F(MaildirTest, WhatIsLeftOut) {
  Write("cur/1.h", "\x1f\x8b\x08packed");
  Write("cur/2.h", "B");
  std::filesystem::create_directories(path_ + "/.Sent/cur");
  std::filesystem::create_directories(path_ + "/.Trash.2024/cur");
  std::filesystem::create_directories(path_ + "/cur/folder");
  EXPECT_THAT(Uidls(), ElementsAre("1.h", "2.h"));
  EXPECT_THAT(source_->notes(),
              ElementsAre("2 subfolders are left out: POP3 knows the inbox only",
                          "it has no dovecot-uidlist and no courierpop3dsizelist"));
  EXPECT_THAT(Read(0), testing::HasSubstr("is compressed"));
  EXPECT_EQ(Read(1), "B");
  EXPECT_EQ(OpenMaildir(path_ + "/cur", options_).status().code(), StatusCode::kNotFound);
}

// Whoever imports it may read more than its owner.
TEST_F(MaildirTest, NothingIsReadThroughALink) {
  namespace fs = std::filesystem;
  const std::string secret = path_ + "/secret";
  Write("secret", "3 V9 N8\n1 Pabc :1.h\n");
  Write("cur/1.h:2,", "one");
  fs::create_symlink(secret, path_ + "/cur/2.h:2,");
  fs::create_symlink(path_ + "/nowhere", path_ + "/new/3.h");
  ASSERT_EQ(mkfifo((path_ + "/new/4.h").c_str(), 0600), 0);
  EXPECT_THAT(Uidls(), ElementsAre("1.h", "2.h", "3.h", "4.h"));
  EXPECT_THAT(source_->notes(),
              testing::Contains("3 are links, or no files: links in a mailbox are not followed"));
  EXPECT_EQ(Read(0), "one");
  EXPECT_THAT(Read(1), testing::HasSubstr("cur/2.h:2, is a link"));
  EXPECT_THAT(Read(2), testing::HasSubstr("new/3.h is a link"));
  EXPECT_THAT(Read(3), testing::HasSubstr("new/4.h is no file"));
  fs::remove(path_ + "/cur/1.h:2,");  // After it was found.
  fs::create_symlink(secret, path_ + "/cur/1.h:2,");
  EXPECT_THAT(Read(0), testing::HasSubstr("is a link"));

  for (const char* const list : {"/dovecot-uidlist", "/courierpop3dsizelist"}) {
    fs::create_symlink(secret, path_ + list);
    EXPECT_EQ(OpenMaildir(path_, options_).status().code(), StatusCode::kInvalidArgument) << list;
    fs::remove(path_ + list);
  }
  // What was named may be a link, what was found in folders not.
  const std::string link = path_ + "/link";
  fs::create_symlink(path_, link);
  EXPECT_TRUE(OpenMaildir(link, options_).ok());
  EXPECT_TRUE(OpenMaildir(path_, options_, path_.rfind('/') + 1).ok());
  EXPECT_EQ(OpenMaildir(link, options_, link.rfind('/') + 1).status().code(),
            StatusCode::kInvalidArgument);
  fs::rename(path_ + "/new", path_ + "/elsewhere");
  fs::create_symlink(path_ + "/elsewhere", path_ + "/new");
  EXPECT_EQ(OpenMaildir(path_, options_).status().code(), StatusCode::kInvalidArgument);
}

TEST(ReceivedUsOf, TheEarlierOfNameAndFile) {
  constexpr int64_t kModified = 1'500'000'000'000'000;
  EXPECT_EQ(ReceivedUsOf("1400000000.M123456P7.h", kModified), 1'400'000'000'123'456);
  EXPECT_EQ(ReceivedUsOf("1600000000.M123456P7.h", kModified), kModified);
  EXPECT_EQ(ReceivedUsOf("1400000000.h", kModified), 1'400'000'000'000'000);
  EXPECT_EQ(ReceivedUsOf("1400000000.M9999999.h", kModified), 1'400'000'000'000'000);
  EXPECT_EQ(ReceivedUsOf("msg.abc", kModified), kModified);
  EXPECT_EQ(ReceivedUsOf("99999999999999999999.h", kModified), kModified);
}

TEST(HeaderField, OnlyInTheHeader) {
  EXPECT_EQ(HeaderField("A: 1\nx-Uidl:\t u \nB: 2\n\n", "X-UIDL"), "u");
  EXPECT_EQ(HeaderField("A: 1\n\nX-UIDL: u\n", "X-UIDL"), "");
  EXPECT_EQ(HeaderField("X-UIDLs: u\nXX-UIDL: u\n", "X-UIDL"), "");
  EXPECT_EQ(HeaderField("X-UIDL: u", "X-UIDL"), "u");
}

}  // namespace
}  // namespace poplar::app
