#include "tests/unit/net/net_test_support.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/base/check.h"
#include "core/net/residency.h"

namespace poplar::net {
namespace {

constexpr size_t kPieceBytes = 8 * 1024;

// As core/app does.
const bool kSigpipeIgnored = std::signal(SIGPIPE, SIG_IGN) != SIG_ERR;

TestServerOptions WithAddress(TestServerOptions options) {
  if (options.address.family == Address::Family::kUnix && options.address.path.empty())
    options.address = *Address::Parse("127.0.0.1:0");
  return options;
}

}  // namespace

TestFolder::TestFolder() {
  POP_CHECK(kSigpipeIgnored);
  // Beside the build, which is on a disk; /tmp may be memory.
  std::string path = (std::filesystem::current_path() / "net-test-XXXXXX").string();
  POP_CHECK(mkdtemp(path.data()) != nullptr);
  path_ = path;
}

TestFolder::~TestFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string Pattern(size_t bytes, uint32_t seed) {
  std::string text;
  text.reserve(bytes + 8);
  uint32_t state = seed * 2654435761u + 1;
  while (text.size() < bytes) {
    state = state * 1664525u + 1013904223u;
    text += static_cast<char>('!' + (state >> 24) % 90);
  }
  return text;
}

// --- FileBody.

FileBody::FileBody(const TestFolder& folder, std::string bytes, const FileBodyOptions& options)
    : bytes_(std::move(bytes)), options_(options) {
  std::string path = folder.Path("body-XXXXXX");
  file_ = base::UniqueFd(mkstemp(path.data()));
  POP_CHECK(file_.valid());
  POP_CHECK(unlink(path.c_str()) == 0);
  POP_CHECK(write(file_.get(), bytes_.data(), bytes_.size()) ==
            static_cast<ssize_t>(bytes_.size()));
}

FileBody::~FileBody() { POP_CHECK(read_done_ == nullptr); }

bool FileBody::TryReadAll(std::span<char> into) {
  if (!options_.resident) return false;
  std::memcpy(into.data(), bytes_.data(), bytes_.size());
  return true;
}

void FileBody::Read(uint64_t at, std::span<char> into, io::Completion<StatusOr<size_t>>& done) {
  POP_CHECK(read_done_ == nullptr && at < bytes_.size());
  read_at_ = at;
  read_into_ = into;
  read_done_ = &done;
  io::Reactor::Current()->Schedule(read_work_);
}

void FileBody::AnswerRead() {
  io::Completion<StatusOr<size_t>>& done = *std::exchange(read_done_, nullptr);
  if (read_at_ + read_into_.size() > options_.fails_at)
    return done.Set(MakeStatus(StatusCode::kDataLoss, "the test says so"));
  const ssize_t bytes =
      pread(file_.get(), read_into_.data(), read_into_.size(), static_cast<off_t>(read_at_));
  POP_CHECK(bytes > 0);
  done.Set(static_cast<size_t>(bytes));
}

std::optional<io::FileRange> FileBody::AsFileRange() const {
  if (!options_.file_range) return std::nullopt;
  return io::FileRange{file_.get(), 0, bytes_.size()};
}

bool FileBody::Evict() {
  POP_CHECK(fdatasync(file_.get()) == 0);
  POP_CHECK(posix_fadvise(file_.get(), 0, 0, POSIX_FADV_DONTNEED) == 0);
  return !IsResident({file_.get(), 0, bytes_.size()});
}

// --- TestServer.

TestServer::TestServer(TestServerOptions options)
    : options_(WithAddress(std::move(options))), tls_(options_.tls) {
  POP_CHECK(kSigpipeIgnored);
  reactor_ = io::Reactor::Create({.submission_entries = 256, .completion_entries = 4096}).value();
  buffers_ = io::BufferRing::Create(
                 *reactor_, {.group = 1, .buffers = options_.receive_buffers, .buffer_bytes = 4096})
                 .value();
  chunks_ = std::make_unique<ChunkPool>(*reactor_, options_.chunks_max);
  if (options_.certificates != nullptr) {
    pool_ = std::make_unique<io::OffloadPool>(options_.certificate_pool);
    desk_ = std::make_unique<CertificateDesk>(*reactor_, *pool_, *options_.certificates);
  }
  ListenOptions listen{.address = options_.address};
  // Always there, and without the pauses of one that paces.
  if (listen.address.family != Address::Family::kUnix) listen.congestion_control = "reno";
  listener_ =
      Listener::Open(*reactor_, listen, metrics_, [this](base::UniqueFd socket, const Address&) {
        OnAccept(std::move(socket));
      }).value();
}

TestServer::~TestServer() {
  Release();
  for (Stream* stream : streams()) stream->Abort(StreamEnd::kAborted);
  EXPECT_TRUE(RunUntil([this] { return sessions_.empty(); }));
  io::Completion<Stopped> stopped;
  listener_->StopAccepting(stopped);
  EXPECT_TRUE(RunUntil([&] { return stopped.await_ready(); }));
  listener_.reset();
  EXPECT_TRUE(RunUntil([this] { return desk_ == nullptr || desk_->idle(); }));
  EXPECT_EQ(metrics_.open.Read(), 0);
  EXPECT_EQ(chunks_->in_use(), 0u);
  chunks_.reset();
  buffers_.reset();
}

bool TestServer::RunUntil(const std::function<bool()>& done, uint64_t limit_ms) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit_ms);
  while (!done()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    reactor_->Turn(10);
    Reap();
  }
  return true;
}

