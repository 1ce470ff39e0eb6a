// The process that starts plug-ins' processes for a server that can start nothing.

#include "auth/remote/host_launcher.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "auth/remote/host_process.h"

namespace poplar::auth {
namespace {

const std::string kTrouble = std::string(PLUGINS) + "/trouble.so";

StatusOr<std::unique_ptr<HostLauncher>> Fork(const std::function<Status()>& confine = [] {
  return OkStatus();
}) {
  return HostLauncher::Fork({.executable = AUTH_HOST, .arguments = {{kTrouble, {}}}}, confine);
}

bool Lives(pid_t pid) { return ::kill(pid, 0) == 0; }

bool Goes(pid_t pid) {
  for (int i = 0; i < 3'000 && Lives(pid); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return !Lives(pid);
}

TEST(HostLauncherTest, StartsAsksAndEnds) {
  const auto launcher = Fork();
  ASSERT_TRUE(launcher.ok()) << launcher.status();
  auto host = HostProcess::Start({.spawner = launcher->get(), .plugin = kTrouble, .shards = 3});
  ASSERT_TRUE(host.ok()) << host.status();
  EXPECT_EQ((*host)->name(), "trouble");
  EXPECT_GT((*host)->resident_bytes(), 0U);
  EXPECT_EQ((*launcher)->ResidentBytes(::getpid()), 0U) << "it is no child of the launcher's";
  const pid_t pid = (*host)->pid();
  EXPECT_TRUE(Lives(pid));
  EXPECT_EQ(::waitpid(pid, nullptr, WNOHANG), -1) << "nor is it this one's";
  host->reset();
  EXPECT_FALSE(Lives(pid));
}

TEST(HostLauncherTest, TellsHowOneEnded) {
  const auto launcher = Fork();
  ASSERT_TRUE(launcher.ok()) << launcher.status();
  const auto host = HostProcess::Start({.spawner = launcher->get(), .plugin = kTrouble});
  ASSERT_TRUE(host.ok()) << host.status();
  ::kill((*host)->pid(), SIGTERM);
  while ((*host)->TakeLogs([](const LogFrame&) {})) std::this_thread::yield();
  EXPECT_EQ((*host)->HowItEnded().why, "it was ended by signal 15 (Terminated)");
}

// More than one packet holds.
TEST(HostLauncherTest, AHostOfManyShards) {
  const auto launcher = Fork();
  ASSERT_TRUE(launcher.ok()) << launcher.status();
  const auto host =
      HostProcess::Start({.spawner = launcher->get(), .plugin = kTrouble, .shards = 300});
  ASSERT_TRUE(host.ok()) << host.status();
  EXPECT_TRUE((*host)->Open(0, {}, 10'000).ok());
}

TEST(HostLauncherTest, NothingThatItWasNotToldOf) {
  const auto launcher = Fork();
  ASSERT_TRUE(launcher.ok()) << launcher.status();
  const auto host = HostProcess::Start(
      {.spawner = launcher->get(), .plugin = std::string(PLUGINS) + "/no_plugin.so"});
  EXPECT_NE(Message(host.status()).find("was no plug-in at the server's start"),
            std::string_view::npos)
      << host.status();
  // It goes on, and kills nobody else's processes.
  (*launcher)->Kill(::getppid());
  (*launcher)->End(::getppid());
  EXPECT_TRUE(HostProcess::Start({.spawner = launcher->get(), .plugin = kTrouble}).ok());
}

TEST(HostLauncherTest, ItsEndIsThatOfAll) {
  auto launcher = Fork();
  ASSERT_TRUE(launcher.ok()) << launcher.status();
  auto host = HostProcess::Start({.spawner = launcher->get(), .plugin = kTrouble});
  ASSERT_TRUE(host.ok()) << host.status();
  const pid_t pid = (*host)->pid();
  ASSERT_EQ(::kill((*launcher)->pid(), SIGKILL), 0);
  EXPECT_TRUE(Goes(pid));
  const auto next = HostProcess::Start({.spawner = launcher->get(), .plugin = kTrouble});
  EXPECT_NE(Message(next.status()).find("restart the server"), std::string_view::npos);
  host->reset();
}

TEST(HostLauncherTest, OneThatIsNotAsItShallBeIsNotThere) {
  const auto launcher =
      Fork([] { return MakeStatus(StatusCode::kUnavailable, "no walls to be had"); });
  EXPECT_EQ(Message(launcher.status()), "no walls to be had");
}

}  // namespace
}  // namespace poplar::auth
