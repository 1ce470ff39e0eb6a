// The socket of an HTTP listener, made here rather than by libmicrohttpd, so that both families
// work and errors are exact. Any thread.

#pragma once

#include "core/base/bind.h"
#include "core/base/fd.h"
#include "core/base/status.h"
#include "core/tenant/listen_address.h"

namespace poplar::ops {

// An address that cannot be listened on (in use, not ours, not allowed) is told with its address.
StatusOr<base::UniqueFd> ListenForHttp(const tenant::ListenAddress& address, int backlog,
                                       const base::BindFunction& bind_for);

// Where a socket listens; where port 0 was asked for, with the one that the kernel chose.
StatusOr<tenant::ListenAddress> BoundAddress(int fd);

}  // namespace poplar::ops
