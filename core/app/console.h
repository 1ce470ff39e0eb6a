// What a command talks to: its streams and the terminal. Tests bring their own. One thread.

#pragma once

#include <functional>
#include <istream>
#include <ostream>
#include <string>
#include <string_view>

#include "core/app/exit_code.h"
#include "core/base/limits.h"
#include "core/base/secret.h"
#include "core/base/status.h"

namespace poplar::app {

// As long as a line that a client may send one in.
inline constexpr size_t kTokenBytesMax = kSaslLineBytesMax;

struct Console {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  // Asks on the terminal, without echo.
  std::function<StatusOr<base::Secret>(std::string_view prompt)> ask_password;
  std::function<StatusOr<base::Secret>(std::string_view prompt)> ask_token = nullptr;
};

// The process's own: standard streams, and /dev/tty for passwords.
Console ProcessConsole();

// Says "poplar: MESSAGE" on standard error and gives the code to end with.
ExitCode Fail(Console& console, const Status& error);
ExitCode Fail(Console& console, ExitCode code, std::string_view message);

// The first line of standard input, without its end. kInvalidArgument: there is none; `what` says
// of what. Of a longer one than is wanted, one octet more than that.
StatusOr<base::Secret> ReadPassword(std::istream& in, std::string_view what = "password",
                                    size_t bytes_max = kPasswordBytesMax);

// kFailedPrecondition without a terminal. Of a longer one than kPasswordBytesMax and
// kTokenBytesMax, one octet more than that.
StatusOr<base::Secret> AskPasswordOnTerminal(std::string_view prompt);
StatusOr<base::Secret> AskTokenOnTerminal(std::string_view prompt);

}  // namespace poplar::app
