#include "core/app/transfer/parallel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>

#include "core/app/transfer/stop_flag.h"

namespace poplar::app {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAreArray;

constexpr size_t kTasks = 9;

std::vector<MailboxTask> Tasks() {
  std::vector<MailboxTask> tasks;
  for (size_t i = 0; i < kTasks; ++i) {
    tasks.push_back({"user" + std::to_string(i) + "@a.example", "/place/" + std::to_string(i)});
  }
  return tasks;
}

std::vector<std::string> AddressesOf(const std::vector<MailboxTask>& tasks) {
  std::vector<std::string> addresses;
  for (const MailboxTask& task : tasks) addresses.push_back(task.address);
  return addresses;
}

// Where work waits for its like, so that it is seen how much of it goes on at once.
class Meeting {
 public:
  // Comes in, and waits until `wanted` were in together once. False: they never are.
  bool Enter(size_t wanted) {
    std::unique_lock lock(mutex_);
    threads_.insert(std::this_thread::get_id());
    most_ = std::max(most_, ++in_);
    changed_.notify_all();
    return changed_.wait_for(lock, std::chrono::seconds(60), [&] { return most_ >= wanted; });
  }
  void Leave() {
    const std::lock_guard lock(mutex_);
    --in_;
  }
  size_t most() const { return most_; }
  size_t threads() const { return threads_.size(); }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t in_ = 0;
  size_t most_ = 0;
  std::set<std::thread::id> threads_;
};

TEST(RunParallel, SoManyAtATimeAndNoMore) {
  const std::vector<MailboxTask> tasks = Tasks();
  for (const uint32_t jobs : {1U, 2U, 4U, 100U}) {
    const size_t at_once = std::min<size_t>(jobs, kTasks);
    std::ostringstream err;
    Progress progress(err, false, kTasks);
    Meeting meeting;
    std::atomic<bool> all_met{true};
    const auto reports = RunParallel(tasks, jobs, nullptr, progress, [&](const MailboxTask& task) {
      if (!meeting.Enter(at_once)) all_met = false;
      meeting.Leave();
      MailboxReport report;
      report.address = task.address;
      return report;
    });
    EXPECT_TRUE(all_met) << jobs;
    EXPECT_EQ(meeting.most(), at_once);
    EXPECT_EQ(meeting.threads(), at_once);
    // In the order of the tasks, whoever ended first.
    ASSERT_EQ(reports.size(), kTasks);
    for (size_t i = 0; i < kTasks; ++i) EXPECT_EQ(reports[i].address, tasks[i].address);
  }
}

TEST(RunParallel, EachIsToldOnceAndOneAtATime) {
  const std::vector<MailboxTask> tasks = Tasks();
  std::ostringstream err;
  Progress progress(err, false, kTasks);
  std::atomic<int> telling{0};
  std::vector<std::string> told;
  RunParallel(
      tasks, 4,
      [&](const MailboxReport& report) {
        EXPECT_EQ(++telling, 1);
        told.push_back(report.address);
        EXPECT_THAT(report.notes, testing::ElementsAre("done"));
        std::this_thread::yield();
        --telling;
      },
      progress,
      [](const MailboxTask& task) {
        MailboxReport report;
        report.address = task.address;
        report.notes.emplace_back("done");
        return report;
      });
  EXPECT_THAT(told, UnorderedElementsAreArray(AddressesOf(tasks)));
}

TEST(RunParallel, TheProgressLineIsGoneWhenAReportIsTold) {
  std::ostringstream err;
  Progress progress(err, true, kTasks);
  size_t told = 0;
  RunParallel(
      Tasks(), 1,
      [&](const MailboxReport&) {
        ++told;
        const std::string shown = err.str();
        EXPECT_TRUE(shown.ends_with(" \r")) << shown;
        EXPECT_THAT(shown, HasSubstr(std::to_string(told) + "/9 maildrops"));
      },
      progress, [](const MailboxTask&) { return MailboxReport(); });
  EXPECT_EQ(told, kTasks);
}

// In a process of its own, as the flag stays up.
void StopInTheMiddle() {
  StopFlag::Install();
  std::ostringstream err;
  Progress progress(err, false, kTasks);
  size_t told = 0;
  const auto reports = RunParallel(
      Tasks(), 1, [&](const MailboxReport&) { ++told; }, progress,
      [](const MailboxTask& task) {
        if (task.place == "/place/2") raise(SIGINT);
        MailboxReport report;
        report.address = task.address;
        return report;
      });
  bool as_it_should = told == 3 && reports.size() == kTasks;
  for (size_t i = 0; i < reports.size(); ++i) {
    as_it_should = as_it_should && reports[i].address == Tasks()[i].address &&
                   reports[i].status.ok() == (i < 3) &&
                   (i < 3 || reports[i].status.code() == StatusCode::kCancelled);
  }
  exit(as_it_should ? 0 : 1);
}

TEST(RunParallel, AfterASignalNothingMoreBegins) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(StopInTheMiddle(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace poplar::app
