#include "core/app/transfer/parallel.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "core/app/transfer/stop_flag.h"

namespace poplar::app {

std::vector<MailboxReport> RunParallel(
    const std::vector<MailboxTask>& tasks, uint32_t jobs,
    const std::function<void(const MailboxReport&)>& done, Progress& progress,
    const std::function<MailboxReport(const MailboxTask&)>& work) {
  std::vector<MailboxReport> reports(tasks.size());
  std::atomic<size_t> next{0};
  std::mutex telling;
  const auto run = [&] {
    for (size_t i = next++; i < tasks.size(); i = next++) {
      if (StopFlag::raised()) {
        reports[i].address = tasks[i].address;
        reports[i].place = tasks[i].place;
        reports[i].status = MakeStatus(StatusCode::kCancelled, "interrupted before it began");
        continue;
      }
      reports[i] = work(tasks[i]);
      progress.MailboxDone();
      const std::lock_guard lock(telling);  // So that reports are whole.
      progress.Clear();
      if (done) done(reports[i]);
    }
  };
  std::vector<std::thread> threads;
  const size_t wanted = std::min<size_t>(jobs, tasks.size());
  for (size_t i = 1; i < wanted; ++i) threads.emplace_back(run);
  run();
  for (std::thread& thread : threads) thread.join();
  return reports;
}

}  // namespace poplar::app