void TestServer::Serve(const std::function<void()>& client, uint64_t limit_ms) {
  std::atomic<bool> over{false};
  std::thread thread([&] {
    client();
    over.store(true);
  });
  EXPECT_TRUE(RunUntil([&] { return over.load(); }, limit_ms)) << "the client hangs";
  thread.join();
  EXPECT_TRUE(RunUntil([&] { return sessions_.empty(); })) << "a session hangs";
}

base::UniqueFd TestServer::Connect() const {
  sockaddr_storage storage;
  const socklen_t bytes = listener_->bound().ToSockaddr(storage);
  base::UniqueFd socket(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  POP_CHECK(socket.valid());
  const timeval patience{.tv_sec = 20, .tv_usec = 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  POP_CHECK(connect(socket.get(), reinterpret_cast<sockaddr*>(&storage), bytes) == 0);
  return socket;
}

std::vector<Stream*> TestServer::streams() {
  std::vector<Stream*> streams;
  for (Session& session : sessions_) streams.push_back(session.stream.get());
  return streams;
}

void TestServer::OnAccept(base::UniqueFd socket) {
  if (const int bytes = options_.send_buffer_bytes; bytes != 0)
    setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
  Session& session = sessions_.emplace_back();
  session.stream = std::make_unique<Stream>(env(), std::move(socket), options_.stream);
  session.task = Drive(&session);
  session.task.Start();
}

void TestServer::Reap() {
  sessions_.remove_if([](const Session& session) { return session.ended; });
}

io::Task<void> TestServer::Wait(uint64_t ms) {
  struct Alarm {
    explicit Alarm(io::Reactor& reactor) : timer(&reactor, this) {}
    void Ring() { done.Set(true); }
    io::Completion<bool> done;
    io::TimerFor<&Alarm::Ring> timer;
  } alarm(*reactor_);
  alarm.timer.Arm(ms);
  co_await alarm.done;
}

io::Task<void> TestServer::Drive(Session* session) {
  Stream* const stream = session->stream.get();
  io::Completion<StreamEnd> done;
  StreamEnd end = StreamEnd::kNone;
  if (options_.implicit_tls) {
    stream->StartTls(tls_.load(), TlsStart::kImplicit, done);
    end = co_await done;
  }
  std::string line;
  while (end == StreamEnd::kNone) {
    stream->Receive(done);
    end = co_await done;
    if (end != StreamEnd::kNone) break;
    const std::string_view input = stream->input();
    const size_t feed = input.find('\n');
    line += input.substr(0, feed);
    if (feed == std::string_view::npos) {
      stream->Consume(input.size());
      continue;
    }
    stream->Consume(feed + 1);
    std::string taken = std::exchange(line, {});
    end = co_await RunLine(stream, std::move(taken));
  }
  ends_.push_back(end);
  if (!stream->body_failure().ok()) body_failures_.emplace_back(Message(stream->body_failure()));
  io::Completion<Closed> closed;
  stream->Close(closed);
  co_await closed;
  session->ended = true;
  sessions_ended_.fetch_add(1);
}

io::Task<StreamEnd> TestServer::RunLine(Stream* stream, std::string line) {
  io::Completion<StreamEnd> done;
  base::ByteBuffer& output = stream->output();
  if (line.starts_with("ECHO ")) {
    output.Append(line.substr(5) + "\n");
  } else if (line.starts_with("BODY ")) {
    FileBody& body = *bodies_[std::stoul(line.substr(5))];
    const std::string head = "+OK " + std::to_string(body.wire_bytes()) + "\n";
    const auto append = [&](std::string_view bytes) {
      stream->output().Append(head);
      stream->output().Append(bytes);
      return bytes.size();
    };
    if (!stream->AppendSmallBody(body, append)) {
      output.Append(head);
      stream->SendBody(body, done);
      co_return co_await done;
    }
  } else if (line.starts_with("PIECES ")) {
    FileBody& body = *bodies_[std::stoul(line.substr(7))];
    for (uint64_t at = 0; at < body.wire_bytes();) {
      io::Completion<StatusOr<size_t>> read;
      body.Read(at, output.Tail(kPieceBytes).first(kPieceBytes), read);
      const StatusOr<size_t> bytes = co_await read;
      if (!bytes.ok()) co_return stream->FailBody(bytes);
      output.Extend(*bytes);
      at += *bytes;
      stream->Flush(done);
      const StreamEnd end = co_await done;
      if (end != StreamEnd::kNone) co_return end;
    }
  } else if (line == "STLS") {
    output.Append("+OK begin\n");
    stream->StartTls(tls_.load(), TlsStart::kUpgrade, done);
    co_return co_await done;
  } else if (line == "HOLD") {
    output.Append("held\n");
    stream->Flush(done);
    const StreamEnd end = co_await done;
    while (held_.load()) co_await Wait(10);
    co_return end;
  } else if (line == "QUIT") {
    output.Append("bye\n");
    stream->Flush(done);
    co_await done;
    co_return StreamEnd::kInterrupted;  // Of the test's own making.
  } else {
    output.Append("?\n");
  }
  stream->Flush(done);
  co_return co_await done;
}

}  // namespace poplar::net
