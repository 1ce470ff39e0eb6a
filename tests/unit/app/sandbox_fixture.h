// Processes that enter a sandbox of the product and then try things.

#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "core/base/check.h"

namespace poplar::app {

// What is true in a child process; a child that is killed, or ends by itself, is false.
inline bool InChild(const std::function<bool()>& is_so) {
  const pid_t child = ::fork();
  POP_CHECK(child >= 0);
  constexpr int kTrue = 42;
  if (child == 0) ::_exit(is_so() ? kTrue : 1);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == kTrue;
}

// A folder of its own, and one beside it that is nobody's business.
class SandboxFolders {
 public:
  SandboxFolders() {
    std::string pattern = (std::filesystem::temp_directory_path() / "poplar-sandbox-XXXXXX");
    POP_CHECK(::mkdtemp(pattern.data()) != nullptr);
    root_ = pattern;
    std::filesystem::create_directories(mail());
    std::filesystem::create_directories(elsewhere());
    Write(elsewhere() + "/secret", "of others");
  }
  SandboxFolders(const SandboxFolders&) = delete;
  SandboxFolders& operator=(const SandboxFolders&) = delete;
  ~SandboxFolders() {
    std::error_code error;
    std::filesystem::remove_all(root_, error);
  }

  std::string mail() const { return root_ + "/mail"; }
  std::string elsewhere() const { return root_ + "/elsewhere"; }

  static bool Write(const std::string& path, std::string_view text) {
    std::ofstream file(path);
    file << text << std::flush;
    return file.good();
  }
  static bool Reads(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    return static_cast<bool>(std::getline(file, line));
  }

 private:
  std::string root_;
};

}  // namespace poplar::app
