// Mailboxes on their way in: each is opened, asked of what the maildrop holds already, and imported
// message by message over a connection of its own, several mailboxes at the same time.
//
// Within a mailbox the order is kept: what the server cannot take for now ends that mailbox, and
// the next run goes on there. What can never be imported is named, and the others follow.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/app/transfer/parallel.h"
#include "core/app/transfer/pop3_client.h"
#include "core/app/transfer/progress.h"
#include "core/app/transfer/report.h"

namespace poplar::app {

// A mailbox that was opened, with what must live as long.
struct OpenedMailbox {
  std::unique_ptr<Pop3Client> client;  // Of messages on another server; null otherwise.
  std::unique_ptr<MailboxSource> source;
};

struct ImportOptions {
  std::string import_socket;
  std::string export_socket;
  uint32_t jobs = 1;
  bool dry_run = false;
  // Whether reports name every message that there is something to say of; else the first
  // kDetailsMax of a mailbox.
  bool all_details = false;
  // Leaves out what the old server has not given a UIDL yet.
  bool known_uidls_only = false;
  // For a dry run: of addresses, what an import would meet here.
  std::map<std::string, std::string> notes_here;
  // Leaves nothing on the other server that is here, durably and sound.
  bool delete_there = false;
  // Called on many threads at once, as the next is.
  std::function<StatusOr<OpenedMailbox>(const MailboxTask&)> open;
  // Where a comparison is wanted: the same maildrop on the other server, logged in.
  std::function<StatusOr<std::unique_ptr<Pop3Client>>(const MailboxTask&)> compare_with;
  // Called for each mailbox as it ends, one at a time.
  std::function<void(const MailboxReport&)> done;
};

// A report for each task, in order.
std::vector<MailboxReport> RunImports(const std::vector<MailboxTask>& tasks,
                                      const ImportOptions& options, Progress& progress);

}  // namespace poplar::app
