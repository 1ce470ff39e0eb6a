// Two processes on one user database.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <iostream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "auth/users/user_database.h"
#include "tests/unit/auth/temp_dir.h"

namespace poplar::auth {
namespace {

constexpr int kUsersEach = 40;

// A child that runs `body` and exits with its result.
pid_t Fork(const std::function<bool()>& body) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body() ? 0 : 1);
  return pid;
}

bool ExitedWell(pid_t pid) {
  int status = 0;
  return ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool AddUsers(const std::string& path, const std::string& prefix) {
  auto database = UserDatabase::Open(path, {.busy_timeout_ms = 30'000});
  if (!database.ok()) return false;
  for (int i = 0; i < kUsersEach; ++i) {
    const std::string address = prefix + std::to_string(i) + "@example.org";
    if (!(*database)->AddUser(address, "").ok()) return false;
    if (i % 2 == 1 && !(*database)->RemoveUser(address).ok()) return false;
  }
  return true;
}

TEST(UsersProcessTest, WritersInSeveralProcessesLoseNothing) {
  const TempDir dir;
  const std::string path = dir.File("users.db");
  const std::vector<std::string> domains = {"example.org"};
  ASSERT_TRUE((*UserDatabase::Create(path))->AddTenant("acme", domains).ok());
  std::vector<pid_t> children;
  children.reserve(4);
  for (const char* prefix : {"a", "b", "c"}) {
    children.push_back(Fork([&] { return AddUsers(path, prefix); }));
  }
  for (const pid_t child : children) EXPECT_TRUE(ExitedWell(child));

  const auto database = *UserDatabase::Open(path);
  std::set<std::string> accounts;
  ASSERT_TRUE(
      database->ListUsers("", [&](const UserRecord& user) { accounts.insert(user.account); }).ok());
  EXPECT_EQ(accounts.size(), 3U * kUsersEach / 2);
  const auto removed = database->RemovedAccounts();
  ASSERT_TRUE(removed.ok());
  EXPECT_EQ(removed->size(), 3U * kUsersEach / 2);
  for (const RemovedAccount& gone : *removed) EXPECT_EQ(accounts.count(gone.account), 0U);
}

TEST(UsersProcessTest, AReaderSeesWhatAnotherProcessChanges) {
  const TempDir dir;
  const std::string path = dir.File("users.db");
  const std::vector<std::string> domains = {"example.org"};
  ASSERT_TRUE((*UserDatabase::Create(path))->AddTenant("acme", domains).ok());
  const pid_t child = Fork([&] {
    const auto database = *UserDatabase::Open(path);
    return database->AddUser("alice@example.org", "").ok() &&
           database->SetUserEnabled("alice@example.org", false).ok();
  });
  ASSERT_TRUE(ExitedWell(child));
  const auto database = *UserDatabase::Open(path);
  EXPECT_FALSE(database->FindUser("alice@example.org")->enabled);
  const pid_t remover =
      Fork([&] { return (*UserDatabase::Open(path))->RemoveUser("alice@example.org").ok(); });
  ASSERT_TRUE(ExitedWell(remover));
  const auto changes = database->TakeChanges();
  ASSERT_TRUE(changes.ok());
  EXPECT_EQ(changes->keys, std::vector<std::string>{"alice@example.org"});
  EXPECT_FALSE(database->FindLogin("alice@example.org")->has_value());
}

TEST(UsersProcessTest, CreateByTwoAtOnceMakesOne) {
  const TempDir dir;
  const std::string path = dir.File("users.db");
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    children.push_back(Fork([&] {
      const auto made = UserDatabase::Create(path);
      if (!made.ok()) std::cerr << made.status() << '\n';
      return made.ok() || made.status().code() == StatusCode::kAlreadyExists;
    }));
  }
  for (const pid_t child : children) EXPECT_TRUE(ExitedWell(child));
  EXPECT_TRUE(UserDatabase::Open(path).ok());
}

}  // namespace
}  // namespace poplar::auth
