#include "core/app/commands/export.h"

namespace poplar::app {

ExitCode Export(const ExportCommandOptions& options, const tenant::Config& config,
                const Wiring& wiring, Console& console) {
  const auto tasks = TasksOf(options.what);
  if (!tasks.ok()) return Fail(console, InputCodeOf(tasks.status()), Message(tasks.status()));
  const auto uidl_format = UidlFormat::Parse(options.uidl_format);
  if (!uidl_format.ok()) {
    return Fail(console, InputCodeOf(uidl_format.status()), Message(uidl_format.status()));
  }
  return WithPrivateSockets(config, wiring, console, [&] {
    TransferTeller teller(options.what, ReportKind::kExport, tasks->size(), console);
    ExportOptions job;
    job.export_socket = config.admin.export_socket();
    job.format = options.format;
    job.uidl_format = *uidl_format;
    job.jobs = JobsOf(options.what);
    job.done = teller.done();
    return teller.End(RunExports(*tasks, job, teller.progress()));
  });
}

}  // namespace poplar::app
