#include "core/app/console.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <string>

namespace poplar::app {
namespace {

// Runs in a child whose terminal is the other end of a pseudo-terminal.
[[noreturn]] void AskInChild() {
  const auto password = AskPasswordOnTerminal("Password: ");
  termios after{};
  const bool echoes = tcgetattr(0, &after) == 0 && (after.c_lflag & ECHO) != 0;
  _exit(password.ok() &&
                password->Reveal() ==
                    "tr\xc3\xbc"
                    "b" &&
                echoes
            ? 0
            : 1);
}

TEST(AskPassword, ReadsALineWithoutEcho) {
  int terminal = -1;
  const pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
  ASSERT_GE(child, 0);
  if (child == 0) AskInChild();
  std::string shown;
  std::array<char, 256> chunk;
  bool typed = false;
  for (ssize_t got; (got = read(terminal, chunk.data(), chunk.size())) > 0;) {
    shown.append(chunk.data(), static_cast<size_t>(got));
    if (typed || shown.find("Password: ") == std::string::npos) continue;
    typed = write(terminal,
                  "tr\xc3\xbc"
                  "b\n",
                  6) == 6;
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(shown, "Password: \r\n");
  close(terminal);
}

TEST(AskPassword, WithoutATerminalItSaysWhatToDo) {
  const pid_t child = fork();
  if (child == 0) {
    setsid();  // Leaves the terminal, if there was one.
    const auto password = AskPasswordOnTerminal("Password: ");
    const bool told = Message(password.status()).find("--password-stdin") != std::string_view::npos;
    _exit(told ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace poplar::app
