// Which connection a question gets, what is asked again, and which servers are left alone.

#include "auth/plugins/common/pool.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "auth/plugins/common/left_behind.h"

namespace poplar::plugins {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using Result = Tried::Result;

std::vector<std::string>& Logged() {
  static std::vector<std::string> lines;
  return lines;
}

struct Line {
  size_t server;
  int id;
  bool usable = true;
  bool Usable() const { return usable; }
};

class PoolTest : public testing::Test {
 protected:
  void SetUp() override { Logged().clear(); }

  Pool<Line> MakePool(uint32_t connections = 4) {
    return Pool<Line>(servers_, {.connections = connections},
                      [this](size_t server, Deadline, std::string& fault) {
                        if (down_[server]) {
                          fault = "down";
                          return std::unique_ptr<Line>();
                        }
                        return std::make_unique<Line>(Line{.server = server, .id = ++made_});
                      });
  }
  // Runs what answers at once, and says on which connection.
  Line Ask(Pool<Line>& pool, const Tried& answer = {}) {
    Line asked{.server = 99, .id = 0};
    last_ = pool.Run(Clock::now() + hours(1), [&](Line& line, Deadline) {
      asked = line;
      ++runs_;
      return answer;
    });
    return asked;
  }

  poplar_host host_{.struct_bytes = sizeof(poplar_host),
                    .set = nullptr,
                    .log = [](poplar_level, const char* line) { Logged().emplace_back(line); },
                    .calls_max = 0};
  Servers servers_{{"a", "b"}, Servers::Order::kListed, host_};
  bool down_[2] = {false, false};
  int made_ = 0;
  int runs_ = 0;
  Tried last_;
};

TEST_F(PoolTest, KeepsAConnectionAndTheOrder) {
  Pool<Line> pool = MakePool();
  EXPECT_EQ(Ask(pool).id, 1);
  EXPECT_EQ(Ask(pool).id, 1);
  EXPECT_EQ(Ask(pool).server, 0U);
  EXPECT_EQ(runs_, 3);
}

TEST_F(PoolTest, TriesTheNextServerWhereOneIsDownAndLeavesItAlone) {
  down_[0] = true;
  Pool<Line> pool = MakePool();
  EXPECT_EQ(Ask(pool).server, 1U);
  EXPECT_EQ(Logged(), std::vector<std::string>{"a: down"});
  down_[0] = false;
  EXPECT_EQ(Ask(pool).server, 1U) << "for a while it is left alone";
  servers_.Works(0);
  EXPECT_EQ(Logged().back(), "a is used again");
  EXPECT_EQ(Ask(pool).server, 0U);
}

TEST_F(PoolTest, SaysWhyWhereNoneWorks) {
  down_[0] = down_[1] = true;
  Pool<Line> pool = MakePool();
  EXPECT_EQ(Ask(pool).server, 99U);
  EXPECT_EQ(last_.result, Result::kNoAnswer);
  EXPECT_EQ(last_.why, "a: down; b: down");
  // All are left alone: then all are tried.
  down_[0] = down_[1] = false;
  EXPECT_EQ(Ask(pool).server, 0U);
  EXPECT_TRUE(last_.answered());
}

TEST_F(PoolTest, AsksOnceMoreWhatWasNotAnswered) {
  for (const Result result : {Result::kNoAnswer, Result::kUnfit}) {
    servers_.Works(0);
    Pool<Line> pool = MakePool();
    std::vector<size_t> asked;
    const Tried tried = pool.Run(Clock::now() + hours(1), [&](Line& line, Deadline) {
      asked.push_back(line.server);
      return asked.size() == 1 ? Tried{.result = result, .why = "busy"} : Tried{};
    });
    EXPECT_TRUE(tried.answered());
    EXPECT_EQ(asked, (std::vector<size_t>{0, 1}));
    EXPECT_EQ(Logged().back(), "a: busy");
  }
  Pool<Line> pool = MakePool();
  Ask(pool, {.result = Result::kUnfit, .why = "busy"});
  EXPECT_EQ(last_.why.substr(1), ": busy");
}

TEST_F(PoolTest, AnIdleConnectionThatEndedIsNoFaultOfItsServer) {
  Pool<Line> pool = MakePool();
  Ask(pool);
  std::vector<int> asked;
  const auto first_time_ended = [&](Line& line, Deadline) {
    asked.push_back(line.id);
    line.usable = asked.size() > 1;
    return asked.size() == 1 ? Tried{.result = Result::kEnded, .why = "closed"} : Tried{};
  };
  EXPECT_TRUE(pool.Run(Clock::now() + hours(1), first_time_ended).answered());
  EXPECT_EQ(asked, (std::vector<int>{1, 2}));
  EXPECT_TRUE(Logged().empty());
  // A fresh one that ends says that the server is not well.
  asked.clear();
  Pool<Line> other = MakePool();
  EXPECT_TRUE(other.Run(Clock::now() + hours(1), first_time_ended).answered());
  EXPECT_EQ(Logged(), std::vector<std::string>{"a: closed"});
}

TEST_F(PoolTest, ConnectionsFromBeforeAFailureAreNotUsed) {
  Pool<Line> pool = MakePool();
  EXPECT_EQ(Ask(pool).id, 1);
  servers_.Failed(0, "gone");
  servers_.Works(0);
  EXPECT_EQ(Ask(pool).id, 2);
}

TEST_F(PoolTest, AFailureOfALateQuestionIsNot) {
  Pool<Line> pool = MakePool();
  pool.Run(Clock::now() + milliseconds(900),
           [&](Line&, Deadline) { return Tried{.result = Result::kNoAnswer, .why = "late"}; });
  EXPECT_TRUE(Logged().empty());
}

TEST_F(PoolTest, NoMoreAtOnceThanAllowed) {
  Pool<Line> pool = MakePool(1);
  pool.Run(Clock::now() + hours(1), [&](Line&, Deadline) {
    const Tried inner = pool.Run(Clock::now() + milliseconds(20), [](Line&, Deadline) {
      ADD_FAILURE() << "there is one connection only";
      return Tried{};
    });
    EXPECT_EQ(inner.why, "all connections are in use");
    return Tried{};
  });
  EXPECT_EQ(Ask(pool).id, 1);
}

TEST_F(PoolTest, AsManyAsAreAskedAtOnceUnlessASettingSaysOtherwise) {
  EXPECT_EQ(ConnectionsMax({}, host_), 4U) << "it is not told";
  host_.calls_max = 18;
  EXPECT_EQ(ConnectionsMax({}, host_), 18U);
  EXPECT_EQ(ConnectionsMax({.connections = 3}, host_), 3U);
  host_.struct_bytes = offsetof(poplar_host, calls_max);
  EXPECT_EQ(ConnectionsMax({}, host_), 4U) << "a server that does not know it";
}

TEST_F(PoolTest, OnlyWhatTellsOfTheServerIsHeldAgainstIt) {
  for (const auto result : {Result::kUnfit, Result::kNoAnswer, Result::kEnded}) {
    EXPECT_EQ((Tried{.result = result, .why = ""}).outcome(), POPLAR_UNREACHABLE);
  }
  EXPECT_EQ((Tried{.result = Result::kFaulted, .why = ""}).outcome(), POPLAR_TEMPORARY);
}

TEST_F(PoolTest, SpreadBeginsWithAnotherServerEachTime) {
  Servers spread({"a", "b", "c"}, Servers::Order::kSpread, host_);
  EXPECT_EQ(spread.Candidates(), (std::vector<size_t>{0, 1, 2}));
  EXPECT_EQ(spread.Candidates(), (std::vector<size_t>{1, 2, 0}));
  spread.Failed(2, "gone");
  EXPECT_EQ(spread.Candidates(), (std::vector<size_t>{0, 1}));
}

TEST(DoneBy, LeavesBehindWhatIsLateAndNotTooMuchOfIt) {
  EXPECT_EQ(DoneBy<int>(Clock::now() + hours(1), [] { return 7; }), 7);
  auto end = std::make_shared<std::promise<void>>();
  const std::shared_future<void> ended = end->get_future().share();
  const std::function<int()> hang = [ended] {
    ended.wait();
    return 1;
  };
  for (int i = left_behind; i < kLeftBehindMax; ++i) {
    EXPECT_FALSE(DoneBy<int>(Clock::now(), hang).has_value());
  }
  EXPECT_FALSE(DoneBy<int>(Clock::now() + hours(1), [] { return 7; }).has_value());
  end->set_value();
  while (left_behind > 0) std::this_thread::yield();
  EXPECT_EQ(DoneBy<int>(Clock::now() + hours(1), [] { return 7; }), 7);
}

}  // namespace
}  // namespace poplar::plugins
