#include "core/app/console.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>

#include "core/base/fd.h"
#include "core/base/limits.h"

namespace poplar::app {
namespace {

// Switches echo off for its lifetime.
class EchoOff {
 public:
  explicit EchoOff(int fd) : fd_(fd) {
    switched_ = tcgetattr(fd, &before_) == 0;
    if (!switched_) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    switched_ = tcsetattr(fd, TCSAFLUSH, &silent) == 0;
  }
  EchoOff(const EchoOff&) = delete;
  EchoOff& operator=(const EchoOff&) = delete;
  ~EchoOff() {
    if (switched_) tcsetattr(fd_, TCSAFLUSH, &before_);
  }
  bool switched() const { return switched_; }

 private:
  int fd_;
  termios before_{};
  bool switched_ = false;
};

StatusOr<base::Secret> ReadLine(int fd) {
  std::string line(kPasswordBytesMax + 2, '\0');
  size_t length = 0;
  Status failed;
  while (length < line.size()) {
    const ssize_t got = read(fd, line.data() + length, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) failed = ErrnoStatus(errno, "cannot read from the terminal");
    if (got <= 0 || line[length] == '\n') break;
    ++length;
  }
  base::Secret secret(std::string_view(line).substr(0, length));
  base::Wipe(line.data(), line.size());
  if (!failed.ok()) return failed;
  return secret;
}

}  // namespace

StatusOr<base::Secret> ReadPassword(std::istream& in, std::string_view what) {
  std::string line;
  line.reserve(kPasswordBytesMax + 2);  // So that no copy is left behind when it grows.
  char c = 0;
  while (line.size() <= kPasswordBytesMax && in.get(c) && c != '\n') line += c;
  if (!line.empty() && line.back() == '\r') line.pop_back();
  base::Secret password(line);
  base::Wipe(line.data(), line.size());
  if (in.bad()) return MakeStatus(StatusCode::kDataLoss, "standard input could not be read");
  if (password.empty())
    return MakeStatus(StatusCode::kInvalidArgument,
                      "there is no " + std::string(what) + " on the first line of standard input");
  return password;
}

Console ProcessConsole() {
  return {
      .in = std::cin, .out = std::cout, .err = std::cerr, .ask_password = &AskPasswordOnTerminal};
}

ExitCode Fail(Console& console, const Status& error) {
  return Fail(console, ExitCodeOf(error), Message(error));
}

ExitCode Fail(Console& console, ExitCode code, std::string_view message) {
  console.err << "poplar: " << message << '\n';
  return code;
}

StatusOr<base::Secret> AskPasswordOnTerminal(std::string_view prompt) {
  const base::UniqueFd terminal(open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!terminal.valid())
    return MakeStatus(StatusCode::kFailedPrecondition,
                      "there is no terminal to ask for the password; give it by --password-stdin");
  const EchoOff echo_off(terminal.get());
  if (!echo_off.switched()) return ErrnoStatus(errno, "the terminal would show the password");
  const auto say = [&terminal](std::string_view text) {
    return write(terminal.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  };
  if (!say(prompt)) return ErrnoStatus(errno, "cannot write to the terminal");
  auto secret = ReadLine(terminal.get());
  say("\n");
  return secret;
}

}  // namespace poplar::app
