// What the files of the command line share. Private to cli.cc and them.

#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "core/app/exit_code.h"
#include "core/base/status.h"
#include "core/tenant/config.h"

namespace poplar::app {

// Makes a leaf run a command with the configuration that --config names.
using RunWithConfigFunction =
    std::function<void(CLI::App*, std::function<ExitCode(const tenant::Config&)>)>;

inline CLI::App* AddGroup(CLI::App& app, const std::string& name, const std::string& does) {
  CLI::App* group = app.add_subcommand(name, does);
  group->require_subcommand(1);
  group->footer("Each has examples: `poplar " + name + " COMMAND --help`.");
  return group;
}

inline CLI::App* AddLeaf(CLI::App* parent, const std::string& name, const std::string& does,
                         const std::string& examples) {
  CLI::App* leaf = parent->add_subcommand(name, does);
  leaf->footer("Examples:\n" + examples);
  return leaf;
}

// What CLI11 asks of a check: the fault, or nothing.
template <class Value>
std::string FaultIn(const StatusOr<Value>& value) {
  return std::string(Message(value.status()));
}

}  // namespace poplar::app
