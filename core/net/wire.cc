#include "core/net/wire.h"

#include <sys/sendfile.h>
#include <sys/socket.h>

#include <cerrno>

#include "core/base/check.h"
#include "core/net/keepalive.h"

namespace poplar::net {

WireStep Wire::Write(std::string_view bytes, bool more, size_t& sent) {
  sent = 0;
  while (sent < bytes.size()) {
    const std::string_view rest = bytes.substr(sent);
    if (!raw()) {
      size_t taken = 0;
      const TlsStep step = tls_->Write(rest, taken);
      if (step == TlsStep::kWantOutput) return WireStep::kBlocked;
      if (step != TlsStep::kDone) return WireStep::kGone;
      sent += taken;
      Count(taken);
      continue;
    }
    const ssize_t taken =
        send(fd_, rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    if (taken > 0) {
      sent += static_cast<size_t>(taken);
      Count(static_cast<uint64_t>(taken));
    } else if (taken < 0 && errno == EAGAIN) {
      return WireStep::kBlocked;
    } else if (taken == 0 || errno != EINTR) {
      return WireStep::kGone;
    }
  }
  return WireStep::kDone;
}

WireStep Wire::SendFile(const io::FileRange& range, uint64_t& sent) {
  POP_CHECK(raw());
  sent = 0;
  while (sent < range.bytes) {
    auto offset = static_cast<off_t>(range.offset + sent);
    const ssize_t taken = sendfile(fd_, range.fd, &offset, range.bytes - sent);
    if (taken > 0) {
      sent += static_cast<uint64_t>(taken);
      Count(static_cast<uint64_t>(taken));
      continue;
    }
    if (taken == 0) return WireStep::kFileEnded;
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return WireStep::kBlocked;
    // EIO is the disk's; reading tells whose fault it is.
    if (errno == EINVAL || errno == ENOSYS || errno == EOVERFLOW || errno == EIO)
      return WireStep::kUnsupported;
    return WireStep::kGone;
  }
  return WireStep::kDone;
}

uint64_t Wire::accepted_bytes() const {
  const uint64_t waiting = UnacceptedBytes(fd_);
  return sent_bytes_ > waiting ? sent_bytes_ - waiting : 0;
}

}  // namespace poplar::net
