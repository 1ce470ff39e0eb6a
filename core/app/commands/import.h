// `poplar import maildir|mbox|cyrus|pop3`.

#pragma once

#include <string>

#include "core/app/commands/transfer_options.h"
#include "core/app/transfer/uidl_format.h"

namespace poplar::app {

enum class ImportFrom : uint8_t { kMaildir, kMbox, kCyrus, kPop3 };

struct ImportCommandOptions {
  ImportFrom from = ImportFrom::kMaildir;
  TransferOptions what;
  std::string uidl = "auto";  // auto, dovecot, courier, filename or header.
  std::string uidl_format = std::string(kDefaultUidlFormat);  // In Dovecot's words.
  bool mboxo = false;
  bool dry_run = false;
  bool known_uidls_only = false;
  bool delete_there = false;
  // kPop3: where the mail is. Else, if it has a URL, what the result is compared with.
  OtherServerOptions other;
};

// Codes: kDataError where single messages could not be imported or a comparison differs, kTemporary
// where a mailbox is not complete and the same command goes on, kNoUser for unknown addresses.
ExitCode Import(const ImportCommandOptions& options, const tenant::Config& config,
                const Wiring& wiring, Console& console);

}  // namespace poplar::app
