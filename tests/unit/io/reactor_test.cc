// The operations of a reactor; its turns and threads are in reactor_work_test.cc.

#include "core/io/reactor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>

#include <memory>
#include <string>

#include "tests/unit/io/support.h"

namespace poplar::io {
namespace {

TEST(ReactorTest, AcceptsManyConnectionsByOneOperation) {
  const auto reactor = MakeReactor();
  LoopbackListener listener;
  std::vector<base::UniqueFd> accepted;
  RecordingOp accept;
  accept.OnCompletion([&](RecordingOp::Result r) {
    if (r.result >= 0) accepted.emplace_back(r.result);
  });
  reactor->AcceptMultishot(accept.op(), listener.fd.get());

  constexpr size_t kClients = 20;
  std::vector<base::UniqueFd> clients;
  for (size_t i = 0; i < kClients; ++i) {
    clients.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(connect(clients.back().get(), listener.generic(), sizeof listener.address), 0);
  }
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return accepted.size() == kClients; }));
  EXPECT_TRUE(accept.in_flight());
  for (const base::UniqueFd& fd : accepted) {
    EXPECT_NE(fcntl(fd.get(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(fcntl(fd.get(), F_GETFD) & FD_CLOEXEC, 0);
  }

  reactor->Cancel(accept.op());
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return !accept.in_flight(); }));
  EXPECT_EQ(accept.last(), -ECANCELED);
}

TEST(ReactorTest, SendsPollsAndShutsDown) {
  const auto reactor = MakeReactor();
  const SocketPair pair;
  RecordingOp send;
  RecordingOp readable;
  reactor->Poll(readable.op(), pair.far.get(), POLLIN);
  reactor->Send(send.op(), pair.near.get(), std::string_view("hello"));
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return !readable.in_flight() && !send.in_flight(); }));
  EXPECT_EQ(send.last(), 5);
  EXPECT_NE(readable.last() & POLLIN, 0);
  std::array<char, 16> bytes{};
  EXPECT_EQ(read(pair.far.get(), bytes.data(), bytes.size()), 5);

  RecordingOp hung_up;
  RecordingOp shutdown;
  reactor->PollMultishot(hung_up.op(), pair.far.get(), POLLRDHUP);
  reactor->Shutdown(shutdown.op(), pair.near.get(), SHUT_WR);
  ASSERT_TRUE(
      TurnUntil(*reactor, [&] { return !hung_up.results().empty() && !shutdown.in_flight(); }));
  EXPECT_EQ(shutdown.last(), 0);
  EXPECT_NE(hung_up.last() & POLLRDHUP, 0);
  reactor->Cancel(hung_up.op());
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return !hung_up.in_flight(); }));
}

TEST(ReactorTest, SendToAClosedPeerIsAnErrorAndNoSignal) {
  const auto reactor = MakeReactor();
  SocketPair pair;
  pair.far.Reset();
  RecordingOp send;
  reactor->Send(send.op(), pair.near.get(), std::string_view("hello"));
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return !send.in_flight(); }));
  EXPECT_EQ(send.last(), -EPIPE);
}

TEST(ReactorTest, WritesSyncsAndReadsFiles) {
  const auto reactor = MakeReactor();
  std::string path = testing::TempDir() + "reactor_test_XXXXXX";
  const base::UniqueFd file(mkostemp(path.data(), O_CLOEXEC));
  ASSERT_TRUE(file.valid());
  unlink(path.c_str());

  std::string head = "head ";
  std::string tail = "tail";
  const std::array pieces = {iovec{head.data(), head.size()}, iovec{tail.data(), tail.size()}};
  RecordingOp write;
  reactor->WriteVector(write.op(), file.get(), pieces, 3);
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return !write.in_flight(); }));
  EXPECT_EQ(write.last(), 9);

  RecordingOp sync;
  reactor->SyncData(sync.op(), file.get());
  RecordingOp read;
  std::array<char, 64> bytes{};
  reactor->Read(read.op(), file.get(), bytes, 3);
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return !sync.in_flight() && !read.in_flight(); }));
  EXPECT_EQ(sync.last(), 0);
  ASSERT_EQ(read.last(), 9);
  EXPECT_EQ(std::string_view(bytes.data(), 9), "head tail");

  reactor->Read(read.op(), -1, bytes, 0);
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return !read.in_flight(); }));
  EXPECT_EQ(read.last(), -EBADF);
}

