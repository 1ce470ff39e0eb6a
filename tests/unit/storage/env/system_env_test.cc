// The system's disk, call by call, on a folder of the test's own.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <string>

#include "storage/env/env.h"

namespace poplar::storage {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class SystemEnvTest : public ::testing::Test {
 protected:
  SystemEnvTest() {
    std::string made = ::testing::TempDir() + "poplar-env-XXXXXX";
    folder_ = ::mkdtemp(made.data());
  }
  ~SystemEnvTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }

  std::unique_ptr<File> Write(const std::string& name, std::string_view bytes) {
    auto file = env_.CreateFile(Path(name));
    EXPECT_TRUE(file.ok() && (*file)->WriteAt(bytes, 0).ok());
    return std::move(*file);
  }

  static std::string Read(const File& file, size_t bytes, uint64_t offset) {
    std::string into(bytes, '?');
    const auto got = file.ReadAt(into, offset);
    EXPECT_TRUE(got.ok());
    into.resize(got.ok() ? *got : 0);
    return into;
  }

  Env& env_ = SystemEnv();
  std::string folder_;
};

TEST_F(SystemEnvTest, WhatIsInMemoryIsReadAtOnceOnAnyFileSystem) {
  std::string in_memory = "/dev/shm/poplar-env-XXXXXX";
  ASSERT_NE(::mkdtemp(in_memory.data()), nullptr);
  for (const std::string& path : {Path("a"), in_memory + "/a"}) {
    const auto file = env_.CreateFile(path);
    ASSERT_TRUE(file.ok() && (*file)->WriteAt("0123456789", 0).ok());
    std::string into(4, '?');
    const iovec piece{into.data(), into.size()};
    EXPECT_EQ((*file)->TryRead({&piece, 1}, 3), 4) << path;
    EXPECT_EQ(into, "3456");
  }
  std::filesystem::remove_all(in_memory);
}

TEST_F(SystemEnvTest, ReadsWhatWasWrittenAndNoFurtherThanItsEnd) {
  const auto file = Write("a", "0123456789");
  ASSERT_TRUE(file->WriteAt("AB", 12).ok());
  EXPECT_EQ(*file->Bytes(), 14U);
  EXPECT_EQ(Read(*file, 4, 2), "2345");
  EXPECT_EQ(Read(*file, 100, 8), std::string("89\0\0AB", 6));
  EXPECT_EQ(Read(*file, 100, 14), "");
  EXPECT_TRUE(file->SyncData().ok());
  std::string once(100, '?');
  EXPECT_EQ(*file->ReadOnceAt(once, 8), 6U);
  EXPECT_EQ(once.substr(0, 6), std::string("89\0\0AB", 6));
}

