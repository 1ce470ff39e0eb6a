// An end for what libldap does on a connection without one: with GnuTLS its handshake waits for the
// peer for ever, on a socket that does not block even in a busy loop.

#pragma once

#include <ldap.h>

#include "auth/plugins/common/deadline.h"

namespace poplar::ldap {

// While it lives, reads and writes of the connection wait for the socket until the deadline, and
// fail after it. It ends before the connection does.
class TimedIo {
 public:
  TimedIo(LDAP* handle, plugins::Deadline deadline);
  TimedIo(const TimedIo&) = delete;
  TimedIo& operator=(const TimedIo&) = delete;
  ~TimedIo();

  // False: it could not be put in place.
  bool ok() const { return installed_; }

 private:
  Sockbuf* buffer_ = nullptr;
  plugins::Deadline deadline_;
  bool installed_ = false;
};

}  // namespace poplar::ldap
