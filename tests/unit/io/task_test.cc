#include "core/io/task.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/unit/io/support.h"

namespace poplar::io {
namespace {

Task<int> Add(int a, int b) { co_return a + b; }

Task<std::string> Twice(Completion<std::string>* answer) {
  const std::string first = co_await *answer;
  const std::string second = co_await *answer;
  co_return first + second;
}

Task<void> Store(Completion<std::string>* answer, std::string* into) {
  const std::string twice = co_await Twice(answer);
  const int sum = co_await Add(1, 2);
  *into = twice + std::to_string(sum);
}

TEST(TaskTest, IsLazyAndResumesItsAwaiter) {
  const auto reactor = MakeReactor();
  Completion<std::string> answer;
  std::string result;
  Task<void> task = Store(&answer, &result);
  EXPECT_FALSE(task.done());
  task.Start();
  EXPECT_FALSE(task.done());

  answer.Set("a");
  EXPECT_FALSE(task.done());  // Never resumed inside Set.
  reactor->Turn(0);
  EXPECT_FALSE(task.done());
  answer.Set("b");
  reactor->Turn(0);
  EXPECT_TRUE(task.done());
  EXPECT_EQ(result, "ab3");
}

TEST(TaskTest, AnAnswerBeforeTheQuestionSuspendsNobody) {
  const auto reactor = MakeReactor();
  Completion<std::string> answer;
  answer.Set("early");
  std::string result;
  Task<void> task = Store(&answer, &result);
  task.Start();
  EXPECT_FALSE(task.done());  // Took the first, waits for the second.
  answer.Set("!");
  reactor->Turn(0);
  EXPECT_TRUE(task.done());
  EXPECT_EQ(result, "early!3");
}

TEST(TaskTest, AnUnaskedAnswerMayBeDropped) {
  const auto reactor = MakeReactor();
  Completion<std::string> answer;
  answer.Set("nobody wants it");
}

Task<int> Depth(int n) {
  if (n == 0) co_return 0;
  const int deeper = co_await Depth(n - 1);
  co_return 1 + deeper;
}

Task<void> Keep(Task<int> task, int* into) { *into = co_await std::move(task); }

TEST(TaskTest, MovesAndNests) {
  int result = 0;
  Task<void> task = Keep(Depth(1'000), &result);
  Task<void> moved = std::move(task);
  EXPECT_TRUE(task.done());  // NOLINT(bugprone-use-after-move): empty, and says so.
  moved.Start();
  EXPECT_TRUE(moved.done());
  EXPECT_EQ(result, 1'000);
}

TEST(TaskTest, DestroyingATaskDestroysItsLocals) {
  auto witness = std::make_shared<int>(1);
  {
    Task<void> task = [](std::shared_ptr<int> w, Task<int> t) -> Task<void> {
      *w = co_await std::move(t);
    }(witness, Add(1, 1));
    EXPECT_EQ(witness.use_count(), 2);
  }
  EXPECT_EQ(witness.use_count(), 1);
}

TEST(TaskDeathTest, DestroyingAQuestionThatWaitsIsAFailedCheck) {
  EXPECT_DEATH(
      {
        const auto reactor = MakeReactor();
        auto answer = std::make_unique<Completion<std::string>>();
        Task<std::string> task = Twice(answer.get());
        task.Start();
        answer.reset();
      },
      "waiter_");
}

TEST(TaskDeathTest, AnsweringTwiceIsAFailedCheck) {
  EXPECT_DEATH(
      {
        Completion<std::string> answer;
        answer.Set("a");
        answer.Set("b");
      },
      "value_");
}

}  // namespace
}  // namespace poplar::io
