#include "core/io/cores.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "core/io/shard.h"

namespace poplar::io {
namespace {

// A root with the two places that tell a process its quota.
class CgroupTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "cores_test_XXXXXX";
    ASSERT_NE(mkdtemp(root_.data()), nullptr);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, const std::string& content) {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << content;
  }

  std::string root_;
};

TEST_F(CgroupTest, NoneWithoutAQuota) {
  EXPECT_EQ(CgroupCores(root_), std::nullopt);
  Write("/proc/self/cgroup", "0::/a\n");
  EXPECT_EQ(CgroupCores(root_), std::nullopt);
  Write("/sys/fs/cgroup/a/cpu.max", "max 100000\n");
  EXPECT_EQ(CgroupCores(root_), std::nullopt);
}

TEST_F(CgroupTest, V2TakesTheLeastOfTheWholePathRoundedUp) {
  Write("/proc/self/cgroup", "0::/kubepods/pod\n");
  Write("/sys/fs/cgroup/kubepods/pod/cpu.max", "450000 100000\n");
  EXPECT_EQ(CgroupCores(root_), 5U);
  Write("/sys/fs/cgroup/kubepods/cpu.max", "150000 100000\n");
  EXPECT_EQ(CgroupCores(root_), 2U);
  Write("/sys/fs/cgroup/cpu.max", "1000 100000\n");
  EXPECT_EQ(CgroupCores(root_), 1U);
}

TEST_F(CgroupTest, V2InAContainerSeesItsGroupAsTheRoot) {
  Write("/proc/self/cgroup", "0::/\n");
  Write("/sys/fs/cgroup/cpu.max", "300000 100000\n");
  EXPECT_EQ(CgroupCores(root_), 3U);
  Write("/proc/self/cgroup", "0::/system.slice/of-the-host\n");
  EXPECT_EQ(CgroupCores(root_), 3U);
}

TEST_F(CgroupTest, V1) {
  Write("/proc/self/cgroup", "12:cpuset:/x\n4:cpu,cpuacct:/docker/1\n1:name=systemd:/y\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us", "-1\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(CgroupCores(root_), std::nullopt);
  Write("/sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us", "250000\n");
  EXPECT_EQ(CgroupCores(root_), 3U);
}

TEST_F(CgroupTest, NonsenseIsNoQuota) {
  Write("/proc/self/cgroup", "nonsense\n\n0:\n0::/a\n");
  Write("/sys/fs/cgroup/a/cpu.max", "-5 nonsense\n");
  EXPECT_EQ(CgroupCores(root_), std::nullopt);
}

TEST(CoresTest, GrantedCoresFollowAffinity) {
  EXPECT_GE(GrantedCores(), 1U);
  std::thread([] {
    const std::vector<int> allowed = AllowedCpus();
    ASSERT_FALSE(allowed.empty());
    PinThread(allowed.back());
    EXPECT_EQ(AllowedCpus(), std::vector<int>{allowed.back()});
    EXPECT_EQ(GrantedCores(), 1U);
  }).join();
}

}  // namespace
}  // namespace poplar::io
