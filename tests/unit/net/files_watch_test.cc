#include "core/net/files_watch.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "core/base/clock.h"

namespace poplar::net {
namespace {

namespace fs = std::filesystem;

// A clock that is so far ahead of what dates files.
class ShiftedClock : public base::Clock {
 public:
  explicit ShiftedClock(int64_t ahead_us) : ahead_us_(ahead_us) {}
  uint64_t MonotonicUs() const override { return base::SystemClock().MonotonicUs(); }
  int64_t WallUs() const override { return base::SystemClock().WallUs() + ahead_us_; }

 private:
  const int64_t ahead_us_;
};

class FilesWatchTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder_);
    Write(folder_ / "key", "one");
  }
  void TearDown() override { fs::remove_all(folder_); }

  static void Write(const fs::path& path, const std::string& text) {
    std::ofstream(path, std::ios::trunc) << text;
  }
  FilesWatch Watch(const base::Clock& clock) const { return {clock, {folder_ / "key"}}; }

  const fs::path folder_ =
      fs::path(testing::TempDir()) / ("files_watch_" + std::to_string(getpid()));
  const ShiftedClock later_{10'000'000};
};

TEST_F(FilesWatchTest, WhatStaysIsUnchanged) {
  const FilesWatch watch = Watch(later_);
  EXPECT_FALSE(watch.Changed());
  EXPECT_FALSE(watch.Changed());
}

TEST_F(FilesWatchTest, WritingIsAChange) {
  const FilesWatch watch = Watch(later_);
  Write(folder_ / "key", "other");
  EXPECT_TRUE(watch.Changed());
  EXPECT_FALSE(Watch(later_).Changed());
}

TEST_F(FilesWatchTest, AnotherFileByRenameIsAChange) {
  Write(folder_ / "new", "two");
  const FilesWatch watch = Watch(later_);
  fs::rename(folder_ / "new", folder_ / "key");
  EXPECT_TRUE(watch.Changed());
}

TEST_F(FilesWatchTest, SoIsALinkThatLeadsElsewhere) {
  fs::create_directories(folder_ / "of-today");
  fs::create_directories(folder_ / "of-tomorrow");
  Write(folder_ / "of-today" / "tls.key", "one");
  Write(folder_ / "of-tomorrow" / "tls.key", "two");
  fs::create_directory_symlink("of-today", folder_ / "data");
  fs::create_symlink("data/tls.key", folder_ / "tls.key");
  const FilesWatch watch(later_, {folder_ / "tls.key"});
  EXPECT_FALSE(watch.Changed());
  fs::create_directory_symlink("of-tomorrow", folder_ / "data.new");
  fs::rename(folder_ / "data.new", folder_ / "data");
  EXPECT_TRUE(watch.Changed());
}

TEST_F(FilesWatchTest, SoIsOneThatGoesOrComes) {
  const FilesWatch there = Watch(later_);
  fs::remove(folder_ / "key");
  EXPECT_TRUE(there.Changed());
  const FilesWatch gone = Watch(later_);
  EXPECT_FALSE(gone.Changed());
  Write(folder_ / "key", "one");
  EXPECT_TRUE(gone.Changed());
}

TEST_F(FilesWatchTest, WhatChangedAMomentAgoIsLookedAtOnceMore) {
  const ShiftedClock now(0);
  EXPECT_TRUE(Watch(now).Changed());
}

}  // namespace
}  // namespace poplar::net
