#include "core/net/stream.h"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <sys/socket.h>

#include <array>
#include <iterator>
#include <random>

#include "tests/unit/net/net_test_support.h"

namespace poplar::net {
namespace {

TEST(Stream, AnswersLinesHoweverTheyArrive) {
  TestServer server;
  server.Serve([&] {
    PlainClient client(server.Connect());
    client.Send("ECHO one\n");
    EXPECT_EQ(client.Line(), "one");
    client.Send("ECHO two\nECHO three\nECHO ");
    EXPECT_EQ(client.Line(), "two");
    EXPECT_EQ(client.Line(), "three");
    client.Send("four\nQUIT\n");
    EXPECT_EQ(client.Line(), "four");
    EXPECT_EQ(client.Line(), "bye");
    EXPECT_EQ(client.Rest(), "");
    EXPECT_FALSE(client.timed_out());
  });
  EXPECT_EQ(server.metrics().accepted.Read(), 1u);
}

TEST(Stream, SendsLinesLongerThanAnyBuffer) {
  TestServer server;
  const std::string text = Pattern(300'000);
  server.Serve([&] {
    PlainClient client(server.Connect());
    client.Send("ECHO " + text + "\n");
    EXPECT_EQ(client.Line(), text);
  });
  EXPECT_EQ(server.metrics().bytes_in.Read(), text.size() + 6);
  EXPECT_EQ(server.metrics().bytes_out.Read(), text.size() + 1);
}

TEST(Stream, WhatCameBeforeTheEndIsAnswered) {
  TestServer server;
  server.Serve([&] {
    PlainClient client(server.Connect());
    client.Send("ECHO last\n");
    shutdown(client.fd(), SHUT_WR);
    EXPECT_EQ(client.Rest(), "last\n");
    EXPECT_FALSE(client.timed_out());
  });
  EXPECT_EQ(server.ends(), std::vector{StreamEnd::kPeerClosed});
}

TEST(Stream, TheLastReplyArrivesThoughInputIsLeftUnread) {
  TestServer server;
  server.Serve([&] {
    PlainClient client(server.Connect());
    client.Send("QUIT\n" + Pattern(100'000) + "\n");
    EXPECT_EQ(client.Line(), "bye");
    EXPECT_FALSE(client.timed_out());
  });
}

TEST(Stream, ClientThatNeverReadsIsReadNoMore) {
  TestServer server({.receive_buffers = 16});
  base::UniqueFd socket = server.Connect();
  // Replies are as long as commands, so both directions fill up.
  const std::string command = "ECHO " + Pattern(1000) + "\n";
  uint64_t sent_bytes = 0;
  auto push = [&] {
    for (int i = 0; i < 64; ++i) {
      const ssize_t sent =
          send(socket.get(), command.data(), command.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent > 0) sent_bytes += static_cast<uint64_t>(sent);
    }
  };
  uint64_t received_before = ~0ull;
  // Until nothing moves any more.
  for (int round = 0; round < 2000 && received_before != server.metrics().bytes_in.Read();
       ++round) {
    received_before = server.metrics().bytes_in.Read();
    push();
    for (int turn = 0; turn < 5; ++turn) server.RunUntil([] { return false; }, 5);
  }
  EXPECT_GE(server.metrics().receive_pauses.Read(), 1u);
  const uint64_t received = server.metrics().bytes_in.Read();
  ASSERT_GT(sent_bytes, received) << "the kernel's buffers hold the rest";
  // What was read and not answered is the backlog, and one turn's buffers at most.
  const uint64_t answered = server.metrics().bytes_out.Read();
  EXPECT_LE(received - answered, kBacklogBytesMax + 16 * uint64_t{4096} + uint64_t{64} * 1024);

  // The others are served as before, though there are few buffers.
  server.Serve([&] {
    PlainClient client(server.Connect());
    client.Send("ECHO still\nQUIT\n");
    EXPECT_EQ(client.Line(), "still");
    socket.Reset();
  });
}

// The bytes and the end come before the reactor turns, as one news.
TEST(Stream, AnEndThatComesWithTheLastBytesIsHeardOf) {
  TestServer server;
  auto connect = [&] {
    PlainClient client(server.Connect());
    EXPECT_TRUE(server.RunUntil([&] { return server.metrics().open.Read() > 0; }));
    EXPECT_FALSE(server.RunUntil([] { return false; }, 50));
    client.Send("EC");
    return client;
  };
  connect().Close();
  EXPECT_TRUE(server.RunUntil([&] { return server.sessions_ended() == 1; }));
  PlainClient resets = connect();
  const linger reset{.l_onoff = 1, .l_linger = 0};
  ASSERT_EQ(setsockopt(resets.fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
  resets.Close();
  EXPECT_TRUE(server.RunUntil([&] { return server.sessions_ended() == 2; }));
  EXPECT_EQ(server.ends(), (std::vector{StreamEnd::kPeerClosed, StreamEnd::kPeerReset}));
}

// While its driver waits for somebody else.
class WatchedStream : public testing::Test {
 protected:
  WatchedStream() {
    EXPECT_EQ(send(socket_.get(), "HOLD\n", 5, MSG_NOSIGNAL), 5);
    EXPECT_TRUE(server_.RunUntil([&] { return server_.metrics().bytes_out.Read() > 0; }));
  }
  ~WatchedStream() override {
    server_.streams().at(0)->WatchPeer(nullptr, nullptr);
    socket_.Reset();
    server_.Release();
    EXPECT_TRUE(server_.RunUntil([&] { return server_.streams().empty(); }));
  }
  void Watch() {
    server_.streams().at(0)->WatchPeer(&gone_, [](void* gone) { ++*static_cast<int*>(gone); });
  }
  // What the backlog does not hold stays in the kernel, and so does the end behind it.
  void ReceiveNoMore() {
    const std::string commands(kBacklogBytesMax, 'c');
    EXPECT_EQ(send(socket_.get(), commands.data(), commands.size(), MSG_NOSIGNAL),
              std::ssize(commands));
    EXPECT_TRUE(server_.RunUntil([&] { return server_.metrics().receive_pauses.Read() > 0; }));
    EXPECT_FALSE(server_.RunUntil([] { return false; }, 50));  // The receive is cancelled by then.
    EXPECT_EQ(send(socket_.get(), "c", 1, MSG_NOSIGNAL), 1);
    Watch();
  }

  TestServer server_;
  base::UniqueFd socket_ = server_.Connect();
  int gone_ = 0;
};

TEST_F(WatchedStream, TellsOnceThatThePeerIsGone) {
  Watch();
  EXPECT_EQ(send(socket_.get(), "ECHO 1\n", 7, MSG_NOSIGNAL), 7);
  EXPECT_TRUE(server_.RunUntil([&] { return server_.metrics().bytes_in.Read() == 12; }));
  EXPECT_EQ(gone_, 0) << "who sends more is there";
  socket_.Reset();
  EXPECT_TRUE(server_.RunUntil([&] { return gone_ > 0; }));
  server_.streams().at(0)->Abort(StreamEnd::kAborted);
  EXPECT_EQ(gone_, 1);
}

TEST_F(WatchedStream, TellsAtOnceOfAPeerThatIsGoneAlready) {
  shutdown(socket_.get(), SHUT_WR);
  EXPECT_TRUE(server_.RunUntil([&] {
    gone_ = 0;
    Watch();
    return gone_ == 1;  // From within.
  }));
}

TEST_F(WatchedStream, TellsOfAnAbort) {
  Watch();
  server_.streams().at(0)->Abort(StreamEnd::kAborted);
  EXPECT_EQ(gone_, 1);
}

TEST_F(WatchedStream, TellsNobodyWhoDoesNotAskAnyMore) {
  Watch();
  server_.streams().at(0)->WatchPeer(nullptr, nullptr);
  server_.streams().at(0)->Abort(StreamEnd::kAborted);
  EXPECT_EQ(gone_, 0);
}

TEST_F(WatchedStream, LooksBehindWhatIsNotReceivedYet) {
  ReceiveNoMore();
  EXPECT_EQ(server_.streams().at(0)->LookAtPeer(), StreamEnd::kNone);
  shutdown(socket_.get(), SHUT_WR);
  EXPECT_FALSE(server_.RunUntil([&] { return gone_ > 0; }, 50)) << "nothing is received";
  EXPECT_EQ(server_.streams().at(0)->LookAtPeer(), StreamEnd::kPeerClosed);
}

TEST_F(WatchedStream, LooksForAResetToo) {
  ReceiveNoMore();
  socket_.Reset();  // With an answer that it has not read.
  EXPECT_EQ(server_.streams().at(0)->LookAtPeer(), StreamEnd::kPeerReset);
}

// What a stream takes of mail that waits in the kernel while its driver is busy elsewhere.
uint64_t TakenWhileDriverIsBusy(InputKind input) {
  constexpr size_t kSentBytes = 12 * 4096;  // Within what any receive window holds.
  TestServer server({.stream = {.input = input}});
  base::UniqueFd socket = server.Connect();
  EXPECT_EQ(send(socket.get(), "HOLD\n", 5, MSG_NOSIGNAL), 5);
  std::array<char, 5> held{};
  EXPECT_TRUE(server.RunUntil([&] {
    return recv(socket.get(), held.data(), held.size(), MSG_DONTWAIT) == std::ssize(held);
  }));
  const std::string mail(kSentBytes, 'm');
  EXPECT_EQ(send(socket.get(), mail.data(), mail.size(), MSG_NOSIGNAL), std::ssize(mail));
  const uint64_t before = server.metrics().bytes_in.Read();
  EXPECT_TRUE(server.RunUntil([&] { return server.metrics().receive_pauses.Read() > 0; }));
  server.RunUntil([] { return false; }, 50);  // More may come, if it is not bounded.
  const uint64_t taken = server.metrics().bytes_in.Read() - before;
  server.Release();
  socket.Reset();
  EXPECT_TRUE(server.RunUntil([&] { return server.streams().empty(); }));
  return taken;
}

TEST(Stream, OfBulkADriverThatIsBusyHoldsTheBacklogAndOneBuffer) {
  EXPECT_LT(TakenWhileDriverIsBusy(InputKind::kBulk), kBacklogBytesMax + 4096);
  EXPECT_GE(TakenWhileDriverIsBusy(InputKind::kCommands), kBacklogBytesMax + 4096);
}

TEST(Stream, ClientThatReadsLateGetsEverything) {
  TestServer server({.receive_buffers = 16, .send_buffer_bytes = 128 * 1024});
  server.Serve([&] {
    PlainClient client(server.Connect());
    std::thread writer([&] {
      for (int i = 0; i < 3000; ++i)
        client.Send("ECHO " + std::to_string(i) + Pattern(900, static_cast<uint32_t>(i)) + "\n");
      client.Send("QUIT\n");
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    for (int i = 0; i < 3000; ++i)
      ASSERT_EQ(client.Line(), std::to_string(i) + Pattern(900, static_cast<uint32_t>(i)));
    EXPECT_EQ(client.Line(), "bye");
    writer.join();
  });
  EXPECT_GE(server.metrics().receive_pauses.Read(), 1u);
}

TEST(Stream, ManyAtOnceWithFewBuffers) {
  TestServer server({.receive_buffers = 2});
  server.Serve([&] {
    std::vector<std::unique_ptr<PlainClient>> clients;
    for (int i = 0; i < 64; ++i) clients.push_back(std::make_unique<PlainClient>(server.Connect()));
    const std::string text = Pattern(9000);
    for (auto& client : clients) client->Send("ECHO " + text + "\nQUIT\n");
    for (auto& client : clients) {
      ASSERT_EQ(client->Line(), text);
      ASSERT_EQ(client->Line(), "bye");
    }
  });
  EXPECT_GT(server.metrics().receive_exhausted.Read(), 0u);
  EXPECT_EQ(server.metrics().receive_exhausted.Read(), server.buffers().exhausted().Read());
}

TEST(Stream, SilenceEndsAfterTheIdleTimeout) {
  TestServer server({.stream = {.idle_timeout_ms = 200}});
  server.Serve([&] {
    PlainClient client(server.Connect());
    for (int i = 0; i < 4; ++i) {  // Each byte pushes it back.
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      client.Send("E");
    }
    client.Send("\n");
    EXPECT_EQ(client.Line(), "?");
    const auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(client.Rest(), "");
    EXPECT_FALSE(client.timed_out());
    EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(190));
  });
  EXPECT_EQ(server.ends(), std::vector{StreamEnd::kIdle});
  EXPECT_EQ(server.metrics().ends_idle.Read(), 1u);
}

TEST(Stream, ReplyThatIsNotTakenEndsAfterTheIdleTimeout) {
  TestServer server({.stream = {.idle_timeout_ms = 300}, .send_buffer_bytes = 128 * 1024});
  TestFolder folder;
  server.bodies().push_back(
      std::make_unique<FileBody>(folder, Pattern(25'000'000), FileBodyOptions()));
  server.Serve([&] {
    PlainClient client(server.Connect());
    client.Send("BODY 0\n");
    EXPECT_TRUE(client.Line().starts_with("+OK"));
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  });
  EXPECT_EQ(server.ends(), std::vector{StreamEnd::kIdle});
}

TEST(Stream, SlowButSteadyReaderLives) {
  TestServer server({.stream = {.idle_timeout_ms = 300, .output_bytes_per_s_min = 1000},
                     .send_buffer_bytes = 128 * 1024});
  TestFolder folder;
  server.bodies().push_back(
      std::make_unique<FileBody>(folder, Pattern(8'000'000), FileBodyOptions()));
  server.Serve([&] {
    PlainClient client(server.Connect());
    client.Send("BODY 0\nQUIT\n");
    EXPECT_EQ(client.Line(), "+OK 8000000");
    std::string body;
    for (int i = 0; i < 20; ++i) {  // A second and more.
      std::this_thread::sleep_for(std::chrono::milliseconds(60));
      body += client.Bytes(200'000);
    }
    body += client.Bytes(4'000'000);
    EXPECT_EQ(body, server.bodies()[0]->bytes());
    EXPECT_EQ(client.Line(), "bye");
  });
}

TEST(Stream, TooSlowAReaderDoesNot) {
  TestServer server({.stream = {.idle_timeout_ms = 300, .output_bytes_per_s_min = 30'000'000},
                     .send_buffer_bytes = 128 * 1024});
  TestFolder folder;
  server.bodies().push_back(
      std::make_unique<FileBody>(folder, Pattern(25'000'000), FileBodyOptions()));
  server.Serve([&] {
    PlainClient client(server.Connect());
    client.Send("BODY 0\n");
    client.Line();
    for (int i = 0; i < 20; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      client.Bytes(100'000);
    }
    EXPECT_LT(client.Rest().size(), 23'000'000u);
  });
  EXPECT_EQ(server.ends(), std::vector{StreamEnd::kIdle});
}

TEST(Stream, InterruptWakesAnIdleOne) {
  TestServer server;
  base::UniqueFd socket = server.Connect();
  ASSERT_TRUE(server.RunUntil([&] { return server.streams().size() == 1; }));
  server.streams()[0]->InterruptIdle(StreamEnd::kInterrupted);
  ASSERT_TRUE(server.RunUntil([&] { return server.ends().size() == 1; }));
  EXPECT_EQ(server.ends()[0], StreamEnd::kInterrupted);
  PlainClient client(std::move(socket));
  server.Serve([&] { EXPECT_EQ(client.Rest(), ""), client.Close(); });
}

TEST(Stream, InterruptLetsABodyFinish) {
  TestServer server({.send_buffer_bytes = 128 * 1024});
  TestFolder folder;
  server.bodies().push_back(
      std::make_unique<FileBody>(folder, Pattern(20'000'000), FileBodyOptions()));
  PlainClient client(server.Connect());
  client.Send("BODY 0\nECHO unheard\n");
  ASSERT_TRUE(server.RunUntil([&] { return server.metrics().bytes_out.Read() > 0; }));
  server.streams()[0]->InterruptIdle(StreamEnd::kInterrupted);
  server.Serve([&] {
    EXPECT_EQ(client.Line(), "+OK 20000000");
    EXPECT_EQ(client.Rest(), server.bodies()[0]->bytes());
    client.Close();
  });
  EXPECT_EQ(server.ends(), std::vector{StreamEnd::kInterrupted});
}

TEST(Stream, AbortEndsASendAtOnce) {
  for (const bool resident : {true, false}) {
    TestServer server({.send_buffer_bytes = 128 * 1024});
    TestFolder folder;
    server.bodies().push_back(
        std::make_unique<FileBody>(folder, Pattern(20'000'000),
                                   FileBodyOptions{.resident = resident, .file_range = resident}));
    base::UniqueFd socket = server.Connect();
    ASSERT_EQ(send(socket.get(), "BODY 0\n", 7, 0), 7);
    uint64_t before = ~0ull;
    ASSERT_TRUE(server.RunUntil([&] {  // The socket is full.
      const uint64_t now = server.metrics().bytes_out.Read();
      return now != 0 && std::exchange(before, now) == now;
    }));
    server.streams()[0]->Abort(StreamEnd::kAborted);
    ASSERT_TRUE(server.RunUntil([&] { return server.sessions_ended() == 1; }, 1000));
    EXPECT_EQ(server.ends(), std::vector{StreamEnd::kAborted});
  }
}

TEST(Stream, AbortWhileTheDriverIsBusyIsToldNext) {
  TestServer server;
  PlainClient client(server.Connect());
  client.Send("HOLD\nECHO unheard\n");
  ASSERT_TRUE(server.RunUntil([&] { return server.metrics().bytes_out.Read() == 5; }));
  server.streams()[0]->Abort(StreamEnd::kAborted);
  server.Release();
  server.Serve([&] {
    client.Rest();
    client.Close();
  });
  EXPECT_EQ(server.ends(), std::vector{StreamEnd::kAborted});
}

// From now on the socket hears nothing, as if its machine were gone.
void PlayDead(int fd) {
  sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);
  const sock_fprog program{.len = 1, .filter = &drop_all};
  ASSERT_EQ(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)), 0);
}

TEST(Stream, ProbeFindsOutWhoIsGone) {
  TestServer server({.send_buffer_bytes = 128 * 1024});
  TestFolder folder;
  server.bodies().push_back(
      std::make_unique<FileBody>(folder, Pattern(20'000'000), FileBodyOptions()));
  auto connect = [&](size_t expected) {
    PlainClient client(server.Connect());
    EXPECT_TRUE(server.RunUntil([&] { return server.streams().size() == expected; }));
    return client;
  };
  PlainClient idle = connect(1);
  PlainClient stalled = connect(2);
  stalled.Send("BODY 0\n");
  EXPECT_FALSE(server.RunUntil([] { return false; }, 500));
  PlainClient dead_idle = connect(3);
  PlainClient dead_busy = connect(4);
  PlayDead(dead_idle.fd());
  dead_busy.Send("BODY 0\n");
  PlayDead(dead_busy.fd());
  EXPECT_FALSE(server.RunUntil([] { return false; }, 500));

  const auto begin = std::chrono::steady_clock::now();
  for (Stream* stream : server.streams()) stream->ProbePeer();
  EXPECT_TRUE(server.RunUntil([&] { return server.sessions_ended() == 2; }, 15'000));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(14));
  EXPECT_EQ(server.ends(), (std::vector{StreamEnd::kPeerLost, StreamEnd::kPeerLost}));

  EXPECT_FALSE(server.RunUntil([&] { return server.sessions_ended() > 2; }, 2'000));
  server.Serve([&] {  // The others were not harmed.
    idle.Send("ECHO here\nQUIT\n");
    EXPECT_EQ(idle.Line(), "here");
    idle.Close();
    EXPECT_EQ(stalled.Line(), "+OK 20000000");
    EXPECT_EQ(stalled.Bytes(20'000'000).size(), 20'000'000u);
    stalled.Close();
  });
}

// Connections cut anywhere, in order or not, harm nobody.
TEST(Stream, SurvivesCutsAtRandomPoints) {
  TestServer server({.receive_buffers = 4, .send_buffer_bytes = 128 * 1024});
  TestFolder folder;
  server.bodies().push_back(
      std::make_unique<FileBody>(folder, Pattern(500'000), FileBodyOptions()));
  server.bodies().push_back(std::make_unique<FileBody>(
      folder, Pattern(500'000), FileBodyOptions{.resident = false, .file_range = false}));
  server.Serve([&] {
    std::mt19937 random(20240607);
    for (int round = 0; round < 300; ++round) {
      PlainClient client(server.Connect());
      const timeval patience{.tv_sec = 0, .tv_usec = 20'000};
      setsockopt(client.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
      const std::string text = "ECHO " + Pattern(random() % 3000) + "\nBODY 0\nBODY 1\nQUIT\n";
      client.Send(text.substr(0, random() % (text.size() + 1)));
      if (random() % 2 == 0) client.Bytes(random() % 1'200'000 / (1 + random() % 100));
      if (random() % 2 == 0) {
        const linger reset{.l_onoff = 1, .l_linger = 0};
        setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
      } else if (random() % 2 == 0) {
        shutdown(client.fd(), SHUT_WR);
      }
    }
  });
  EXPECT_GT(server.sessions_ended(), 100u);  // Who was gone before it was accepted has none.
  EXPECT_EQ(server.sessions_ended(), server.metrics().accepted.Read());
}

}  // namespace
}  // namespace poplar::net
