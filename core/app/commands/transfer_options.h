// What `poplar import` and `poplar export` have in common: which mailboxes, how many at a time, the
// other server, and how the end is told.

#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/app/console.h"
#include "core/app/transfer/parallel.h"
#include "core/app/transfer/pop3_client.h"
#include "core/app/transfer/progress.h"
#include "core/app/transfer/report.h"
#include "core/app/wiring.h"
#include "core/tenant/config.h"

namespace poplar::app {

// One mailbox (`address` and `place`), or those of a list, or those of a pattern.
struct TransferOptions {
  std::string address;
  std::string place;
  std::string map_file;
  std::string tree;
  uint32_t jobs = 0;  // 0: two for each core.
  bool json = false;
  bool quiet = false;
};

// Another POP3 server, and how to log in there.
struct OtherServerOptions {
  std::string url;
  std::string user;  // Empty: the address.
  bool password_stdin = false;
  std::string passwords_file;
  TlsTrust trust;
  bool allow_cleartext = false;
};

StatusOr<std::vector<MailboxTask>> TasksOf(const TransferOptions& options);
uint32_t JobsOf(const TransferOptions& options);

// Passwords by login. Immutable once read; any thread.
class Passwords {
 public:
  // Of a file, of standard input, or asked for; kInvalidArgument where they are needed and not
  // given.
  static StatusOr<Passwords> Read(const OtherServerOptions& options, size_t logins,
                                  Console& console);
  // kInvalidArgument: none was given for this login.
  StatusOr<const base::Secret*> Of(const std::string& login) const;

 private:
  base::Secret for_all_;
  std::map<std::string, base::Secret> by_login_;
};

StatusOr<Pop3Server> ServerOf(const OtherServerOptions& options);

// Runs `command` while the private sockets answer: those of the running server, or of one that
// serves nothing else and lives in this process for so long.
ExitCode WithPrivateSockets(const tenant::Config& config, const Wiring& wiring, Console& console,
                            const std::function<ExitCode()>& command);

// Tells of mailboxes as they end and of all of them, as the options say; the code to end with.
class TransferTeller {
 public:
  TransferTeller(const TransferOptions& options, ReportKind kind, size_t mailboxes,
                 Console& console);

  Progress& progress() { return progress_; }
  std::function<void(const MailboxReport&)> done();
  ExitCode End(const std::vector<MailboxReport>& reports);

 private:
  const TransferOptions& options_;
  const ReportKind kind_;
  Console& console_;
  Progress progress_;
};

}  // namespace poplar::app
