// poplar-floor: what the disk can do, for bench/store to measure Poplar against. See
// bench/README.md.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "bench/floor/group_commit.h"

int main(int argc, char** argv) {
  poplar::bench_floor::GroupCommitOptions options;
  CLI::App app("A raw group-commit loop: its rate as one JSON object.", "poplar-floor");
  app.add_option("--directory", options.directory, "On the disk to measure")->required();
  app.add_option("--files", options.files, "Each with a writer of its own")
      ->check(CLI::Range(1U, 64U));
  app.add_option("--producers", options.producers, "Records that wait at the same time")
      ->check(CLI::Range(1U, 60'000U));
  app.add_option("--record-bytes", options.record_bytes)->check(CLI::Range(1U, 1U << 20));
  app.add_option("--seconds", options.seconds)->check(CLI::Range(0.01, 3600.0));
  CLI11_PARSE(app, argc, argv);

  const auto result = poplar::bench_floor::RunGroupCommit(options);
  if (!result.ok()) {
    std::cerr << "poplar-floor: " << poplar::Message(result.status()) << "\n";
    return 1;
  }
  std::printf(
      R"({"records":%llu,"flushes":%llu,"seconds":%.3f,"per_second":%.3f,"cpu_seconds":%.3f})"
      "\n",
      static_cast<unsigned long long>(result->records),
      static_cast<unsigned long long>(result->flushes), result->seconds,
      static_cast<double>(result->records) / result->seconds, result->cpu_seconds);
  return 0;
}
