// A shard's network in the test's own thread, a driver that speaks a small line protocol on it, and
// blocking clients for threads beside it.

#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/base/fd.h"
#include "core/io/body.h"
#include "core/io/buffer_ring.h"
#include "core/io/reactor.h"
#include "core/io/task.h"
#include "core/net/listener.h"
#include "core/net/stream.h"

namespace poplar::net {

// A folder that goes away with the test, on a disk (not in memory).
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  std::string Path(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

struct CertificateSpec {
  std::string host = "localhost";
  int days = 30;     // From now. Negative: it expired then.
  bool rsa = false;  // With 2,048 bits; else ECDSA.
};

// A key and a self-signed certificate.
void WriteCertificate(const std::string& certificate_path, const std::string& key_path,
                      const CertificateSpec& spec = {});

// Bytes that tell where they are from, so that no two places look alike.
std::string Pattern(size_t bytes, uint32_t seed = 1);

struct FileBodyOptions {
  bool resident = true;       // TryReadAll works.
  bool file_range = true;     // AsFileRange gives one.
  uint64_t fails_at = ~0ull;  // Read from here on says kDataLoss.
};

// A body in a file of `folder`, its reads answered in a later turn.
class FileBody : public io::Body {
 public:
  FileBody(const TestFolder& folder, std::string bytes, const FileBodyOptions& options);
  ~FileBody() override;

  uint64_t wire_bytes() const override { return bytes_.size(); }
  void Verify(io::Completion<Status>& done) override { done.Set(OkStatus()); }
  void VerifyAll(io::Completion<Status>& done) override { done.Set(OkStatus()); }
  bool TryReadAll(std::span<char> into) override;
  void Read(uint64_t at, std::span<char> into, io::Completion<StatusOr<size_t>>& done) override;
  std::optional<io::FileRange> AsFileRange() const override;

  const std::string& bytes() const { return bytes_; }
  // Pushes the file out of the page cache; false where the file system cannot.
  bool Evict();

 private:
  void AnswerRead();

  const std::string bytes_;
  const FileBodyOptions options_;
  base::UniqueFd file_;
  uint64_t read_at_ = 0;
  std::span<char> read_into_;
  io::Completion<StatusOr<size_t>>* read_done_ = nullptr;
  io::WorkFor<&FileBody::AnswerRead> read_work_{this};
};

struct TestServerOptions {
  StreamOptions stream = {};
  std::shared_ptr<const TlsContext> tls = {};
  bool implicit_tls = false;
  CertificateStore* certificates = nullptr;  // Of hosts; null: none.
  io::OffloadPoolOptions certificate_pool = {};
  uint32_t receive_buffers = 64;
  uint32_t chunks_max = 8;
  int send_buffer_bytes = 0;  // SO_SNDBUF of accepted sockets; 0: the system's.
  Address address = {};       // Default: 127.0.0.1, any port.
};

// Serves, line by line: `ECHO text` answers text; `BODY i` the i-th body behind a head; `PIECES i`
// the same body without one, read and sent by the driver itself; `STLS`;
// `HOLD` answers and then asks nothing of the stream until Release(); `QUIT`.
class TestServer {
 public:
  explicit TestServer(TestServerOptions options = {});
  ~TestServer();

  // Turns until `done` says so; false after `limit_ms`.
  bool RunUntil(const std::function<bool()>& done, uint64_t limit_ms = 10'000);
  // Runs `client` in a thread of its own, and turns until it returns and all sessions have ended.
  void Serve(const std::function<void()>& client, uint64_t limit_ms = 60'000);

  uint16_t port() const { return listener_->bound().port; }
  base::UniqueFd Connect() const;
  NetMetrics& metrics() { return metrics_; }
  io::Reactor& reactor() { return *reactor_; }
  io::BufferRing& buffers() { return *buffers_; }
  ChunkPool& chunks() { return *chunks_; }
  io::OffloadPool& certificate_pool() { return *pool_; }
  size_t handshakes_waiting() const { return desk_->waiting(); }  // For a certificate.
  StreamEnv env() { return {*reactor_, *buffers_, *chunks_, metrics_, desk_.get()}; }
  std::vector<std::unique_ptr<FileBody>>& bodies() { return bodies_; }
  void Release() { held_.store(false); }
  // For the handshakes to come, as a reload does.
  // Any thread.
  void set_tls(std::shared_ptr<const TlsContext> tls) { tls_.store(std::move(tls)); }

  // Streams under way, oldest first.
  std::vector<Stream*> streams();
  // What ended each session's last wait, in the order of their ends.
  std::vector<StreamEnd> ends() const { return ends_; }
  // Why bodies failed, likewise.
  const std::vector<std::string>& body_failures() const { return body_failures_; }
  uint64_t sessions_ended() const { return sessions_ended_.load(); }

 private:
  struct Session {
    std::unique_ptr<Stream> stream;
    io::Task<void> task;
    bool ended = false;
  };

  void OnAccept(base::UniqueFd socket);
  io::Task<void> Drive(Session* session);
  io::Task<StreamEnd> RunLine(Stream* stream, std::string line);
  io::Task<void> Wait(uint64_t ms);
  void Reap();

  const TestServerOptions options_;
  std::atomic<std::shared_ptr<const TlsContext>> tls_;
  std::unique_ptr<io::Reactor> reactor_;
  std::unique_ptr<io::BufferRing> buffers_;
  std::unique_ptr<ChunkPool> chunks_;
  NetMetrics metrics_;
  std::unique_ptr<io::OffloadPool> pool_;
  std::unique_ptr<CertificateDesk> desk_;
  std::unique_ptr<Listener> listener_;
  std::list<Session> sessions_;
  std::vector<std::unique_ptr<FileBody>> bodies_;
  std::vector<StreamEnd> ends_;
  std::vector<std::string> body_failures_;
  std::atomic<uint64_t> sessions_ended_{0};
  std::atomic<bool> held_{true};
};

// A blocking client; every call gives up after some seconds and then says "timeout".
class PlainClient {
 public:
  explicit PlainClient(base::UniqueFd socket);

  void Send(std::string_view bytes);
  // Up to and without the line feed; "" at the end of the stream.
  std::string Line();
  // Exactly so many bytes, or what came before the end.
  std::string Bytes(size_t bytes);
  // Everything until the end.
  std::string Rest();
  int fd() const { return socket_.get(); }
  void Close() { socket_.Reset(); }
  bool timed_out() const { return timed_out_; }

 private:
  base::UniqueFd socket_;
  std::string buffer_;
  bool timed_out_ = false;
  bool Fill();
};

struct TlsClientOptions {
  int version = 0;        // TLS1_2_VERSION, TLS1_3_VERSION; 0: any.
  std::string alpn = {};  // In wire form.
  SSL_SESSION* resume = nullptr;
  std::string host = {};        // That it asks for; empty: none.
  std::string signatures = {};  // That it can check, in OpenSSL's notation; empty: all.
};

class TlsClient {
 public:
  TlsClient(base::UniqueFd socket, const TlsClientOptions& options);
  ~TlsClient();

  bool Handshake();
  void Send(std::string_view bytes);
  std::string Line();
  std::string Bytes(size_t bytes);
  // Asks for a new key of the server's with the next bytes sent (TLS 1.3).
  void RequestKeyUpdate();
  // True if the stream ended with close_notify.
  bool EndsInOrder();
  // The caller's; null if the server gave none. TLS 1.3: after something was read.
  SSL_SESSION* TakeSession();
  // That session's, in octets; empty if there is none.
  std::string Ticket() const;
  bool resumed() const;
  std::string_view version() const;
  std::string alpn() const;
  // The common name of the server's certificate, and "rsa" or "ecdsa".
  std::string shown() const;
  // Of that certificate (RFC 5929).
  std::string EndPointBinding() const;
  // Reason of the last failure.
  const std::string& failure() const { return failure_; }
  int fd() const { return socket_.get(); }

 private:
  bool Fill();

  base::UniqueFd socket_;
  SSL_CTX* context_;
  SSL* ssl_;
  std::string buffer_;
  std::string failure_;
};

}  // namespace poplar::net
