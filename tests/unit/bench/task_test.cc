#include "bench/load/task.h"

#include <gtest/gtest.h>

#include "bench/load/loop.h"
#include "bench/load/meter.h"

namespace poplar::load {
namespace {

Task<StatusOr<int>> Half(int value) {
  if (value % 2 != 0) co_return CountError("odd");
  co_return value / 2;
}

Task<Status> HalveThrice(int value, int* result) {
  for (int i = 0; i < 3; ++i) {
    LOAD_CO_ASSIGN_OR_RETURN(value, co_await Half(value));
  }
  *result = value;
  co_return OkStatus();
}

Task<void> Root(Task<Status> task, Status* status) { *status = co_await std::move(task); }

TEST(TaskTest, PassesValuesAndErrorsUp) {
  int result = 0;
  Status status;
  Task<void> good = Root(HalveThrice(40, &result), &status);
  good.Start();
  EXPECT_TRUE(good.done() && status.ok());
  EXPECT_EQ(result, 5);
  Task<void> bad = Root(HalveThrice(12, &result), &status);
  bad.Start();
  EXPECT_EQ(status.code(), StatusCode::kOutOfRange);
}

Task<Status> AwaitMany(int count, int* sum) {
  for (int i = 0; i < count; ++i) {
    LOAD_CO_ASSIGN_OR_RETURN(int half, co_await Half(2));
    *sum += half;
  }
  co_return OkStatus();
}

TEST(TaskTest, TasksThatNeverWaitCostNoStack) {
  int sum = 0;
  Status status;
  Task<void> root = Root(AwaitMany(1'000'000, &sum), &status);
  root.Start();
  EXPECT_EQ(sum, 1'000'000);
}

Task<Status> SleepTwice(Loop* loop, int* steps) {
  co_await loop->Sleep(1);
  ++*steps;
  co_await loop->Sleep(1);
  ++*steps;
  co_return OkStatus();
}

TEST(TaskTest, GoesOnWhenItsLoopWakesIt) {
  Loop loop;
  int steps = 0;
  Status status = CountError("not yet");
  Task<void> root = Root(SleepTwice(&loop, &steps), &status);
  root.Start();
  EXPECT_FALSE(root.done());
  for (int i = 0; i < 1000 && !root.done(); ++i) loop.RunOnce();
  EXPECT_TRUE(root.done() && status.ok());
  EXPECT_EQ(steps, 2);
}

}  // namespace
}  // namespace poplar::load
