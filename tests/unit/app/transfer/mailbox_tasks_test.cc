#include "core/app/transfer/mailbox_tasks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace poplar::app {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(ParsePairs, Columns) {
  const auto pairs = ParsePairs("# who\twhere\na@b\t/mail/a b\r\n\nc@d\tx\ty");
  ASSERT_TRUE(pairs.ok());
  EXPECT_THAT(*pairs, ElementsAre(Pair("a@b", "/mail/a b"), Pair("c@d", "x\ty")));
  for (const char* const bad : {"a@b /mail", "\t/mail", "ok\tx\na@b\t"}) {
    EXPECT_FALSE(ParsePairs(bad).ok()) << bad;
  }
  EXPECT_THAT(Message(ParsePairs("ok\tx\nbad").status()), testing::StartsWith("line 2: "));
}

bool Match(std::string_view pattern, std::string_view name, std::string expected) {
  std::string user;
  std::string domain;
  return MatchPattern(pattern, name, user, domain) && user + "@" + domain == expected;
}

TEST(MatchPattern, UserAndDomain) {
  EXPECT_TRUE(Match("%u", "alice", "alice@"));
  EXPECT_TRUE(Match("%u@%d", "alice@a.example", "alice@a.example"));
  EXPECT_TRUE(Match("%d.%u", "a.b.c", "b.c@a"));
  EXPECT_TRUE(Match("mail-%u.d", "mail-bob.d", "bob@"));
  EXPECT_TRUE(Match("%u-%u", "x-x", "x@"));
  for (const auto& [pattern, name] :
       {std::pair("%u", ""), std::pair("%u", "a@b"), std::pair("x%u", "y"), std::pair("%ux", "a"),
        std::pair("%u-%u", "x-y"), std::pair("a", "ab")}) {
    EXPECT_FALSE(Match(pattern, name, "")) << pattern;
    std::string user;
    std::string domain;
    EXPECT_FALSE(MatchPattern(pattern, name, user, domain)) << pattern;
  }
}

TEST(ExpandTree, FindsEveryMaildrop) {
  std::string root = (std::filesystem::temp_directory_path() / "poplar-tree-XXXXXX").string();
  ASSERT_NE(mkdtemp(root.data()), nullptr);
  for (const char* path : {"/b.example/carl/Maildir", "/a.example/bob/Maildir", "/a.example/amy",
                           "/a.example/ann/Maildir", "/file/x/Maildir"}) {
    std::filesystem::create_directories(root + path);
  }
  const auto tasks = ExpandTree(root + "/%d/%u/Maildir");
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  std::vector<std::string> found;
  for (const MailboxTask& task : *tasks) {
    found.push_back(task.address + " " + task.place);
    EXPECT_EQ(task.place.substr(0, task.found_from), root + "/");
  }
  EXPECT_THAT(found, ElementsAre("ann@a.example " + root + "/a.example/ann/Maildir",
                                 "bob@a.example " + root + "/a.example/bob/Maildir",
                                 "carl@b.example " + root + "/b.example/carl/Maildir",
                                 "x@file " + root + "/file/x/Maildir"));
  EXPECT_FALSE(ExpandTree(root + "/%d/Maildir").ok());
  EXPECT_FALSE(ExpandTree("/var/mail/%u").ok());
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace poplar::app
