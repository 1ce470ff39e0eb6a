// A ring does what the reactor has it do, and nothing for anybody else who has got hold of it.

#include "core/io/ring.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <functional>

namespace poplar::io {
namespace {

int32_t ResultOf(Ring& ring, const std::function<void(io_uring_sqe&)>& prepare) {
  prepare(ring.Next());
  ring.Wait(Ring::kForever);
  const int32_t result = ring.completed().front().result;
  ring.completed().clear();
  return result;
}

TEST(RingTest, TakesItsOwnOperationsOnly) {
  const auto [ring, error] = Ring::Create({});
  ASSERT_EQ(error, 0);
  EXPECT_EQ(ResultOf(*ring, [](auto& entry) { io_uring_prep_shutdown(&entry, -1, SHUT_RDWR); }),
            -EBADF);
  EXPECT_EQ(ResultOf(*ring,
                     [](auto& entry) {
                       io_uring_prep_openat(&entry, AT_FDCWD, "/dev/null", O_RDONLY, 0);
                     }),
            -EACCES);
  EXPECT_EQ(ResultOf(*ring,
                     [](auto& entry) {
                       io_uring_prep_unlinkat(&entry, AT_FDCWD, "/nowhere/nothing", 0);
                     }),
            -EACCES);
  // A server goes to nobody: connect(2) is refused to it, and so is this.
  const sockaddr nobody{.sa_family = AF_UNIX, .sa_data = "/nowhere"};
  EXPECT_EQ(
      ResultOf(*ring,
               [&](auto& entry) { io_uring_prep_connect(&entry, -1, &nobody, sizeof nobody); }),
      -EACCES);
  EXPECT_EQ(ResultOf(*ring, [](auto& entry) { io_uring_prep_nop(&entry); }), -EACCES);
  // Linked and forced ones neither.
  EXPECT_EQ(ResultOf(*ring,
                     [](auto& entry) {
                       io_uring_prep_shutdown(&entry, -1, SHUT_RDWR);
                       entry.flags |= IOSQE_ASYNC;
                     }),
            -EACCES);
}

TEST(RingTest, TakesNoFurtherRegistrations) {
  const auto [ring, error] = Ring::Create({});
  ASSERT_EQ(error, 0);
  const int fd = 0;
  EXPECT_EQ(io_uring_register_files(&ring->raw(), &fd, 1), -EACCES);
  EXPECT_EQ(io_uring_register_personality(&ring->raw()), -EACCES);
}

}  // namespace
}  // namespace poplar::io
