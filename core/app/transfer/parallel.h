// Mailboxes one beside the other, on threads of their own.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/app/transfer/progress.h"
#include "core/app/transfer/report.h"

namespace poplar::app {

struct MailboxTask {
  std::string address;  // Here.
  std::string place;    // The path, or the login on the other server.
  // From that octet of a path on it was found in folders, not named.
  size_t found_from = std::string::npos;
};

// Runs `work` for each task, `jobs` at a time; after a signal (StopFlag) the rest is not begun.
// `done`, if there is one, is told of each as it ends, by one thread at a time. Reports are in the
// order of the tasks.
std::vector<MailboxReport> RunParallel(
    const std::vector<MailboxTask>& tasks, uint32_t jobs,
    const std::function<void(const MailboxReport&)>& done, Progress& progress,
    const std::function<MailboxReport(const MailboxTask&)>& work);

}  // namespace poplar::app
