#include "core/base/text_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace poplar::base {
namespace {

using ::testing::HasSubstr;

class TextFileTest : public ::testing::Test {
 protected:
  TextFileTest() {
    std::string name = std::filesystem::path(::testing::TempDir()) / "poplar-text-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~TextFileTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
};

TEST_F(TextFileTest, AllOfIt) {
  const std::string path = folder_ / "file";
  for (const std::string& text :
       {std::string(), std::string("a\0b\n", 4), std::string(4096, 'x')}) {
    std::ofstream(path, std::ios::binary) << text;
    const auto read = ReadTextFile(path, 4096);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, text);
  }
  // Its size is not known before it is read.
  EXPECT_THAT(*ReadTextFile("/proc/self/status", 1 << 20), HasSubstr("\nPid:"));
}

TEST_F(TextFileTest, LargerThanAllowed) {
  const std::string path = folder_ / "file";
  std::ofstream(path) << std::string(4097, 'x');
  EXPECT_EQ(ReadTextFile(path, 4096).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadTextFile("/proc/self/status", 16).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(TextFileTest, NoRegularFileHoldsItsReader) {
  const std::string fifo = folder_ / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  for (const std::string& path : {fifo, folder_.string(), std::string("/dev/zero")}) {
    EXPECT_EQ(ReadTextFile(path, 4096).status().code(), StatusCode::kInvalidArgument) << path;
  }
  EXPECT_EQ(ReadTextFile(folder_ / "none", 4096).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace poplar::base
