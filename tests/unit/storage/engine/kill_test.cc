// A process that delivers, reads and deletes is killed at random moments; what it had been told is
// true afterwards.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <sstream>

#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

constexpr int kRounds = 40;
constexpr uint64_t kUsers = 4;

std::string User(uint64_t number) { return "user" + std::to_string(number % kUsers); }

// From tiny to blobs.
std::string MessageOf(uint64_t number) {
  const uint64_t kind = number % 16;
  return MakeMessage(number, kind == 0 ? 150'000 : kind < 4 ? 20'000 : 300);
}

uint64_t NumberOf(const std::string& wire) { return std::strtoull(wire.c_str() + 9, nullptr, 10); }

StoreOptions KillOptions(const std::string& path) {
  StoreOptions options = SmallStoreOptions(path);
  options.segment_bytes = kMiB;
  options.first_segment_bytes = 512 * kKiB;
  options.blob_bytes_min = 100 * kKiB;
  options.checkpoint_changes = 40;
  return options;
}

void Tell(int fd, const std::string& line) {
  if (::write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) ::_exit(1);
}

// For ever: deliveries, and now and then a session that deletes some of what it sees. Lines:
// "S number" stored, "T session numbers" about to delete, "G session" done.
io::Task<void> MixTask(ShardStore* store, uint64_t from, int fd) {
  std::mt19937_64 random(from);
  for (uint64_t number = from;; ++number) {
    std::vector<MaildropKey> recipients(1, Key(User(number)));
    std::string message = MessageOf(number);
    const auto outcomes = co_await DeliverTask(store, std::move(recipients), std::move(message));
    if (outcomes[0] == DeliveryOutcome::kStored) Tell(fd, "S " + std::to_string(number) + "\n");
    if (number % 9 != 0) continue;
    MaildropKey key = Key(User(random()));
    OpenResult opened = co_await OpenTask(store, std::move(key));
    if (opened.outcome != OpenOutcome::kOpen) continue;
    std::vector<MessagePosition> deleted;
    std::string line = "T " + std::to_string(number);
    for (uint32_t i = 0; i < opened.maildrop->count() && deleted.size() < 20; ++i) {
      if (random() % 3 != 0) continue;
      const std::unique_ptr<io::Body> body = opened.maildrop->OpenBody(MessagePosition(i));
      const StatusOr<std::string> wire = co_await ReadTask(body.get());
      if (!wire.ok()) Tell(fd, "unreadable\n");
      deleted.emplace_back(i);
      line += " " + std::to_string(wire.ok() ? NumberOf(*wire) : 0);
    }
    Tell(fd, line + "\n");
    const CommitOutcome outcome = co_await CommitTask(opened.maildrop.get(), std::move(deleted));
    if (outcome == CommitOutcome::kDone) Tell(fd, "G " + std::to_string(number) + "\n");
  }
}

[[noreturn]] void RunChild(const std::string& path, uint64_t from, int fd) {
  StoreFixture fixture(2);
  if (!fixture.Open(KillOptions(path)).ok()) {
    Tell(fd, "cannot open\n");
    ::_exit(1);
  }
  std::vector<io::Task<void>> tasks(6);
  for (uint32_t t = 0; t < tasks.size(); ++t) {
    fixture.On(t % 2, [&] {
      tasks[t] =
          MixTask(&fixture.store().OnShard(ShardIndex(t % 2)), from + uint64_t{t} * 10'000, fd);
      tasks[t].Start();
    });
  }
  for (;;) ::pause();
}

struct Told {
  std::set<uint64_t> stored;
  std::map<uint64_t, std::vector<uint64_t>> tried;  // By session.
  std::set<uint64_t> done;
};

std::string RunAndKill(const std::string& path, uint64_t from, std::mt19937& random) {
  int fds[2];
  EXPECT_EQ(::pipe(fds), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(fds[0]);
    RunChild(path, from, fds[1]);
  }
  ::close(fds[1]);
  std::string told(1, '\0');
  EXPECT_EQ(::read(fds[0], told.data(), 1), 1);  // It works.
  std::jthread killer([child, delay = random() % 60] {
    std::this_thread::sleep_for(std::chrono::milliseconds(delay));
    ::kill(child, SIGKILL);
  });
  char buffer[65536];
  for (ssize_t got = 0; (got = ::read(fds[0], buffer, sizeof buffer)) > 0;) {
    told.append(buffer, static_cast<size_t>(got));
  }
  ::close(fds[0]);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << told;
  return told;
}

void Remember(const std::string& lines, Told& told) {
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string what;
    uint64_t number = 0;
    ASSERT_TRUE(words >> what >> number) << line;
    if (what == "S") told.stored.insert(number);
    if (what == "G") told.done.insert(number);
    if (what == "T") {
      for (uint64_t each = 0; words >> each;) told.tried[number].push_back(each);
    }
  }
}

TEST(KillTest, WhatWasToldIsTrue) {
  TemporaryFolder folder;
  std::mt19937 random(std::random_device{}());
  {
    StoreFixture fixture(1);
    ASSERT_TRUE(fixture.Create(folder.path(), 3).ok());
  }
  Told told;
  std::map<std::string, uint64_t> uidls;
  uint64_t interrupted = 0;
  for (int round = 0; round < kRounds && !testing::Test::HasFailure(); ++round) {
    Remember(RunAndKill(folder.path(), (round + 1) * 1'000'000ULL, random), told);
    StoreFixture fixture(1 + random() % 3);
    ASSERT_TRUE(fixture.Open(KillOptions(folder.path())).ok());
    EXPECT_EQ(fixture.Metric("poplar_store_damages_total"), 0);
    std::set<uint64_t> present;
    for (uint64_t user = 0; user < kUsers; ++user) {
      for (const Listed& message : fixture.List(0, Key(User(user)))) {
        const uint64_t number = NumberOf(message.wire);
        EXPECT_TRUE(message.wire == MessageOf(number)) << number;
        EXPECT_TRUE(present.insert(number).second) << number << " twice";
        EXPECT_EQ(uidls.emplace(message.uidl, number).first->second, number);
      }
    }
    std::set<uint64_t> deleted;
    for (const auto& [session, numbers] : told.tried) {
      size_t gone = 0;
      for (const uint64_t number : numbers) gone += present.contains(number) ? 0 : 1;
      if (told.done.contains(session)) {
        EXPECT_EQ(gone, numbers.size()) << "session " << session;
      } else {
        EXPECT_TRUE(gone == 0 || gone == numbers.size()) << "session " << session << " in part";
        ++interrupted;
      }
      if (gone > 0) deleted.insert(numbers.begin(), numbers.end());
    }
    for (const uint64_t number : told.stored) {
      EXPECT_TRUE(present.contains(number) || deleted.contains(number)) << number << " lost";
    }
    // What an interrupted session left is decided now.
    std::erase_if(told.tried, [&](const auto& each) {
      if (told.done.contains(each.first)) return false;
      for (const uint64_t number : each.second) {
        if (!present.contains(number)) told.stored.erase(number);
      }
      return true;
    });
  }
  std::printf("%zu stored, %zu commits done, %lu commits interrupted\n", told.stored.size(),
              told.done.size(), interrupted);
}

}  // namespace
}  // namespace poplar::storage
