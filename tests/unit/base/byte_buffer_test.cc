#include "core/base/byte_buffer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace poplar::base {
namespace {

TEST(ByteBufferTest, AppendsAndConsumesFromTheFront) {
  ByteBuffer buffer;
  buffer.Append("+OK ");
  buffer.AppendNumber(18446744073709551615ULL);
  buffer.Append("\r\n");
  EXPECT_EQ(buffer.view(), "+OK 18446744073709551615\r\n");
  buffer.Consume(4);
  buffer.Truncate(3);
  EXPECT_EQ(buffer.view(), "184");
}

TEST(ByteBufferTest, KeepsContentWhileGrowingMovingAndTailing) {
  ByteBuffer buffer;
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    const std::string piece(static_cast<size_t>(i % 37), static_cast<char>('a' + i % 26));
    const std::span<char> tail = buffer.Tail(piece.size());
    ASSERT_GE(tail.size(), piece.size());
    if (!piece.empty()) std::memcpy(tail.data(), piece.data(), piece.size());
    buffer.Extend(piece.size());
    expected += piece;
    const size_t drop = std::min<size_t>(expected.size(), static_cast<size_t>(i % 23));
    buffer.Consume(drop);
    expected.erase(0, drop);
    ASSERT_EQ(buffer.view(), expected);
  }
  ByteBuffer moved = std::move(buffer);
  EXPECT_EQ(moved.view(), expected);
  moved.Release();
  EXPECT_EQ(moved.capacity(), 0U);
}

}  // namespace
}  // namespace poplar::base
