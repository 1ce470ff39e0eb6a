// `poplar export maildir|mbox`.

#pragma once

#include "core/app/commands/transfer_options.h"
#include "core/app/transfer/export_job.h"

namespace poplar::app {

struct ExportCommandOptions {
  ExportFormat format = ExportFormat::kMaildir;
  TransferOptions what;
  std::string uidl_format = std::string(kDefaultUidlFormat);  // In Dovecot's words.
};

// Codes as of Import.
ExitCode Export(const ExportCommandOptions& options, const tenant::Config& config,
                const Wiring& wiring, Console& console);

}  // namespace poplar::app
