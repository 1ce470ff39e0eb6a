#include "core/net/body_sender.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <array>

#include "core/net/residency.h"
#include "tests/unit/net/net_test_support.h"

namespace poplar::net {
namespace {

constexpr FileBodyOptions kNoFile = {.resident = false, .file_range = false};

class BodySenderTest : public testing::Test {
 protected:
  void Add(size_t bytes, const FileBodyOptions& options = {}) {
    server_.bodies().push_back(std::make_unique<FileBody>(
        folder_, Pattern(bytes, static_cast<uint32_t>(server_.bodies().size())), options));
  }
  // Fetches all bodies, pipelined, `slowly` or not, and compares.
  void FetchAll(bool slowly = false) {
    server_.Serve([&] {
      PlainClient client(server_.Connect());
      std::string commands;
      for (size_t i = 0; i < server_.bodies().size(); ++i)
        commands += "BODY " + std::to_string(i) + "\n";
      client.Send(commands + "QUIT\n");
      for (const auto& body : server_.bodies()) {
        EXPECT_EQ(client.Line(), "+OK " + std::to_string(body->wire_bytes()));
        std::string received;
        while (received.size() < body->wire_bytes()) {
          if (slowly) std::this_thread::sleep_for(std::chrono::milliseconds(5));
          const std::string more =
              client.Bytes(std::min<size_t>(1'000'000, body->wire_bytes() - received.size()));
          if (more.empty()) break;
          received += more;
        }
        EXPECT_TRUE(received == body->bytes()) << received.size() << " of " << body->wire_bytes();
      }
      EXPECT_EQ(client.Line(), "bye");
    });
  }

