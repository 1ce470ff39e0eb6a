#include "core/app/transfer/mail_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace poplar::app {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

class TextSource final : public ByteSource {
 public:
  explicit TextSource(std::string text) : text_(std::move(text)) {}
  StatusOr<size_t> Read(std::span<char> into) override {
    const size_t bytes = text_.copy(into.data(), into.size());
    text_.erase(0, bytes);
    return bytes;
  }

 private:
  std::string text_;
};

class MaildirFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "poplar-folder-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    path_ = name;
    std::filesystem::create_directory(path_ + "/cur");
    std::filesystem::create_directory(path_ + "/new");
  }
  void TearDown() override { std::filesystem::remove_all(path_); }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(path_ + "/" + name) << text;
  }
  std::string List() { return Read(path_ + "/dovecot-uidlist"); }
  static std::string Read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  std::vector<std::string> NamesIn(const std::string& folder) {
    std::vector<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(path_ + "/" + folder)) {
      names.push_back(file.path().filename().string());
    }
    return names;
  }
  static Pop3Message MessageOf(std::string uidl) {
    Pop3Message message;
    message.uidl = std::move(uidl);
    message.octets = 3;
    message.received_us = 1'275'660'208'000'000;
    return message;
  }
  // Exports what the folder lacks; the UIDLs of that.
  std::vector<std::string> Export(const std::vector<std::string>& uidls) {
    const auto folder = OpenMaildirFolder(path_, *UidlFormat::Parse("%v.%u"));
    EXPECT_TRUE(folder.ok()) << folder.status();
    std::vector<Pop3Message> messages;
    std::vector<std::string> added;
    for (const std::string& uidl : uidls) {
      const Pop3Message& message = messages.emplace_back(MessageOf(uidl));
      if ((*folder)->Holds(message)) continue;
      added.push_back(uidl);
      TextSource source("x\r\n");
      EXPECT_TRUE((*folder)->Add(message, source).ok());
    }
    EXPECT_TRUE((*folder)->Finish(messages).ok());
    return added;
  }

  std::string path_;
};

TEST_F(MaildirFolderTest, ANewOne) {
  EXPECT_THAT(Export({"a", "b"}), testing::ElementsAre("a", "b"));
  const std::string first = List();
  EXPECT_THAT(first, MatchesRegex("3 V[0-9]+ N3\n1 Pa :1275660208\\.[^\n]*\n2 Pb :[^\n]*\n"));
  EXPECT_THAT(Export({"a", "b"}), testing::IsEmpty());
  EXPECT_EQ(List(), first);
}

TEST_F(MaildirFolderTest, OneThatDovecotUses) {
  Write("cur/1.h:2,S", "one");
  Write("cur/2.h:2,", "two");
  Write("new/4.h", "four");
  Write("dovecot-uidlist",
        "3 V9 N8 G00ff\n1 W9 :1.h:2,RS\n2 Psaved G11 :2.h\n3 :gone.h:2,\nbroken\n");
  // By the format, by field P, by its file; what is gone there is no more.
  EXPECT_THAT(Export({"9.1", "saved", "4.h", "9.3", "new"}), testing::ElementsAre("9.3", "new"));
  EXPECT_THAT(List(), MatchesRegex("3 V9 N10 G00ff\n1 W9 :1\\.h:2,RS\n2 Psaved G11 :2\\.h\n"
                                   "3 :gone\\.h:2,\n8 P9\\.3 :[^\n]*\n9 Pnew :[^\n]*\n"));
}

TEST_F(MaildirFolderTest, WhatDovecotForgotOfAnExportIsMended) {
  Export({"a"});
  std::string text = List();
  text.replace(text.find("1 Pa :"), 6, "1 :");
  Write("dovecot-uidlist", text);
  EXPECT_THAT(Export({"a"}), testing::IsEmpty());
  EXPECT_THAT(List(), HasSubstr("N2\n1 Pa :"));
}

TEST_F(MaildirFolderTest, OfTheFirstVersion) {
  Write("cur/1.h:2,S", "one");
  Write("dovecot-uidlist", "1 9 5\n1 1.h:2,S\n");
  EXPECT_THAT(Export({"9.1", "new"}), testing::ElementsAre("new"));
  EXPECT_THAT(List(), MatchesRegex("3 V9 N6\n1 :1\\.h:2,S\n5 Pnew :[^\n]*\n"));
}

