#include "core/app/usage_writer.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "tests/unit/auth/temp_dir.h"

namespace poplar::app {
namespace {

class DayClock : public base::Clock {
 public:
  uint64_t MonotonicUs() const override { return base::SystemClock().MonotonicUs(); }
  int64_t WallUs() const override { return int64_t{day} * 86'400'000'000 + 1; }
  std::atomic<int32_t> day{100};
};

class UsageWriterTest : public testing::Test {
 protected:
  void Publish(bool with_tenant) {
    auto policies = std::make_shared<TenantPolicies>();
    if (with_tenant) policies->by_tenant[1].name = "acme";
    board_.Publish(std::move(policies));
  }
  // What the writer writes at its end is all there is.
  std::unique_ptr<UsageWriter> Start() {
    return std::make_unique<UsageWriter>(
        UsageWriterOptions{.database_path = path_, .period = std::chrono::hours(1)}, board_);
  }
  // Writes all the time.
  std::unique_ptr<UsageWriter> StartBusy(const base::Clock& clock = base::SystemClock()) {
    return std::make_unique<UsageWriter>(
        UsageWriterOptions{
            .database_path = path_, .period = std::chrono::milliseconds(1), .clock = clock},
        board_);
  }
  uint64_t Sessions() const {
    const auto database = auth::UsageDatabase::Open(path_);
    if (!database.ok()) return 0;
    const auto records = (*database)->Read({});
    return records.ok() && !records->empty() ? records->front().figures.sessions : 0;
  }
  // Sessions of each day.
  std::vector<std::pair<uint32_t, uint64_t>> Days() const {
    std::vector<std::pair<uint32_t, uint64_t>> days;
    const auto database = auth::UsageDatabase::Open(path_);
    if (!database.ok()) return days;
    const auto records = (*database)->Read({.tenant_name = {}, .by_day = true});
    if (!records.ok()) return days;
    for (const auto& record : *records) days.emplace_back(record.day, record.figures.sessions);
    return days;
  }
  static bool Within5s(const std::function<bool()>& probe) {
    for (int i = 0; i < 5000 && !probe(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return probe();
  }

  auth::TempDir directory_;
  std::string path_ = directory_.File("usage.db");
  PolicyBoard board_;
};

TEST_F(UsageWriterTest, WritesWhatWasUsedSince) {
  Publish(true);
  auto writer = Start();
  board_.Current()->GateOf(TenantId(1))->usage.sessions += 3;
  writer.reset();
  EXPECT_EQ(Sessions(), 3U);
}

TEST_F(UsageWriterTest, NothingUsedIsNothingWritten) {
  Publish(true);
  Start().reset();
  EXPECT_FALSE(auth::UsageDatabase::Open(path_).ok());
}

TEST_F(UsageWriterTest, ATenantThatGoesAndComesBackCountsOn) {
  Publish(true);
  auto writer = StartBusy();
  board_.Current()->GateOf(TenantId(1))->usage.sessions += 5;
  EXPECT_TRUE(Within5s([&] { return Sessions() == 5; }));
  Publish(false);
  Publish(true);
  board_.Current()->GateOf(TenantId(1))->usage.sessions += 2;
  EXPECT_TRUE(Within5s([&] { return Sessions() == 7; }));
  writer.reset();
  EXPECT_EQ(Sessions(), 7U);
}

TEST_F(UsageWriterTest, WhatIsUsedIsOfTheDayWhenItWasCounted) {
  using Day = std::pair<uint32_t, uint64_t>;
  Publish(true);
  DayClock clock;
  auto writer = StartBusy(clock);
  const std::shared_ptr<TenantGate> gate = board_.Current()->GateOf(TenantId(1));
  gate->usage.sessions += 3;
  EXPECT_TRUE(Within5s([&] { return Sessions() == 3; }));
  clock.day = 101;
  gate->usage.sessions += 4;
  EXPECT_TRUE(Within5s([&] { return Sessions() == 7; }));
  EXPECT_EQ(Days(), (std::vector<Day>{{100, 3}, {101, 4}}));
}

TEST_F(UsageWriterTest, WhileItCannotWriteItGathersDayByDay) {
  using Day = std::pair<uint32_t, uint64_t>;
  const std::string folder = directory_.File("later");
  path_ = folder + "/usage.db";
  Publish(true);
  DayClock clock;
  auto writer = StartBusy(clock);
  base::MetricRegistry metrics;
  writer->Register(metrics);
  // One that began after the call has failed: what was used before it is gathered.
  const auto fails_again = [&] {
    const double before = metrics.Entries().front().read();
    return Within5s([&] { return metrics.Entries().front().read() >= before + 2; });
  };
  const std::shared_ptr<TenantGate> gate = board_.Current()->GateOf(TenantId(1));
  gate->usage.sessions += 3;
  EXPECT_TRUE(fails_again());
  clock.day = 101;
  gate->usage.sessions += 4;
  EXPECT_TRUE(fails_again());
  ASSERT_EQ(mkdir(folder.c_str(), 0700), 0);
  EXPECT_TRUE(Within5s([&] { return Sessions() == 7; }));
  EXPECT_EQ(Days(), (std::vector<Day>{{100, 3}, {101, 4}}));
  writer.reset();
}

}  // namespace
}  // namespace poplar::app
