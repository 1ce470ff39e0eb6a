#include "core/base/status.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace poplar {
namespace {

StatusOr<int> Half(int n) {
  if (n % 2 != 0) return MakeStatus(StatusCode::kInvalidArgument, "odd");
  return n / 2;
}

Status Quarter(int n, int& out) {
  POP_ASSIGN_OR_RETURN(const int half, Half(n));
  POP_ASSIGN_OR_RETURN(out, Half(half));
  return OkStatus();
}

TEST(StatusTest, MacrosPassErrorsOn) {
  int out = 0;
  EXPECT_TRUE(Quarter(8, out).ok());
  EXPECT_EQ(out, 2);
  EXPECT_EQ(Quarter(6, out).code(), StatusCode::kInvalidArgument);
}

TEST(StatusTest, ErrnoBecomesACodeAndASentence) {
  const Status full = ErrnoStatus(ENOSPC, "write segment");
  EXPECT_EQ(full.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(Message(full), "write segment: No space left on device");
  EXPECT_EQ(Message(Annotate(full, "store")), "store: write segment: No space left on device");
  EXPECT_EQ(ErrnoStatus(EIO, "x").code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace poplar
