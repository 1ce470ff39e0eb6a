#include "bench/load/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "bench/load/meter.h"
#include "core/base/check.h"
#include "core/base/units.h"

namespace poplar::load {
namespace {

constexpr size_t kLineBytesMax = 64 * kKiB;
constexpr int64_t kWouldBlock = -1;

Status SocketError(int error_number, std::string_view what) {
  return ConnectionError(Message(ErrnoStatus(error_number, what)));
}

}  // namespace

// Waits for the next event or the deadline; says false when it was the deadline.
auto Stream::Ready(uint64_t deadline_ns) {
  struct Awaiter {
    Stream* stream;
    uint64_t deadline_ns;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
      POP_CHECK(!stream->waiter_);
      stream->waiter_ = waiter;
      stream->timed_out_ = false;
      stream->deadline_ns_ = deadline_ns;
    }
    bool await_resume() const { return !stream->timed_out_; }
  };
  return Awaiter{this, deadline_ns};
}

void Stream::OnReady() {
  if (!waiter_) return;  // whoever waits next tries first
  std::exchange(waiter_, nullptr).resume();
}

void Stream::OnTick(uint64_t now_ns) {
  const bool over = deadline_ns_ == kLoopEndNs ? loop_->ending() : now_ns >= deadline_ns_;
  if (!waiter_ || !over) return;
  timed_out_ = true;
  std::exchange(waiter_, nullptr).resume();
}

Task<Status> Stream::Connect(const Endpoint* endpoint) {
  POP_CHECK(!fd_.valid());
  base::UniqueFd fd(socket(endpoint->family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) co_return SocketError(errno, "socket");
  int on = 1;
  if (endpoint->family() != AF_UNIX) {
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  if (options_.receive_buffer_bytes > 0) {
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &options_.receive_buffer_bytes, sizeof(int));
  }
  bool under_way = connect(fd.get(), endpoint->raw(), endpoint->address_bytes) != 0;
  if (under_way && errno != EINPROGRESS) co_return SocketError(errno, "connect");
  Status watched = loop_->Watch(fd.get(), this);
  if (!watched.ok()) co_return ConnectionError(Message(watched));
  fd_ = std::move(fd);
  if (under_way) {
    bool in_time = co_await Ready(Timeout());
    if (!in_time) co_return TimeoutError("connect");
    int error = 0;
    socklen_t error_bytes = sizeof(error);
    getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &error_bytes);
    if (error != 0) co_return SocketError(error, "connect");
  }
  co_return OkStatus();
}

Task<Status> Stream::StartTls(TlsContext* context, TlsTicket* ticket) {
  POP_CHECK(ssl_ == nullptr && output_.empty());
  if (!input_.empty()) co_return ReplyError("clear text before TLS", input_.view());
  ssl_ = context->NewClient(fd_.get(), ticket);
  while (true) {
    int result = SSL_do_handshake(ssl_.get());
    if (result == 1) co_return OkStatus();
    StatusOr<int64_t> progress = TlsResult(result, "handshake");
    if (!progress.ok()) co_return progress.status();
    if (*progress == 0) co_return TlsError("handshake: the server closed");
    bool in_time = co_await Ready(Timeout());
    if (!in_time) co_return TimeoutError("TLS handshake");
  }
}

// The result of an SSL_* call as recv and send give theirs: > 0, 0 at the end, or kWouldBlock.
StatusOr<int64_t> Stream::TlsResult(int result, std::string_view what) {
  if (result > 0) return result;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return kWouldBlock;
    case SSL_ERROR_ZERO_RETURN:
      return 0;
    case SSL_ERROR_SYSCALL:
      return SocketError(errno, what);
    default:
      return TlsError(std::string(what) + ": " + TlsErrorText());
  }
}

StatusOr<int64_t> Stream::ReceiveInto(char* bytes, size_t count) {
  if (ssl_ != nullptr) {
    return TlsResult(SSL_read(ssl_.get(), bytes, static_cast<int>(count)), "receive");
  }
  ssize_t received = recv(fd_.get(), bytes, count, 0);
  if (received >= 0) return received;
  if (errno == EAGAIN) return kWouldBlock;
  return SocketError(errno, "receive");
}