TEST_F(SystemEnvTest, FilesAreTheirOwnersAlone) {
  Write("a", "x");
  ASSERT_TRUE(env_.MakeDirectory(Path("d")).ok());
  struct stat facts{};
  ASSERT_EQ(::stat(Path("a").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777U, 0600U);
  ASSERT_EQ(::stat(Path("d").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777U, 0700U);
}

TEST_F(SystemEnvTest, CreatingCutsAnOldFileToNothing) {
  Write("a", "of long ago");
  EXPECT_EQ(*Write("a", "new")->Bytes(), 3U);
}

TEST_F(SystemEnvTest, OpensFromMemoryOrNotAtAll) {
  Write("a", "there");
  // Looked up a moment ago, so it is in memory; a kernel or a file system may still say no.
  const auto file = env_.TryOpenToRead(Path("a"));
  if (file != nullptr) {
    EXPECT_EQ(Read(*file, 10, 0), "there");
  }
  EXPECT_EQ(env_.TryOpenToRead(Path("never")), nullptr);
  EXPECT_EQ(env_.OpenToRead(Path("never")).status().code(), StatusCode::kNotFound);
}

TEST_F(SystemEnvTest, TriesToReadWithoutWaiting) {
  const auto file = Write("a", "0123456789");
  std::array<char, 4> first{};
  std::array<char, 4> second{};
  const std::array<iovec, 2> pieces{{{first.data(), 4}, {second.data(), 4}}};
  const ssize_t got = file->TryRead(pieces, 1);
  if (got == -EOPNOTSUPP || got == -EAGAIN) GTEST_SKIP() << "this file system always waits";
  EXPECT_EQ(got, 8);
  EXPECT_EQ(std::string(second.data(), 4), "5678");
}

TEST_F(SystemEnvTest, RenamesLinksAndUnlinks) {
  Write("a", "x");
  ASSERT_TRUE(env_.Link(Path("a"), Path("b")).ok());
  EXPECT_EQ(env_.Link(Path("a"), Path("b")).code(), StatusCode::kAlreadyExists);
  ASSERT_TRUE(env_.Rename(Path("a"), Path("c")).ok());
  EXPECT_THAT(*env_.List(folder_), UnorderedElementsAre("b", "c"));
  ASSERT_TRUE(env_.SyncDirectory(folder_).ok());
  ASSERT_TRUE(env_.Unlink(Path("b")).ok());
  EXPECT_EQ(env_.Unlink(Path("b")).code(), StatusCode::kNotFound);
  EXPECT_EQ(env_.List(Path("never")).status().code(), StatusCode::kNotFound);
}

TEST_F(SystemEnvTest, CountsTheNamesOfAFile) {
  Write("a", "bytes");
  EXPECT_EQ(env_.Links(Path("a")).value(), 1U);
  ASSERT_TRUE(env_.Link(Path("a"), Path("b")).ok());
  EXPECT_EQ(env_.Links(Path("a")).value(), 2U);
  ASSERT_TRUE(env_.Unlink(Path("a")).ok());
  EXPECT_EQ(env_.Links(Path("b")).value(), 1U);
  EXPECT_EQ(env_.Links(Path("a")).status().code(), StatusCode::kNotFound);
}

TEST_F(SystemEnvTest, MakesAndRemovesDirectories) {
  ASSERT_TRUE(env_.MakeDirectory(Path("d")).ok());
  EXPECT_EQ(env_.MakeDirectory(Path("d")).code(), StatusCode::kAlreadyExists);
  Write("d/a", "x");
  EXPECT_FALSE(env_.RemoveDirectory(Path("d")).ok()) << "it is not empty";
  ASSERT_TRUE(env_.Unlink(Path("d/a")).ok());
  EXPECT_TRUE(env_.RemoveDirectory(Path("d")).ok());
}

TEST_F(SystemEnvTest, CutsAFile) {
  const auto file = Write("a", "0123456789");
  ASSERT_TRUE(env_.CutFile(Path("a"), 4).ok());
  EXPECT_EQ(Read(*file, 100, 0), "0123");
  EXPECT_EQ(env_.CutFile(Path("never"), 4).code(), StatusCode::kNotFound);
}

TEST_F(SystemEnvTest, TellsFreeRoomAndDrawsNumbers) {
  EXPECT_GT(*env_.FreeBytes(folder_), 0U);
  EXPECT_FALSE(env_.FreeBytes(Path("never")).ok());
  EXPECT_NE(env_.Random(), env_.Random());
}

TEST_F(SystemEnvTest, OneOwnerOrManyReaders) {
  const std::string lock = Path("lock");
  EXPECT_EQ(*env_.LockToRead(lock), nullptr) << "where nothing is, nobody owns it";
  auto owner = env_.Lock(lock);
  ASSERT_TRUE(owner.ok());
  const auto second = env_.Lock(lock);
  EXPECT_EQ(second.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(second.status())),
              HasSubstr("in use by process " + std::to_string(::getpid())));
  EXPECT_EQ(env_.LockToRead(lock).status().code(), StatusCode::kFailedPrecondition);

  owner->reset();
  const auto reader = env_.LockToRead(lock);
  const auto other = env_.LockToRead(lock);
  EXPECT_TRUE(reader.ok() && *reader != nullptr && other.ok() && *other != nullptr);
  EXPECT_THAT(std::string(Message(env_.Lock(lock).status())),
              HasSubstr("in use by a command that reads it"));
}

}  // namespace
}  // namespace poplar::storage
