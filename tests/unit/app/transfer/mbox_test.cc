#include "core/app/transfer/mbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "core/app/transfer/mail_folder.h"

namespace poplar::app {
namespace {

using testing::ElementsAre;

constexpr std::string_view kFrom = "From a@b.example Thu Jun  3 12:34:56 2010\n";

class MboxTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = testing::TempDir() + "/poplar-mbox-" + std::to_string(getpid());
    options_.format = *UidlFormat::Parse("%v.%u");
  }
  void TearDown() override { std::filesystem::remove(path_); }

  Status Open(const std::string& text) {
    std::ofstream(path_, std::ios::trunc) << text;
    auto opened = OpenMbox(path_, options_);
    if (opened.ok()) source_ = std::move(*opened);
    return opened.status();
  }
  std::vector<std::string> Texts() {
    std::vector<std::string> texts;
    for (size_t i = 0; i < source_->messages().size(); ++i) {
      const auto source = source_->Open(i);
      std::string& text = texts.emplace_back();
      std::array<char, 2> piece;
      for (size_t got = 1; got > 0;) {
        got = *(*source)->Read(piece);
        text.append(piece.data(), got);
      }
    }
    return texts;
  }
  std::vector<std::string> Uidls() {
    std::vector<std::string> uidls;
    for (const SourceMessage& message : source_->messages()) uidls.push_back(message.uidl);
    return uidls;
  }

  std::string path_;
  MboxOptions options_;
  std::unique_ptr<MailboxSource> source_;
};

std::string Message(const std::string& text) { return std::string(kFrom) + text + "\n"; }