StatusOr<int64_t> Stream::SendFrom(std::string_view bytes) {
  if (ssl_ != nullptr) {
    return TlsResult(SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())), "send");
  }
  ssize_t sent = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent >= 0) return sent;
  if (errno == EAGAIN) return kWouldBlock;
  return SocketError(errno, "send");
}

StatusOr<Stream::Progress> Stream::TryReceive() {
  std::span<char> tail = input_.Tail(options_.receive_bytes_max);
  POP_ASSIGN_OR_RETURN(int64_t received,
                       ReceiveInto(tail.data(), std::min(tail.size(), options_.receive_bytes_max)));
  if (received == kWouldBlock) return Progress::kWouldBlock;
  if (received == 0) return Progress::kEnd;
  input_.Extend(static_cast<size_t>(received));
  return Progress::kSome;
}

Status Stream::TrySend() {
  while (!output_.empty()) {
    POP_ASSIGN_OR_RETURN(int64_t sent, SendFrom(output_.view()));
    if (sent == kWouldBlock) return OkStatus();
    output_.Consume(static_cast<size_t>(sent));
  }
  return OkStatus();
}

Task<Status> Stream::Flush() {
  while (true) {
    LOAD_CO_RETURN_IF_ERROR(TrySend());
    if (output_.empty()) co_return OkStatus();
    bool in_time = co_await Ready(Timeout());
    if (!in_time) co_return TimeoutError("the server does not take what is sent");
  }
}

Task<Status> Stream::Fill() {
  if (!fd_.valid()) co_return ConnectionError("not connected");
  while (true) {
    LOAD_CO_RETURN_IF_ERROR(TrySend());
    LOAD_CO_ASSIGN_OR_RETURN(Progress progress, TryReceive());
    if (progress == Progress::kSome) co_return OkStatus();
    if (progress == Progress::kEnd) co_return ConnectionError("the server closed");
    bool in_time = co_await Ready(Timeout());
    if (!in_time) co_return TimeoutError("no reply in time");
  }
}

std::optional<std::string_view> Stream::TakeLine() {
  std::string_view bytes = input_.view();
  size_t newline = bytes.find('\n');
  if (newline == std::string_view::npos) return std::nullopt;
  input_.Consume(newline + 1);
  bool with_cr = newline > 0 && bytes[newline - 1] == '\r';
  // A line without CR keeps its LF, so that it matches nothing that is expected.
  return bytes.substr(0, with_cr ? newline - 1 : newline + 1);
}

Task<StatusOr<std::string_view>> Stream::ReadLine() {
  while (true) {
    std::optional<std::string_view> line = TakeLine();
    if (line) co_return *line;
    if (input_.size() > kLineBytesMax) co_return ReplyError("a line without end", input_.view());
    Status filled = co_await Fill();
    if (!filled.ok()) co_return filled;
  }
}

Task<Status> Stream::StaySilent() {
  while (!loop_->ending()) {
    LOAD_CO_ASSIGN_OR_RETURN(Progress progress, TryReceive());
    if (progress == Progress::kEnd) co_return ConnectionError("the server closed");
    if (!input_.empty()) co_return ReplyError("nothing was asked", input_.view());
    co_await Ready(kLoopEndNs);
  }
  co_return OkStatus();
}

Task<Status> Stream::WaitClose() {
  while (true) {
    if (!input_.empty()) co_return ReplyError("after the last reply", input_.view());
    LOAD_CO_ASSIGN_OR_RETURN(Progress progress, TryReceive());
    if (progress == Progress::kEnd) co_return OkStatus();
    if (progress == Progress::kSome) continue;
    bool in_time = co_await Ready(Timeout());
    if (!in_time) co_return TimeoutError("the server does not close");
  }
}

void Stream::Close() {
  if (!fd_.valid()) return;
  loop_->Unwatch(this);
  if (ssl_ != nullptr) {
    // Or OpenSSL takes this for a failure, and the ticket with it.
    SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    ssl_.reset();
  }
  fd_.Reset();
  input_.Clear();
  output_.Clear();
}

void Stream::Reset() {
  if (!fd_.valid()) return;
  linger hard{1, 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  Close();
}

}  // namespace poplar::load
