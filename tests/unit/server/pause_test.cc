#include "core/server/pause.h"

#include <gtest/gtest.h>

#include <memory>

#include "tests/unit/io/support.h"

namespace poplar::server {
namespace {

constexpr uint64_t kHourMs = 3'600'000;

TEST(PauseTest, IsOverByItself) {
  const auto reactor = io::MakeReactor();
  io::Completion<PauseOver> over;
  Pause pause(*reactor, 1, over);
  EXPECT_FALSE(over.await_ready());
  EXPECT_TRUE(io::TurnUntil(*reactor, [&] { return over.await_ready(); }));
  over.Take();
  pause.Skip();
  EXPECT_FALSE(over.await_ready()) << "it was over";
}

TEST(PauseTest, IsOverOnceWhenItIsSkipped) {
  const auto reactor = io::MakeReactor();
  io::Completion<PauseOver> over;
  Pause pause(*reactor, kHourMs, over);
  pause.Skip();
  EXPECT_TRUE(over.await_ready());
  over.Take();
  pause.Skip();
  EXPECT_FALSE(over.await_ready());
}

}  // namespace
}  // namespace poplar::server