TEST_F(MboxTest, MessagesAndTheirEnds) {
  ASSERT_TRUE(Open(Message("A: 1\n\none\n") + Message("B: 2\n\n\ntwo\n\n") +
                   Message("C: 3\n\nFrom the start\nx\nFrom a@b Thu Jun  3 12:34:56 2010\n") +
                   std::string(kFrom) + "D: 4\n\nno end")
                  .ok());
  EXPECT_THAT(Texts(), ElementsAre("A: 1\n\none\n", "B: 2\n\n\ntwo\n\n",
                                   "C: 3\n\nFrom the start\nx\nFrom a@b Thu Jun  3 12:34:56 2010\n",
                                   "D: 4\n\nno end"));
  EXPECT_EQ(source_->messages()[0].received_us, 1'275'568'496'000'000);
}

TEST_F(MboxTest, UidlsOfServersThatNumber) {
  ASSERT_TRUE(Open(Message("X-IMAPbase: 1275660208 0000000012\nX-UID: 7\nX-UIDL: h1\n\n") +
                   Message("X-UID: 9\nX-UIDL: h2\n\n") + Message("X-UIDL: h3\n\n"))
                  .ok());
  EXPECT_THAT(Uidls(), ElementsAre("1275660208.7", "1275660208.9", "h3"));
  options_.header_first = true;
  ASSERT_TRUE(OpenMbox(path_, options_).ok());
  source_ = *OpenMbox(path_, options_);
  EXPECT_THAT(Uidls(), ElementsAre("h1", "h2", "h3"));
}

// As for the servers that write it.
TEST_F(MboxTest, OfSeveralUidlsInAHeaderTheFirstCounts) {
  ASSERT_TRUE(Open(Message("X-UIDL:\nx-uidl: first\nX-UIDL: second\n\n")).ok());
  EXPECT_THAT(Uidls(), ElementsAre("first"));
}

// Whatever the messages say of themselves.
TEST_F(MboxTest, WhatAnExportPutInFrontIsTakenOff) {
  const std::vector<std::string> mails = {"X-IMAP: 55 3\nX-UIDL: theirs\n\nx\n",
                                          "X-UID: 2\nX-UIDL: theirs\nA: 1\n\nFrom me\n",
                                          "X-IMAPbase: 9 9\n\n>From you\n", "\nno header\n"};
  std::filesystem::remove(path_);
  const auto folder = *OpenMboxFile(path_);
  std::vector<Pop3Message> listed;
  for (const std::string& mail : mails) {
    Pop3Message& message = listed.emplace_back();
    message.uidl = "ours-" + std::to_string(listed.size());
    message.received_us = 1'275'568'496'000'000;
    const std::string mail_path = path_ + "-mail";
    std::ofstream(mail_path) << mail;
    ASSERT_TRUE(folder->Add(message, **OpenFileSource(mail_path)).ok());
    std::filesystem::remove(mail_path);
  }
  ASSERT_TRUE(folder->Finish(listed).ok());
  for (const bool header_first : {false, true}) {
    options_.header_first = header_first;
    source_ = *OpenMbox(path_, options_);
    EXPECT_THAT(Uidls(), ElementsAre("ours-1", "ours-2", "ours-3", "ours-4"));
    EXPECT_EQ(Texts(), mails);
  }
}

TEST_F(MboxTest, TheFoldersOwnMessageIsNoMail) {
  ASSERT_TRUE(Open(Message("Subject: DON'T DELETE THIS MESSAGE\nX-IMAP: 55 3\nStatus: RO\n\nx\n") +
                   Message("X-UID: 2\n\n"))
                  .ok());
  EXPECT_THAT(Uidls(), ElementsAre("55.2"));
  EXPECT_THAT(source_->notes(), ElementsAre("the folder's internal data is left out"));
}

TEST_F(MboxTest, WithoutNumbersTheContentNamesAMessage) {
  const std::string one = Message("A: 1\n\none\n");
  const std::string two = Message("A: 1\n\ntwo\n");
  ASSERT_TRUE(Open(one + two + one).ok());
  const std::vector<std::string> all = Uidls();
  EXPECT_EQ(all[2], all[0] + "-2");
  EXPECT_NE(all[0], all[1]);
  EXPECT_EQ(source_->messages()[0].fate, UidlFate::kUnknown);
  // It stays so when a message in front goes, when a server writes its marks, and at the end.
  ASSERT_TRUE(Open(two + Message("A: 1\nStatus: RO\nX-Status: A\nX-UID: 5\n\none\n")).ok());
  EXPECT_THAT(Uidls(), ElementsAre(all[1], all[0]));
  ASSERT_TRUE(Open(one + two + "\n\n").ok());
  EXPECT_THAT(Uidls(), ElementsAre(all[0], all[1]));
  // Also where a server has given it a UIDL meanwhile.
  const std::string name = source_->messages()[0].stable_name;
  for (const char* const given : {"X-IMAPbase: 9 5\nX-UID: 5\n", "X-UIDL: u\n"}) {
    ASSERT_TRUE(Open(Message(given + std::string("A: 1\n\none\n"))).ok());
    EXPECT_EQ(source_->messages()[0].fate, UidlFate::kKept);
    EXPECT_EQ(source_->messages()[0].stable_name, name);
  }
}

TEST_F(MboxTest, WhatIsNoMbox) {
  EXPECT_EQ(Open("Subject: x\n\nbody\n").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Open("From nobody, a letter\n").code(), StatusCode::kInvalidArgument);
  ASSERT_TRUE(Open("").ok());
  EXPECT_TRUE(source_->messages().empty());
  ASSERT_TRUE(Open("\n\n" + Message("A: 1\n\n")).ok());
  EXPECT_EQ(source_->messages().size(), 1U);
  EXPECT_EQ(OpenMbox(path_ + "-none", options_).status().code(), StatusCode::kNotFound);
}

TEST_F(MboxTest, WhatIsNoFileIsNotWaitedFor) {
  std::filesystem::remove(path_);
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(OpenMbox(path_, options_).status().code(), StatusCode::kInvalidArgument);
  std::filesystem::remove(path_);
  ASSERT_TRUE(Open(Message("A: 1\n\n")).ok());
  const std::string link = path_ + "-link";
  std::filesystem::create_symlink(path_, link);
  EXPECT_TRUE(OpenMbox(link, options_).ok());
  EXPECT_EQ(OpenMbox(link, options_, link.rfind('/') + 1).status().code(),
            StatusCode::kInvalidArgument);
  std::filesystem::remove(link);
}

TEST_F(MboxTest, LongLinesAndLargeMessages) {
  const std::string large = "A: 1\n\n" + std::string(700'000, 'x') + "\n>From x\n";
  ASSERT_TRUE(Open(Message(large) + Message("B: 2\n\n" + std::string(3000, 'F') + "\n")).ok());
  const std::vector<std::string> texts = Texts();
  ASSERT_EQ(texts.size(), 2U);
  EXPECT_EQ(texts[0], "A: 1\n\n" + std::string(700'000, 'x') + "\nFrom x\n");
}

std::string Unquoted(std::string_view text, bool mboxo, size_t piece) {
  FromUnquoter unquoter(mboxo);
  std::string out;
  for (size_t at = 0; at < text.size(); at += piece) unquoter.Feed(text.substr(at, piece), out);
  unquoter.Finish(out);
  return out;
}

TEST(FromUnquoter, InPiecesOfAnySize) {
  constexpr std::string_view kText =
      ">From a\n>>From b\n>>>From c\n From d\nx>From e\n>Fro\n>Fromx\n> From f\n>\n>>\n>From";
  for (const size_t piece : {1U, 2U, 3U, 7U, 1000U}) {
    EXPECT_EQ(Unquoted(kText, false, piece),
              "From a\n>From b\n>>From c\n From d\nx>From e\n>Fro\n>Fromx\n> From f\n>\n>>\n>From");
    EXPECT_EQ(Unquoted(kText, true, piece),
              "From a\n>>From b\n>>>From c\n From d\nx>From e\n>Fro\n>Fromx\n> From f\n>\n>>\n"
              ">From");
  }
}

}  // namespace
}  // namespace poplar::app
