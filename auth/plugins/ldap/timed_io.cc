#include "auth/plugins/ldap/timed_io.h"

#include <poll.h>

#include <cerrno>

namespace poplar::ldap {
namespace {

using plugins::Deadline;

// Above the socket, below TLS.
constexpr int kLevel = LBER_SBIOD_LEVEL_PROVIDER + 1;

int SetUp(Sockbuf_IO_Desc* layer, void* deadline) {
  layer->sbiod_pvt = deadline;
  return 0;
}

int Remove(Sockbuf_IO_Desc* /*layer*/) { return 0; }

int Control(Sockbuf_IO_Desc* layer, int option, void* argument) {
  return LBER_SBIOD_CTRL_NEXT(layer, option, argument);
}

// Runs `once` until it does not ask to come back later. Not before it has asked: what was read
// already may wait below, and the socket have nothing more.
template <typename Once>
ber_slen_t Try(Sockbuf_IO_Desc* layer, short events, Once once) {
  const Deadline deadline = *static_cast<const Deadline*>(layer->sbiod_pvt);
  ber_socket_t fd = -1;
  ber_sockbuf_ctrl(layer->sbiod_sb, LBER_SB_OPT_GET_FD, &fd);
  while (plugins::Clock::now() < deadline) {
    const ber_slen_t moved = once();
    if (moved >= 0 || (errno != EAGAIN && errno != EINTR)) return moved;
    plugins::WaitFor(fd, events, deadline);
  }
  errno = ETIMEDOUT;
  return -1;
}

ber_slen_t Read(Sockbuf_IO_Desc* layer, void* bytes, ber_len_t most) {
  return Try(layer, POLLIN, [&] { return LBER_SBIOD_READ_NEXT(layer, bytes, most); });
}

ber_slen_t Write(Sockbuf_IO_Desc* layer, void* bytes, ber_len_t most) {
  return Try(layer, POLLOUT, [&] { return LBER_SBIOD_WRITE_NEXT(layer, bytes, most); });
}

Sockbuf_IO timed_io = {.sbi_setup = &SetUp,
                       .sbi_remove = &Remove,
                       .sbi_ctrl = &Control,
                       .sbi_read = &Read,
                       .sbi_write = &Write,
                       .sbi_close = nullptr};

}  // namespace

TimedIo::TimedIo(LDAP* handle, Deadline deadline) : deadline_(deadline) {
  installed_ =
      ldap_get_option(handle, LDAP_OPT_SOCKBUF, static_cast<void*>(&buffer_)) == LDAP_OPT_SUCCESS &&
      buffer_ != nullptr && ber_sockbuf_add_io(buffer_, &timed_io, kLevel, &deadline_) == 0;
}

TimedIo::~TimedIo() {
  if (installed_) ber_sockbuf_remove_io(buffer_, &timed_io, kLevel);
}

}  // namespace poplar::ldap
