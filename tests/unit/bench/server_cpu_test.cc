#include "bench/load/server_cpu.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "bench/load/loop.h"

namespace poplar::load {
namespace {

void BurnMs(uint64_t duration_ms) {
  uint64_t end_ns = MonotonicNs() + duration_ms * 1'000'000;
  while (MonotonicNs() < end_ns) {
  }
}

// Burns until this process has used that much, however busy the machine is.
void BurnCpuMs(uint64_t duration_ms) {
  clock_t end = clock() + static_cast<clock_t>(duration_ms * CLOCKS_PER_SEC / 1000);
  while (clock() < end) BurnMs(1);
}

TEST(ServerCpuTest, CountsAProcessAndItsLivingAndExitedChildren) {
  int own_pid = getpid();
  StatusOr<CpuTime> before = ProcessTreeCpu({own_pid});
  ASSERT_TRUE(before.ok()) << before.status();
  BurnCpuMs(60);
  pid_t exited = fork();
  if (exited == 0) {
    BurnCpuMs(60);
    _exit(0);
  }
  ASSERT_EQ(waitpid(exited, nullptr, 0), exited);
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  pid_t living = fork();
  if (living == 0) {
    BurnCpuMs(60);
    close(ready[1]);  // ends the parent's read
    pause();
    _exit(0);
  }
  close(ready[1]);
  char byte;
  EXPECT_EQ(read(ready[0], &byte, 1), 0);
  StatusOr<CpuTime> after = ProcessTreeCpu({own_pid});
  kill(living, SIGKILL);
  waitpid(living, nullptr, 0);
  close(ready[0]);
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_GE(after->total_us - before->total_us, 140'000U);  // of 180, by ticks of 10
  EXPECT_FALSE(ProcessTreeCpu({0x3fffffff}).ok());
}

TEST(ServerCpuTest, ReadsBothKindsOfControlGroups) {
  std::string folder = testing::TempDir() + "server_cpu_test_" + std::to_string(getpid());
  std::filesystem::create_directories(folder + "/v1");
  std::filesystem::create_directories(folder + "/v2");
  std::ofstream(folder + "/v1/cpuacct.usage") << "5123456789\n";
  std::ofstream(folder + "/v1/cpuacct.usage_user") << "2000000000\n";
  std::ofstream(folder + "/v1/cpuacct.usage_sys") << "3000000000\n";
  std::ofstream(folder + "/v2/cpu.stat") << "usage_usec 77\nuser_usec 33\nsystem_usec 44\n";
  StatusOr<CpuTime> v1 = CgroupCpu(folder + "/v1");
  StatusOr<CpuTime> v2 = CgroupCpu(folder + "/v2");
  EXPECT_EQ(CgroupCpu(folder).status().code(), StatusCode::kNotFound);
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(v1.ok() && v2.ok());
  EXPECT_EQ(v1->total_us, 5'123'456U);
  EXPECT_EQ(v1->user_us, 2'000'000U);
  EXPECT_EQ(v2->total_us, 77U);
  EXPECT_EQ(v2->system_us, 44U);
}

}  // namespace
}  // namespace poplar::load
