#include "core/app/console.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>

#include "core/base/fd.h"

namespace poplar::app {
namespace {

// A terminal that shows nothing, and hands each octet on as it is typed: a line that it edits
// itself has 4,095 of them at most. For its lifetime.
class HiddenInput {
 public:
  explicit HiddenInput(int fd) : fd_(fd) {
    switched_ = tcgetattr(fd, &before_) == 0;
    if (!switched_) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON);
    silent.c_cc[VMIN] = 1;
    silent.c_cc[VTIME] = 0;
    switched_ = tcsetattr(fd, TCSAFLUSH, &silent) == 0;
  }
  HiddenInput(const HiddenInput&) = delete;
  HiddenInput& operator=(const HiddenInput&) = delete;
  ~HiddenInput() {
    if (switched_) tcsetattr(fd_, TCSAFLUSH, &before_);
  }
  bool switched() const { return switched_; }

  // Until the line's end or the terminal's, as its user would edit it.
  StatusOr<base::Secret> ReadLine(size_t bytes_max) const {
    std::string line(bytes_max + 1, '\0');
    size_t length = 0;
    Status failed;
    while (true) {
      char c = 0;
      const ssize_t got = read(fd_, &c, 1);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) failed = ErrnoStatus(errno, "cannot read from the terminal");
      if (got <= 0 || c == '\n' || Is(c, VEOF)) break;
      if (Is(c, VERASE)) {
        length -= length > 0 ? 1 : 0;
      } else if (Is(c, VKILL)) {
        length = 0;
      } else if (length < line.size()) {
        line[length++] = c;
      }
    }
    base::Secret secret(std::string_view(line).substr(0, length));
    base::Wipe(line.data(), line.size());
    if (!failed.ok()) return failed;
    return secret;
  }

 private:
  bool Is(char c, int function) const {
    const cc_t key = before_.c_cc[function];
    return key != _POSIX_VDISABLE && static_cast<cc_t>(c) == key;
  }

  int fd_;
  termios before_{};
  bool switched_ = false;
};

StatusOr<base::Secret> AskOnTerminal(std::string_view prompt, std::string_view what,
                                     size_t bytes_max) {
  const base::UniqueFd terminal(open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!terminal.valid())
    return MakeStatus(StatusCode::kFailedPrecondition, "there is no terminal to ask for the " +
                                                           std::string(what) + "; give it by --" +
                                                           std::string(what) + "-stdin");
  const HiddenInput hidden(terminal.get());
  if (!hidden.switched()) {
    return ErrnoStatus(errno, "the terminal would show the " + std::string(what));
  }
  const auto say = [&terminal](std::string_view text) {
    return write(terminal.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  };
  if (!say(prompt)) return ErrnoStatus(errno, "cannot write to the terminal");
  auto secret = hidden.ReadLine(bytes_max);
  say("\n");
  return secret;
}

}  // namespace

StatusOr<base::Secret> ReadPassword(std::istream& in, std::string_view what, size_t bytes_max) {
  std::string line;
  line.reserve(bytes_max + 2);  // So that no copy is left behind when it grows.
  char c = 0;
  while (line.size() <= bytes_max && in.get(c) && c != '\n') line += c;
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
  return {.in = std::cin,
          .out = std::cout,
          .err = std::cerr,
          .ask_password = &AskPasswordOnTerminal,
          .ask_token = &AskTokenOnTerminal};
}

ExitCode Fail(Console& console, const Status& error) {
  return Fail(console, ExitCodeOf(error), Message(error));
}

ExitCode Fail(Console& console, ExitCode code, std::string_view message) {
  console.err << "poplar: " << message << '\n';
  return code;
}

StatusOr<base::Secret> AskPasswordOnTerminal(std::string_view prompt) {
  return AskOnTerminal(prompt, "password", kPasswordBytesMax);
}

StatusOr<base::Secret> AskTokenOnTerminal(std::string_view prompt) {
  return AskOnTerminal(prompt, "token", kTokenBytesMax);
}

}  // namespace poplar::app
