// A folder of its own for each test, and the poplar command run in it as a shell would.

#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "core/app/cli.h"

namespace poplar::app {

class CommandTest : public ::testing::Test {
 protected:
  void SetUp() override {
    unsetenv("POPLAR_CONFIG");
    std::string name = std::filesystem::path(::testing::TempDir()) / "poplar-app-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    config_path_ = folder_ / "poplar.toml";
    wiring_.init_store = [](const tenant::Config& config) {
      return std::filesystem::create_directory(config.store.path)
                 ? OkStatus()
                 : MakeStatus(StatusCode::kAlreadyExists, config.store.path);
    };
    wiring_.look_at_store = [](const tenant::Config& config) {
      return std::filesystem::is_directory(config.store.path)
                 ? OkStatus()
                 : MakeStatus(StatusCode::kNotFound, config.store.path);
    };
    wiring_.check_backends = [](const tenant::Config&) { return std::vector<BackendFault>(); };
    wiring_.knows_addresses = [](const tenant::BackendConfig&) { return true; };
    wiring_.warn_of_host_threads = [](const tenant::Config&) { return std::string(); };
    wiring_.warn_of_penalties = [](const tenant::Config&) { return std::string(); };
    wiring_.serve = [this](const tenant::Config&, const std::string& path) {
      served_path_ = path;
      return ExitCode::kTemporary;
    };
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // Runs `poplar ARGUMENTS…`; what it says is in out_ and err_.
  ExitCode Run(const std::vector<std::string>& arguments, const std::string& input = "") {
    std::vector<const char*> argv = {"poplar"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    std::istringstream in(input);
    std::ostringstream out, err;
    Console console{.in = in, .out = out, .err = err, .ask_password = [this](std::string_view) {
                      return NextTypedPassword();
                    }};
    const ExitCode code = RunCli(static_cast<int>(argv.size()), argv.data(), wiring_, console);
    out_ = out.str();
    err_ = err.str();
    return code;
  }
  // The same with --config at its end.
  ExitCode RunHere(std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.end(), {"--config", config_path_});
    return Run(arguments, input);
  }

  void Write(const std::filesystem::path& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }
  static std::string Contents(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::filesystem::path folder_;
  std::string config_path_;
  Wiring wiring_;
  std::string served_path_;
  std::vector<std::string> typed_passwords_;  // Answers of the terminal, in order.
  std::string out_;
  std::string err_;

 private:
  StatusOr<base::Secret> NextTypedPassword() {
    if (typed_passwords_.empty())
      return MakeStatus(StatusCode::kFailedPrecondition, "there is no terminal");
    base::Secret password(typed_passwords_.front());
    typed_passwords_.erase(typed_passwords_.begin());
    return password;
  }
};

}  // namespace poplar::app