  TestFolder folder_;
  TestServer server_{{.send_buffer_bytes = 256 * 1024}};
};

TEST_F(BodySenderTest, SizesAtEveryThreshold) {
  for (const size_t bytes :
       {size_t{1}, size_t{4096}, size_t{kSmallBodyBytesMax - 1}, size_t{kSmallBodyBytesMax},
        size_t{kSmallBodyBytesMax + 1}, kChunkBytes - 1, kChunkBytes, kChunkBytes + 1,
        size_t{kSendfileWindowBytes}, size_t{kSendfileWindowBytes + 1},
        size_t{kSendfileWindowBytes * 5 / 4}, size_t{3'000'000}}) {
    Add(bytes);
    Add(bytes, kNoFile);
    Add(bytes, {.resident = false, .file_range = true});
    Add(bytes, {.resident = true, .file_range = false});
  }
  FetchAll();
  const NetMetrics& metrics = server_.metrics();
  EXPECT_EQ(metrics.small.uses.Read(), 8u);
  EXPECT_EQ(metrics.small.bytes.Read(), 2u * (1 + 4096 + 2 * kSmallBodyBytesMax - 1));
  EXPECT_EQ(metrics.sendfile.uses.Read(), 20u);  // 8 and 12 have a file and are resident.
  EXPECT_EQ(metrics.copy.uses.Read(), 20u);
  EXPECT_EQ(metrics.body_failures.Read(), 0u);
}

TEST_F(BodySenderTest, SlowReaderGetsALargeBodyByEachLane) {
  Add(25'000'000);
  Add(25'000'000, kNoFile);
  FetchAll(/*slowly=*/true);
  EXPECT_EQ(server_.metrics().sendfile.bytes.Read(), 25'000'000u);
  EXPECT_EQ(server_.metrics().copy.bytes.Read(), 25'000'000u);
}

TEST_F(BodySenderTest, ColdFileIsReadFirst) {
  Add(2'000'000);
  if (!server_.bodies()[0]->Evict()) GTEST_SKIP() << "this file system keeps its pages";
  FetchAll();
  EXPECT_GE(server_.metrics().copy.bytes.Read(), kChunkBytes);
  EXPECT_EQ(server_.metrics().copy.bytes.Read() + server_.metrics().sendfile.bytes.Read(),
            2'000'000u);
}

TEST_F(BodySenderTest, DamageMidwayEndsTheConnectionEarly) {
  Add(1'000'000, {.resident = false, .file_range = false, .fails_at = 500'000});
  server_.Serve([&] {
    PlainClient client(server_.Connect());
    client.Send("BODY 0\nECHO unheard\n");
    EXPECT_EQ(client.Line(), "+OK 1000000");
    const std::string rest = client.Rest();
    EXPECT_LT(rest.size(), 500'001u);
    EXPECT_EQ(rest, server_.bodies()[0]->bytes().substr(0, rest.size()));
    EXPECT_FALSE(client.timed_out());
  });
  EXPECT_EQ(server_.ends(), std::vector{StreamEnd::kBodyFailed});
  EXPECT_EQ(server_.body_failures(), std::vector<std::string>{"the test says so"});
  EXPECT_EQ(server_.metrics().body_failures.Read(), 1u);
}

TEST_F(BodySenderTest, FileThatShrankEndsTheConnectionEarly) {
  Add(2'000'000, {.fails_at = 300'000});
  ASSERT_EQ(ftruncate(server_.bodies()[0]->AsFileRange()->fd, 300'000), 0);
  server_.Serve([&] {
    PlainClient client(server_.Connect());
    client.Send("BODY 0\n");
    EXPECT_EQ(client.Line(), "+OK 2000000");
    EXPECT_LE(client.Rest().size(), 300'000u);
  });
  EXPECT_EQ(server_.ends(), std::vector{StreamEnd::kBodyFailed});
}

// Keeps chunks from others.
class ChunkHolder {
 public:
  ChunkHolder(ChunkPool& pool, int count) : pool_(pool) {
    for (int i = 0; i < count; ++i) held_.push_back(pool_.Acquire(waiter_));
  }
  void GiveBack() {
    for (auto& chunk : held_) pool_.Release(std::move(chunk));
    held_.clear();
  }

 private:
  void Granted() {}

  ChunkPool& pool_;
  io::WorkFor<&ChunkHolder::Granted> work_{this};
  ChunkPool::Waiter waiter_{work_};
  std::vector<std::unique_ptr<char[]>> held_;
};

TEST(BodySender, MoreReadersThanChunks) {
  constexpr size_t kReaders = 12;
  TestFolder folder;
  TestServer server({.chunks_max = 2});
  for (size_t i = 0; i < kReaders; ++i)
    server.bodies().push_back(
        std::make_unique<FileBody>(folder, Pattern(700'000, static_cast<uint32_t>(i)), kNoFile));
  ChunkHolder holder(server.chunks(), 2);
  std::vector<std::jthread> readers;
  for (size_t i = 0; i < kReaders; ++i)
    readers.emplace_back([&, i] {
      PlainClient client(server.Connect());
      client.Send("BODY " + std::to_string(i) + "\nQUIT\n");
      EXPECT_EQ(client.Line(), "+OK 700000");
      if (i % 3 == 2) return;  // Some leave early.
      EXPECT_TRUE(client.Bytes(700'000) == server.bodies()[i]->bytes());
      EXPECT_EQ(client.Line(), "bye");
    });
  const auto all_wait = [&] { return server.metrics().chunk_waits.Read() == kReaders; };
  EXPECT_TRUE(server.RunUntil(all_wait));
  holder.GiveBack();
  EXPECT_TRUE(server.RunUntil([&] { return server.sessions_ended() == kReaders; }, 60'000));
  EXPECT_EQ(server.chunks().in_use(), 0U);
}

TEST(BodySender, AbortWhileItWaitsForAChunk) {
  TestFolder folder;
  TestServer server({.chunks_max = 1});
  server.bodies().push_back(std::make_unique<FileBody>(folder, Pattern(700'000), kNoFile));
  ChunkHolder holder(server.chunks(), 1);
  PlainClient client(server.Connect());
  client.Send("BODY 0\n");
  ASSERT_TRUE(server.RunUntil([&] { return server.metrics().chunk_waits.Read() == 1; }));
  server.streams()[0]->Abort(StreamEnd::kAborted);
  EXPECT_TRUE(server.RunUntil([&] { return server.sessions_ended() == 1; }));

  // And between the grant and its use.
  PlainClient other(server.Connect());
  other.Send("BODY 0\n");
  ASSERT_TRUE(server.RunUntil([&] { return server.metrics().chunk_waits.Read() == 2; }));
  holder.GiveBack();
  server.streams()[0]->Abort(StreamEnd::kAborted);
  EXPECT_TRUE(server.RunUntil([&] { return server.sessions_ended() == 2; }));
  EXPECT_EQ(server.chunks().in_use(), 0u);
}

TEST(Residency, BothWaysTellWarmFromCold) {
  TestFolder folder;
  FileBody body(folder, Pattern(300'000), {});
  const io::FileRange range{body.AsFileRange()->fd, 4097, 250'000};
  EXPECT_NE(AskCachestat(range), Residency::kCold);
  EXPECT_EQ(AskMincore(range), Residency::kResident);
  EXPECT_TRUE(IsResident(range));
  if (!body.Evict()) GTEST_SKIP() << "this file system keeps its pages";
  EXPECT_NE(AskCachestat(range), Residency::kResident);
  EXPECT_EQ(AskMincore(range), Residency::kCold);
  EXPECT_FALSE(IsResident(range));
  // Asking brought nothing.
  EXPECT_EQ(AskMincore({range.fd, range.offset + range.bytes - 1, 1}), Residency::kCold);
}

TEST(Residency, AColdMiddleIsCold) {
  TestFolder folder;
  FileBody body(folder, Pattern(1'000'000), {});
  const io::FileRange all{body.AsFileRange()->fd, 0, 1'000'000};
  if (!body.Evict()) GTEST_SKIP() << "this file system keeps its pages";
  ASSERT_EQ(posix_fadvise(all.fd, 0, 0, POSIX_FADV_RANDOM), 0);  // No read-ahead.
  std::array<char, 10> piece;
  ASSERT_EQ(pread(all.fd, piece.data(), piece.size(), 0), 10);
  ASSERT_EQ(pread(all.fd, piece.data(), piece.size(), 999'990), 10);
  EXPECT_EQ(AskMincore({all.fd, 0, 10}), Residency::kResident);
  EXPECT_EQ(AskMincore({all.fd, 999'990, 10}), Residency::kResident);
  EXPECT_EQ(AskMincore(all), Residency::kCold);
  EXPECT_NE(AskCachestat(all), Residency::kResident);
  EXPECT_FALSE(IsResident(all));
  EXPECT_FALSE(IsResident(all, /*just_read=*/true));
}

TEST(Residency, EmptyRangesAndForeignDescriptorsDoNoHarm) {
  EXPECT_TRUE(IsResident({-1, 0, 0}));
  EXPECT_FALSE(IsResident({-1, 0, 10}));
}

}  // namespace
}  // namespace poplar::net
