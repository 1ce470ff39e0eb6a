#include "auth/plugins/common/secret_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/unit/auth/temp_dir.h"

namespace poplar::plugins {
namespace {

using ::testing::HasSubstr;

TEST(SecretFile, AllOfItOrWhy) {
  const auth::TempDir dir;
  const std::string path = dir.File("key"), folder = dir.File("folder"), fifo = dir.File("fifo");
  std::ofstream(path) << "secret\n";
  std::filesystem::create_directory(folder);
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  std::string fault;
  EXPECT_EQ(ReadSecretFile(path, 7, fault), "secret\n");
  EXPECT_EQ(fault, "");
  EXPECT_FALSE(ReadSecretFile(path, 6, fault));
  EXPECT_THAT(fault, HasSubstr("key cannot be read: it is larger than 6 octets"));
  for (const std::string& other : {folder, fifo}) {
    EXPECT_FALSE(ReadSecretFile(other, 7, fault));
    EXPECT_EQ(fault, other + " cannot be read: it is no regular file");
  }
  EXPECT_FALSE(ReadSecretFile(dir.File("none"), 7, fault));
  EXPECT_THAT(fault, HasSubstr("none cannot be read: No such file"));
}

}  // namespace
}  // namespace poplar::plugins
