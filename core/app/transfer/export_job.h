// Maildrops on their way out: into Maildirs with a dovecot-uidlist that keeps the UIDLs, or into
// mboxrd files with X-UIDL fields, several at the same time. Nothing is deleted here.
//
// A Maildir that exists is completed: what it holds whole already is left alone, and a message
// appears in it whole or not at all, after a power cut, too. An mbox is written beside its place
// and gets its name when it is whole.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/app/transfer/parallel.h"
#include "core/app/transfer/progress.h"
#include "core/app/transfer/report.h"
#include "core/app/transfer/uidl_format.h"

namespace poplar::app {

enum class ExportFormat : uint8_t { kMaildir, kMbox };

struct ExportOptions {
  std::string export_socket;
  ExportFormat format = ExportFormat::kMaildir;
  UidlFormat uidl_format;  // Dovecot's, of Maildirs that it has used.
  uint32_t jobs = 1;
  std::function<void(const MailboxReport&)> done;  // As ImportOptions's.
};

// A report for each task, in order.
std::vector<MailboxReport> RunExports(const std::vector<MailboxTask>& tasks,
                                      const ExportOptions& options, Progress& progress);

}  // namespace poplar::app