TEST_F(MaildirFolderTest, AListThatIsNotUnderstoodIsLeftAlone) {
  Write("dovecot-uidlist", "7 V9\n");
  const auto folder = OpenMaildirFolder(path_, *UidlFormat::Parse("%u"));
  EXPECT_EQ(folder.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(List(), "7 V9\n");
}

// What a power cut may leave of files that were not durable when they got their names, though their
// names and the list are.
TEST_F(MaildirFolderTest, WhatIsNotWholeIsWrittenAgainInItsPlace) {
  Export({"a", "b"});
  const std::string list = List();
  for (const std::string& name : NamesIn("cur")) {
    EXPECT_THAT(name, HasSubstr(".poplar,S=2,W=3:2,"));
    std::filesystem::rename(path_ + "/cur/" + name, path_ + "/cur/" + name + "S");
  }
  const std::vector<std::string> names = NamesIn("cur");
  for (const std::string lost : {"", "x"}) {
    Write("cur/" + names[0], lost);
    EXPECT_THAT(Export({"a", "b"}), testing::SizeIs(1));
    EXPECT_THAT(NamesIn("cur"), testing::UnorderedElementsAreArray(names));
    EXPECT_EQ(Read(path_ + "/cur/" + names[0]), "x\n");
    EXPECT_THAT(Export({"a", "b"}), testing::IsEmpty());
    EXPECT_EQ(List(), list);
  }
}

// Names had no `S=` once, and other programs may take it away: the octets on the wire tell then.
TEST_F(MaildirFolderTest, WhatIsNotWholeByItsContents) {
  for (const std::string sizes : {",W=3", ""}) {
    Export({"a"});
    const std::string name = NamesIn("cur").at(0);
    const std::string plain = name.substr(0, name.find(',')) + sizes + ":2,";
    std::filesystem::rename(path_ + "/cur/" + name, path_ + "/cur/" + plain);
    for (const std::string& whole : {std::string("x\n"), std::string("x\r\n")}) {
      Write("cur/" + plain, whole);
      EXPECT_THAT(Export({"a"}), testing::IsEmpty()) << sizes;
    }
    for (const std::string& lost : {std::string(), std::string("x"), std::string(2, '\0')}) {
      Write("cur/" + plain, lost);
      EXPECT_THAT(Export({"a"}), testing::ElementsAre("a")) << sizes;
      EXPECT_EQ(Read(path_ + "/cur/" + plain), "x\n");
    }
    std::filesystem::remove(path_ + "/cur/" + plain);
  }
}

TEST_F(MaildirFolderTest, MessagesAreSeenOnceTheyAreDurable) {
  const auto folder = OpenMaildirFolder(path_, *UidlFormat::Parse("%u"));
  ASSERT_TRUE(folder.ok()) << folder.status();
  std::vector<Pop3Message> messages;
  const auto add = [&] {
    const Pop3Message& message = messages.emplace_back(MessageOf(std::to_string(messages.size())));
    TextSource source("x\r\n");
    ASSERT_TRUE((*folder)->Add(message, source).ok());
  };
  while (messages.size() < 255) add();
  EXPECT_THAT(NamesIn("cur"), testing::IsEmpty());  // They become so together.
  EXPECT_THAT(NamesIn("tmp"), testing::SizeIs(255));
  add();
  EXPECT_THAT(NamesIn("cur"), testing::SizeIs(256));
  add();
  EXPECT_THAT(NamesIn("tmp"), testing::SizeIs(1));
  // What was cut off there is not there.
  const auto again = OpenMaildirFolder(path_, *UidlFormat::Parse("%u"));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE((*again)->Holds(messages[255]));
  EXPECT_FALSE((*again)->Holds(messages[256]));
  ASSERT_TRUE((*folder)->Finish(messages).ok());
  EXPECT_THAT(NamesIn("cur"), testing::SizeIs(257));
  EXPECT_THAT(NamesIn("tmp"), testing::IsEmpty());
}

}  // namespace
}  // namespace poplar::app