TEST(ReactorTest, AFullSubmissionQueueIsFlushed) {
  const auto reactor = MakeReactor({.submission_entries = 8, .completion_entries = 32});
  const SocketPair pair;
  constexpr size_t kOps = 1000;  // Also far more completions than their queue holds.
  std::vector<std::unique_ptr<RecordingOp>> polls;
  for (size_t i = 0; i < kOps; ++i) {
    polls.push_back(std::make_unique<RecordingOp>());
    reactor->Poll(polls.back()->op(), pair.near.get(), i % 2 == 0 ? POLLOUT : POLLIN);
  }
  const auto ended = [&polls] {
    size_t n = 0;
    for (const auto& poll : polls) n += poll->in_flight() ? 0 : 1;
    return n;
  };
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return ended() == kOps / 2; }));
  // All the others in one turn, too.
  ASSERT_EQ(write(pair.far.get(), "x", 1), 1);
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return ended() == kOps; }));
  for (const auto& poll : polls) ASSERT_EQ(poll->results().size(), 1U);
}

TEST(ReactorTest, HandlersMayFillTheSubmissionQueue) {
  const auto reactor = MakeReactor({.submission_entries = 4, .completion_entries = 16});
  const SocketPair pair;
  std::vector<std::unique_ptr<RecordingOp>> polls;
  RecordingOp first;
  first.OnCompletion([&](RecordingOp::Result) {
    for (int i = 0; i < 100; ++i) {
      polls.push_back(std::make_unique<RecordingOp>());
      reactor->Poll(polls.back()->op(), pair.near.get(), POLLOUT);
    }
    for (const auto& poll : polls) EXPECT_TRUE(poll->results().empty());  // No recursion.
  });
  reactor->Poll(first.op(), pair.near.get(), POLLOUT);
  ASSERT_TRUE(TurnUntil(*reactor, [&] {
    for (const auto& poll : polls) {
      if (poll->in_flight()) return false;
    }
    return !polls.empty();
  }));
}

TEST(ReactorTest, CancelEndsWhatWaitsAndNothingElse) {
  const auto reactor = MakeReactor();
  const SocketPair pair;
  RecordingOp waiting;
  RecordingOp other;
  reactor->Cancel(waiting.op());  // Not in flight: nothing happens.
  reactor->Poll(waiting.op(), pair.near.get(), POLLIN);
  reactor->Poll(other.op(), pair.near.get(), POLLIN);
  reactor->Cancel(waiting.op());  // Not even submitted.
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return !waiting.in_flight(); }));
  EXPECT_EQ(waiting.last(), -ECANCELED);
  EXPECT_TRUE(other.in_flight());

  reactor->Poll(waiting.op(), pair.near.get(), POLLIN);  // May be used again.
  reactor->Turn(0);
  reactor->Cancel(other.op());
  reactor->Cancel(other.op());
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return !other.in_flight(); }));
  EXPECT_EQ(other.results().size(), 1U);
  EXPECT_TRUE(waiting.in_flight());
  ASSERT_EQ(write(pair.far.get(), "x", 1), 1);
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return !waiting.in_flight(); }));
  EXPECT_NE(waiting.last() & POLLIN, 0);
}

TEST(ReactorDeathTest, DestroyingAnOperationInFlightIsAFailedCheck) {
  EXPECT_DEATH(
      {
        const auto reactor = MakeReactor();
        const SocketPair pair;
        RecordingOp op;
        reactor->Poll(op.op(), pair.near.get(), POLLIN);
      },
      "in_flight_");
}

TEST(ReactorDeathTest, StartingAnOperationInFlightIsAFailedCheck) {
  EXPECT_DEATH(
      {
        const auto reactor = MakeReactor();
        const SocketPair pair;
        RecordingOp op;
        reactor->Poll(op.op(), pair.near.get(), POLLIN);
        reactor->Poll(op.op(), pair.near.get(), POLLIN);
      },
      "in_flight_");
}

TEST(ReactorDeathTest, EndingWithAnOperationInFlightIsAFailedCheck) {
  EXPECT_DEATH(
      {
        const SocketPair pair;
        RecordingOp op;
        auto reactor = MakeReactor();
        reactor->Poll(op.op(), pair.near.get(), POLLIN);
        reactor.reset();
      },
      "in_flight_ == 0");
}

}  // namespace
}  // namespace poplar::io
