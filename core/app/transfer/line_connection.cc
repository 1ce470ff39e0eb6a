#include "core/app/transfer/line_connection.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/base/check.h"

namespace poplar::app {
namespace {

constexpr size_t kReceiveBytes = 64 * 1024;

Status SetTimeouts(int fd, uint32_t timeout_s) {
  const timeval timeout{.tv_sec = timeout_s, .tv_usec = 0};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) != 0 ||
      setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) != 0) {
    return ErrnoStatus(errno, "setsockopt");
  }
  return OkStatus();
}

Status ConnectFailed(int error_number, const std::string& name) {
  if (error_number == ENOENT || error_number == ECONNREFUSED) {
    return MakeStatus(StatusCode::kFailedPrecondition, "no server listens at " + name);
  }
  return ErrnoStatus(error_number, "cannot connect to " + name);
}

bool IsIpAddress(const std::string& host) {
  in6_addr ignored{};
  return inet_pton(AF_INET, host.c_str(), &ignored) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

std::string OpenSslError() {
  const unsigned long code = ERR_get_error();
  return code == 0 ? "the connection broke" : ERR_reason_error_string(code);
}

}  // namespace

LineConnection::LineConnection(base::UniqueFd fd, std::string name, uint32_t timeout_s)
    : fd_(std::move(fd)), name_(std::move(name)) {
  // A socket that takes no timeout would only wait longer.
  SetTimeouts(fd_.get(), timeout_s).IgnoreError();
}

StatusOr<LineConnection> LineConnection::ToUnix(const std::string& path, uint32_t timeout_s) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return MakeStatus(StatusCode::kInvalidArgument, path + " is too long for a socket");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return ConnectFailed(errno, path);
  }
  return LineConnection(std::move(fd), path, timeout_s);
}

StatusOr<LineConnection> LineConnection::ToOwn(const std::string& path) {
  auto connection = ToUnix(path);
  if (connection.status().code() != StatusCode::kFailedPrecondition) return connection;
  return MakeStatus(StatusCode::kUnavailable, Message(connection.status()));
}

StatusOr<LineConnection> LineConnection::ToTcp(const std::string& host, uint16_t port,
                                               uint32_t timeout_s) {
  const std::string name = host + ":" + std::to_string(port);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int resolved = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (resolved != 0) {
    return MakeStatus(StatusCode::kUnavailable,
                      "cannot resolve " + host + ": " + gai_strerror(resolved));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(list, &freeaddrinfo);
  int error_number = EHOSTUNREACH;
  for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
    base::UniqueFd fd(socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd.valid()) {
      error_number = errno;
      continue;
    }
    POP_RETURN_IF_ERROR(SetTimeouts(fd.get(), timeout_s));  // The send timeout bounds connect.
    if (connect(fd.get(), each->ai_addr, each->ai_addrlen) == 0) {
      const int on = 1;
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      return LineConnection(std::move(fd), name, timeout_s);
    }
    error_number = errno;
  }
  return ConnectFailed(error_number, name);
}

Status LineConnection::Failed(int error_number) const {
  if (error_number == EAGAIN || error_number == EWOULDBLOCK) {
    return MakeStatus(StatusCode::kDeadlineExceeded, name_ + " took too long");
  }
  return ErrnoStatus(error_number, "the connection to " + name_);
}

