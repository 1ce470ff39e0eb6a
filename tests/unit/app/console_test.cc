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

// What is typed into `ask` on a terminal of its own; the child says by its end whether it got
// `sent`.
void ExpectAsked(StatusOr<base::Secret> (*ask)(std::string_view), const std::string& typed,
                 const std::string& sent) {
  int terminal = -1;
  const pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto secret = ask("Secret: ");
    _exit(secret.ok() && secret->Reveal() == sent ? 0 : 1);
  }
  std::string shown;
  std::array<char, 256> chunk;
  while (shown.find("Secret: ") == std::string::npos) {
    const ssize_t got = read(terminal, chunk.data(), chunk.size());
    ASSERT_GT(got, 0);
    shown.append(chunk.data(), static_cast<size_t>(got));
  }
  for (size_t at = 0; at < typed.size();) {
    const ssize_t put = write(terminal, typed.data() + at, typed.size() - at);
    ASSERT_GT(put, 0);
    at += static_cast<size_t>(put);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0) << typed.size();
  close(terminal);
}

TEST(AskPassword, ALineIsEditedAsEver) {
  ExpectAsked(&AskPasswordOnTerminal, "\x7fwron\x7f\x7f\x7f\x7fright\n", "right");
  ExpectAsked(&AskPasswordOnTerminal, "wrong\x15right\r", "right");
  ExpectAsked(&AskPasswordOnTerminal, "right\x04", "right");
}

TEST(AskToken, IsTakenWhole) {
  const std::string token(12'000, 't');
  ExpectAsked(&AskTokenOnTerminal, token + "\n", token);
  const std::string too_long(kTokenBytesMax + 100, 't');
  ExpectAsked(&AskTokenOnTerminal, too_long + "\n", too_long.substr(0, kTokenBytesMax + 1));
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
