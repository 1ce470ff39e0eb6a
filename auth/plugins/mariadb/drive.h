// libmariadb's calls that do not block come in two parts, `…_start` and `…_cont`: this is the wait
// between them.

#pragma once

#include <mariadb/mysql.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>

#include "auth/plugins/common/deadline.h"

namespace poplar::mariadb {

// Runs a call: `start` begins it, `go_on` continues it with what was waited for; both return what
// it waits for next, 0 at its end. False: the deadline came, and with it the connection's end.
template <typename Start, typename GoOn>
bool Drive(MYSQL* handle, plugins::Deadline deadline, const Start& start, const GoOn& go_on) {
  // Errors of another connection that this thread had before would be taken for this one's.
  ERR_clear_error();
  bool in_time = true;
  for (int wanted = start(); wanted != 0;) {
    plugins::Deadline until = deadline;
    if ((wanted & MYSQL_WAIT_TIMEOUT) != 0) {
      until = plugins::Within(mysql_get_timeout_value_ms(handle), deadline);
    }
    const int events = ((wanted & MYSQL_WAIT_READ) != 0 ? POLLIN : 0) |
                       ((wanted & MYSQL_WAIT_WRITE) != 0 ? POLLOUT : 0) |
                       ((wanted & MYSQL_WAIT_EXCEPT) != 0 ? POLLPRI : 0);
    const bool came =
        plugins::WaitFor(mysql_get_socket(handle), static_cast<short>(events), until) != 0;
    if (!came && plugins::Clock::now() >= deadline) {
      in_time = false;
      // Under TLS libmariadb tries again whatever it is told: so there is nothing more to come.
      ::shutdown(mysql_get_socket(handle), SHUT_RDWR);
    }
    wanted = go_on(came ? wanted & ~MYSQL_WAIT_TIMEOUT : MYSQL_WAIT_TIMEOUT);
  }
  return in_time;
}

}  // namespace poplar::mariadb