Status LineConnection::StartTls(const std::string& host, const TlsTrust& trust) {
  POP_CHECK(ssl_ == nullptr);
  received_.clear();
  taken_ = 0;
  const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_client_method()),
                                                             &SSL_CTX_free);
  POP_CHECK(context != nullptr);
  // A server that closes without a goodbye is told by what is missing of its reply.
  SSL_CTX_set_options(context.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  if (!trust.insecure) {
    const int loaded = trust.ca_file.empty() ? SSL_CTX_set_default_verify_paths(context.get())
                                             : SSL_CTX_load_verify_locations(
                                                   context.get(), trust.ca_file.c_str(), nullptr);
    if (loaded != 1) {
      return MakeStatus(StatusCode::kInvalidArgument,
                        trust.ca_file + " holds no certificates: " + OpenSslError());
    }
    if (!trust.only_note) SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  }
  ssl_.reset(SSL_new(context.get()));
  POP_CHECK(ssl_ != nullptr && SSL_set_fd(ssl_.get(), fd_.get()) == 1);
  const bool is_address = IsIpAddress(host);
  if (!is_address) SSL_set_tlsext_host_name(ssl_.get(), host.c_str());
  if (is_address && !trust.only_note) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), host.c_str());
  } else if (!trust.only_note) {
    SSL_set1_host(ssl_.get(), host.c_str());
  }
  if (SSL_connect(ssl_.get()) == 1) return OkStatus();
  const long verified = SSL_get_verify_result(ssl_.get());
  if (!trust.insecure && !trust.only_note && verified != X509_V_OK) {
    return MakeStatus(StatusCode::kUnauthenticated,
                      "the certificate of " + name_ +
                          " is not trusted: " + X509_verify_cert_error_string(verified) +
                          "; name its issuer with --ca, or say --insecure");
  }
  return MakeStatus(StatusCode::kUnavailable, "TLS with " + name_ + ": " + OpenSslError());
}

std::string LineConnection::certificate_fault() const {
  const long verified = SSL_get_verify_result(ssl_.get());
  return verified == X509_V_OK ? "" : X509_verify_cert_error_string(verified);
}

bool LineConnection::CertificateIsFor(const std::string& host) const {
  X509* const certificate = SSL_get0_peer_certificate(ssl_.get());
  if (certificate == nullptr) return false;
  return IsIpAddress(host)
             ? X509_check_ip_asc(certificate, host.c_str(), 0) == 1
             : X509_check_host(certificate, host.c_str(), host.size(), 0, nullptr) == 1;
}

Status LineConnection::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t sent = 0;
    if (ssl_ != nullptr) {
      ERR_clear_error();
      size_t written = 0;
      if (SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written) != 1) {
        return MakeStatus(StatusCode::kUnavailable, name_ + ": " + OpenSslError());
      }
      sent = static_cast<ssize_t>(written);
    } else {
      sent = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0) return Failed(errno);
    }
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return OkStatus();
}

Status LineConnection::Receive() {
  received_.erase(0, std::exchange(taken_, 0));
  const size_t before = received_.size();
  received_.resize(before + kReceiveBytes);
  ssize_t got = 0;
  int error_number = 0;
  if (ssl_ != nullptr) {
    ERR_clear_error();
    errno = 0;
    size_t read = 0;
    if (SSL_read_ex(ssl_.get(), received_.data() + before, kReceiveBytes, &read) == 1) {
      got = static_cast<ssize_t>(read);
    } else if (SSL_get_error(ssl_.get(), 0) != SSL_ERROR_ZERO_RETURN) {
      error_number = errno == 0 ? ECONNRESET : errno;
    }
  } else {
    do {
      got = recv(fd_.get(), received_.data() + before, kReceiveBytes, 0);
    } while (got < 0 && errno == EINTR);
    error_number = got < 0 ? errno : 0;
  }
  received_.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
  if (got > 0) return OkStatus();
  if (error_number != 0) return Failed(error_number);
  return MakeStatus(StatusCode::kUnavailable, name_ + " closed the connection");
}

StatusOr<std::string> LineConnection::ReadLine() {
  size_t searched = taken_;
  while (true) {
    const size_t end = received_.find('\n', searched);
    if (end != std::string::npos) {
      std::string line = received_.substr(taken_, end - taken_);
      taken_ = end + 1;
      if (line.ends_with('\r')) line.pop_back();
      return line;
    }
    if (received_.size() - taken_ > kPeerLineBytesMax) {
      return MakeStatus(StatusCode::kUnavailable, name_ + " does not speak in lines");
    }
    searched = received_.size() - taken_;
    POP_RETURN_IF_ERROR(Receive());
  }
}

StatusOr<std::string_view> LineConnection::Peek() {
  if (taken_ == received_.size()) POP_RETURN_IF_ERROR(Receive());
  return std::string_view(received_).substr(taken_);
}

void LineConnection::Take(size_t bytes) {
  POP_CHECK(bytes <= received_.size() - taken_);
  taken_ += bytes;
}

}  // namespace poplar::app
