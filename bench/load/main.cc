// poplar-load: the load generator. See bench/README.md.

#include <iostream>

#include "bench/load/options.h"
#include "bench/load/report.h"
#include "bench/load/run.h"

int main(int argc, char** argv) {
  using poplar::load::Options;
  using poplar::load::RunResult;

  auto parsed = poplar::load::ParseOptions(argc, argv);
  if (parsed.exit_code) return *parsed.exit_code;
  const Options& options = parsed.options;

  poplar::StatusOr<RunResult> result = poplar::load::RunLoad(options);
  if (!result.ok()) {
    std::cerr << "poplar-load: " << poplar::Message(result.status()) << "\n";
    return 2;
  }
  std::cout << (options.json ? poplar::load::JsonReport(options, *result)
                             : poplar::load::TextReport(options, *result));
  std::string empty = poplar::load::Emptiness(*result);
  if (!empty.empty()) std::cerr << "poplar-load: " << empty << "\n";
  return result->meter.errors() > 0 || !empty.empty() ? 1 : 0;
}
