// What a command talks to: its streams and the terminal. Tests bring their own. One thread.

#pragma once

#include <functional>
#include <istream>
#include <ostream>
#include <string>
#include <string_view>

#include "core/app/exit_code.h"
#include "core/base/secret.h"
#include "core/base/status.h"

namespace poplar::app {

struct Console {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  // Asks on the terminal, without echo.
  std::function<StatusOr<base::Secret>(std::string_view prompt)> ask_password;
};

// The process's own: standard streams, and /dev/tty for passwords.
Console ProcessConsole();

// Says "poplar: MESSAGE" on standard error and gives the code to end with.
ExitCode Fail(Console& console, const Status& error);
ExitCode Fail(Console& console, ExitCode code, std::string_view message);

// The first line of standard input, without its end. kInvalidArgument: there is none; `what` says
// of what.
StatusOr<base::Secret> ReadPassword(std::istream& in, std::string_view what = "password");

// kFailedPrecondition without a terminal.
StatusOr<base::Secret> AskPasswordOnTerminal(std::string_view prompt);

}  // namespace poplar::app
