// The sending side of a socket, with or without TLS, as steps that never wait.
//
// Lives on its stream's shard.

#pragma once

#include <cstdint>
#include <string_view>

#include "core/io/body.h"
#include "core/net/net_metrics.h"
#include "core/net/tls_session.h"

namespace poplar::net {

enum class WireStep : uint8_t {
  kDone,         // All of it was taken.
  kBlocked,      // Again when the socket can take more (POLLOUT).
  kGone,         // The connection is broken.
  kUnsupported,  // SendFile only: the rest cannot be sent this way; read it.
  kFileEnded,    // SendFile only: the file is shorter than it was.
};

class Wire {
 public:
  Wire(int fd, NetMetrics& metrics) : fd_(fd), metrics_(metrics) {}

  // From now on what is sent goes through `tls`, which must outlive this.
  void set_tls(TlsSession& tls) { tls_ = &tls; }

  // Bytes go to the descriptor as they are: plain, or sealed by the kernel. Only then may others
  // send on it, and only then is there a SendFile.
  bool raw() const { return tls_ == nullptr || tls_->kernel_sends(); }

  // Sends from the front of `bytes`; `sent` says how many were taken. After kBlocked without raw()
  // the same bytes must come again. `more`: the rest of a packet follows at once.
  WireStep Write(std::string_view bytes, bool more, size_t& sent);
  // Sends from the page cache. REQUIRES: raw().
  WireStep SendFile(const io::FileRange& range, uint64_t& sent);

  // For who sends on the descriptor by itself.
  void Count(uint64_t bytes) {
    sent_bytes_ += bytes;
    metrics_.bytes_out.Add(bytes);
  }
  // Bytes handed to the socket so far, before encryption.
  uint64_t sent_bytes() const { return sent_bytes_; }
  // Those that the peer has acknowledged, nearly (the kernel counts encrypted bytes).
  uint64_t accepted_bytes() const;

  int fd() const { return fd_; }

 private:
  const int fd_;
  NetMetrics& metrics_;
  TlsSession* tls_ = nullptr;
  uint64_t sent_bytes_ = 0;
};

}  // namespace poplar::net
