#include "core/io/buffer_ring.h"

#include <gtest/gtest.h>
#include <liburing.h>

#include <string>

#include "tests/unit/io/support.h"

namespace poplar::io {
namespace {

std::unique_ptr<BufferRing> MakeRing(Reactor& reactor, const BufferRingOptions& options) {
  auto ring = BufferRing::Create(reactor, options);
  EXPECT_TRUE(ring.ok()) << ring.status();
  return std::move(*ring);
}

std::string Pattern(size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>('a' + i * 7 % 26);
  return text;
}

TEST(BufferRingTest, ReceivesAStreamByOneOperation) {
  const auto reactor = MakeReactor();
  const auto ring = MakeRing(*reactor, {.group = 3, .buffers = 4, .buffer_bytes = 64});
  SocketPair pair;
  std::string received;
  RecordingOp receive;
  receive.OnCompletion([&](RecordingOp::Result r) {
    received += ring->Take(r.result, r.flags);
    ring->Give(r.flags);
  });
  reactor->ReceiveMultishot(receive.op(), pair.near.get(), *ring);
  std::string sent;
  for (int i = 0; i < 200; ++i) {  // Each buffer is used again many times.
    const std::string piece = Pattern(static_cast<size_t>(i % 60) + 1);
    RecordingOp send;
    reactor->Send(send.op(), pair.far.get(), piece);
    sent += piece;
    ASSERT_TRUE(TurnUntil(*reactor, [&] { return received.size() == sent.size(); }));
    ASSERT_TRUE(TurnUntil(*reactor, [&] { return !send.in_flight(); }));
    ASSERT_TRUE(receive.in_flight());
  }
  EXPECT_EQ(received, sent);

  pair.far.Reset();
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return !receive.in_flight(); }));
  EXPECT_EQ(receive.last(), 0);
  EXPECT_TRUE(ring->Take(0, receive.results().back().flags).empty());
}

TEST(BufferRingTest, ASingleReceiveTakesOneBuffer) {
  const auto reactor = MakeReactor();
  const auto ring = MakeRing(*reactor, {.buffers = 4, .buffer_bytes = 16});
  const SocketPair pair;
  const std::string sent = Pattern(40);
  ASSERT_EQ(write(pair.far.get(), sent.data(), sent.size()), 40);
  std::string received;
  RecordingOp receive;
  receive.OnCompletion([&](RecordingOp::Result r) {
    received += ring->Take(r.result, r.flags);
    ring->Give(r.flags);
  });
  for (const size_t expected : {16U, 32U, 40U}) {
    reactor->Receive(receive.op(), pair.near.get(), *ring);
    ASSERT_TRUE(TurnUntil(*reactor, [&] { return !receive.in_flight(); }));
    EXPECT_EQ(received, sent.substr(0, expected));
  }
}

TEST(BufferRingTest, AnEmptyRingEndsTheReceiveAndRecovers) {
  const auto reactor = MakeReactor();
  const auto ring = MakeRing(*reactor, {.buffers = 2, .buffer_bytes = 16});
  const SocketPair pair;
  std::string received;
  std::vector<uint32_t> held;
  RecordingOp receive;
  receive.OnCompletion([&](RecordingOp::Result r) {
    if (r.result == -ENOBUFS) {
      ring->exhausted().Add();
    } else {
      received += ring->Take(r.result, r.flags);
      held.push_back(r.flags);
    }
  });
  reactor->ReceiveMultishot(receive.op(), pair.near.get(), *ring);
  const std::string sent = Pattern(100);
  ASSERT_EQ(write(pair.far.get(), sent.data(), sent.size()), 100);
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return !receive.in_flight(); }));
  EXPECT_EQ(receive.last(), -ENOBUFS);
  EXPECT_EQ(received, sent.substr(0, 32));  // Nothing was lost or skipped.

  while (received.size() < sent.size()) {
    ASSERT_FALSE(held.empty());
    for (const uint32_t flags : std::exchange(held, {})) ring->Give(flags);
    reactor->ReceiveMultishot(receive.op(), pair.near.get(), *ring);
    ASSERT_TRUE(TurnUntil(*reactor,
                          [&] { return !receive.in_flight() || received.size() == sent.size(); }));
  }
  EXPECT_EQ(received, sent);
  EXPECT_GE(ring->exhausted().Read(), 3U);
  reactor->Cancel(receive.op());
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return !receive.in_flight(); }));
}

TEST(BufferRingTest, ManyStreamsShareARing) {
  const auto reactor = MakeReactor();
  const auto ring = MakeRing(*reactor, {.buffers = 8, .buffer_bytes = 32});
  constexpr size_t kStreams = 50;
  struct Stream {
    SocketPair pair;
    RecordingOp receive;
    std::string sent;
    std::string received;
  };
  std::vector<std::unique_ptr<Stream>> streams;
  for (size_t i = 0; i < kStreams; ++i) {
    streams.push_back(std::make_unique<Stream>());
    Stream& stream = *streams.back();
    stream.sent = Pattern(300 + i);
    stream.receive.OnCompletion([&](RecordingOp::Result r) {
      stream.received += ring->Take(r.result, r.flags);
      ring->Give(r.flags);
      if (!stream.receive.in_flight() && r.result == -ENOBUFS) {
        ring->exhausted().Add();
        reactor->ReceiveMultishot(stream.receive.op(), stream.pair.near.get(), *ring);
      }
    });
    reactor->ReceiveMultishot(stream.receive.op(), stream.pair.near.get(), *ring);
    ASSERT_EQ(write(stream.pair.far.get(), stream.sent.data(), stream.sent.size()),
              static_cast<ssize_t>(stream.sent.size()));
  }
  ASSERT_TRUE(TurnUntil(*reactor, [&] {
    for (const auto& stream : streams) {
      if (stream->received.size() < stream->sent.size()) return false;
    }
    return true;
  }));
  for (const auto& stream : streams) {
    EXPECT_EQ(stream->received, stream->sent);
    reactor->Cancel(stream->receive.op());
  }
  ASSERT_TRUE(TurnUntil(*reactor, [&] {
    for (const auto& stream : streams) {
      if (stream->receive.in_flight()) return false;
    }
    return true;
  }));
}

TEST(BufferRingTest, AGroupIsUniqueInItsReactorAndFreeAfterwards) {
  const auto reactor = MakeReactor();
  auto ring = MakeRing(*reactor, {.group = 7});
  EXPECT_FALSE(BufferRing::Create(*reactor, {.group = 7}).ok());
  ring.reset();
  EXPECT_TRUE(BufferRing::Create(*reactor, {.group = 7}).ok());
}

TEST(BufferRingDeathTest, GivingABufferTwiceIsAFailedCheck) {
  EXPECT_DEATH(
      {
        const auto reactor = MakeReactor();
        const auto ring = MakeRing(*reactor, {.buffers = 2});
        const uint32_t flags = IORING_CQE_F_BUFFER | 1U << IORING_CQE_BUFFER_SHIFT;
        ring->Take(5, flags);
        ring->Give(flags);
        ring->Give(flags);
      },
      "taken_");
}

}  // namespace
}  // namespace poplar::io
