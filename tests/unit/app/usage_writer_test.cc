#include "core/app/usage_writer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>

#include "tests/unit/auth/temp_dir.h"

namespace poplar::app {
namespace {

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
  uint64_t Sessions() const {
    const auto database = auth::UsageDatabase::Open(path_);
    if (!database.ok()) return 0;
    const auto records = (*database)->Read({});
    return records.ok() && !records->empty() ? records->front().figures.sessions : 0;
  }

  auth::TempDir directory_;
  const std::string path_ = directory_.File("usage.db");
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
  auto writer = std::make_unique<UsageWriter>(
      UsageWriterOptions{.database_path = path_, .period = std::chrono::milliseconds(1)}, board_);
  const auto written = [&](uint64_t sessions) {
    for (int i = 0; i < 5000 && Sessions() != sessions; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return Sessions();
  };
  board_.Current()->GateOf(TenantId(1))->usage.sessions += 5;
  EXPECT_EQ(written(5), 5U);
  Publish(false);
  Publish(true);
  board_.Current()->GateOf(TenantId(1))->usage.sessions += 2;
  EXPECT_EQ(written(7), 7U);
  writer.reset();
  EXPECT_EQ(Sessions(), 7U);
}

}  // namespace
}  // namespace poplar::app
