#include "bench/load/server_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/base/fd.h"
#include "core/base/units.h"

namespace poplar::load {
namespace {

TEST(ServerMemoryTest, ParsesRssAnon) {
  EXPECT_EQ(ParseRssAnon("Name:\tpoplar\nVmRSS:\t   50000 kB\nRssAnon:\t    1234 kB\n"
                         "RssFile:\t     900 kB\n"),
            1234 * kKiB);
  EXPECT_EQ(ParseRssAnon("Name:\tx\nRssAnon:\t0 kB\n"), 0U);
  // A process that is gone but not waited for has no memory, and a name may be anything.
  EXPECT_EQ(ParseRssAnon("Name:\tRssAnon: 7 kB\nState:\tZ (zombie)\n"), std::nullopt);
  EXPECT_EQ(ParseRssAnon(""), std::nullopt);
  EXPECT_EQ(ParseRssAnon("Name:\tx\nRssAnon:\t\n"), std::nullopt);
  EXPECT_EQ(ParseRssAnon("Name:\tx\nRssAnon:\t12 MB\n"), std::nullopt);
}

TEST(ServerMemoryTest, SeesWhatAProcessTakes) {
  constexpr size_t kBytes = 16 * kMiB;
  const std::vector<int> self = {getpid()};
  StatusOr<ServerMemory> before = ReadServerMemory(self, "");
  ASSERT_TRUE(before.ok()) << before.status();
  void* block = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(block, MAP_FAILED);
  std::memset(block, 1, kBytes);
  base::UniqueFd first(open("/dev/null", O_RDONLY));
  base::UniqueFd second(open("/dev/null", O_RDONLY));
  StatusOr<ServerMemory> after = ReadServerMemory(self, "");
  munmap(block, kBytes);
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_GE(after->anon_bytes, before->anon_bytes + kBytes - kMiB);
  ASSERT_TRUE(before->descriptors && after->descriptors);
  EXPECT_EQ(*after->descriptors, *before->descriptors + 2);
  EXPECT_FALSE(after->group_bytes.has_value());
  EXPECT_EQ(ReadServerMemory({0x3fffffff}, "").status().code(), StatusCode::kNotFound);
}

TEST(ServerMemoryTest, ReadsControlGroups) {
  std::string folder = testing::TempDir() + "server_memory_test_" + std::to_string(getpid());
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/cgroup.procs") << getpid() << "\n";
  StatusOr<ServerMemory> without = ReadServerMemory({}, folder);
  std::ofstream(folder + "/memory.usage_in_bytes") << "4096\n";
  StatusOr<ServerMemory> v1 = ReadServerMemory({}, folder);
  std::ofstream(folder + "/memory.current") << "8192\n";
  StatusOr<ServerMemory> v2 = ReadServerMemory({}, folder);
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(without.ok() && v1.ok() && v2.ok());
  EXPECT_GT(without->anon_bytes, 0U);  // of the processes in it
  EXPECT_FALSE(without->group_bytes.has_value());
  EXPECT_EQ(v1->group_bytes, 4096U);
  EXPECT_EQ(v2->group_bytes, 8192U);
}

}  // namespace
}  // namespace poplar::load
