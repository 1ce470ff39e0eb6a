// Laying a segment out: what is there afterwards, what it leaves when it cannot, and that it rests.

#include "storage/segment/preparer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "core/base/units.h"
#include "tests/support/faulty_env.h"

namespace poplar::storage {
namespace {

using Clock = std::chrono::steady_clock;

class PreparerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = std::filesystem::temp_directory_path() / "poplar-XXXXXX";
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    layout_.env = &SystemEnv();
    layout_.directory = path;
    layout_.head.partition = 3;
    layout_.head.number = 17;
    layout_.head.salt = 42;
    layout_.head.bytes = 9 * kMiB;
  }
  void TearDown() override { std::filesystem::remove_all(layout_.directory); }

  std::vector<std::string> Files() const { return SystemEnv().List(layout_.directory).value(); }

  SegmentLayout layout_;
  std::atomic<bool> hurry_{false};
};

TEST_F(PreparerTest, AllOfItIsWritten) {
  const StatusOr<OpenSegment> segment = LayOutSegment(layout_, hurry_);
  ASSERT_TRUE(segment.ok()) << segment.status();
  EXPECT_EQ(Files(), std::vector<std::string>{"00000011.seg"});
  EXPECT_EQ(segment->file->Bytes().value(), layout_.head.bytes);
  std::string bytes(layout_.head.bytes, 'x');
  ASSERT_EQ(segment->file->ReadAt(bytes, 0).value(), bytes.size());
  const auto head = DecodeSegmentHead(std::string_view(bytes).substr(0, kBlockBytes));
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(head->number, 17U);
  EXPECT_EQ(head->salt, 42U);
  EXPECT_EQ(bytes.find_first_not_of('\0', kBlockBytes), std::string::npos);
}

// Two rests of 4 MiB each: what is left over after them is too little for one.
TEST_F(PreparerTest, RestsForEachPiece) {
  layout_.pace_us_per_mib = 25'000;
  const auto began = Clock::now();
  ASSERT_TRUE(LayOutSegment(layout_, hurry_).ok());
  EXPECT_GE(Clock::now() - began, std::chrono::microseconds(8 * 25'000));
}

// A minute a MiB: the test would not end.
TEST_F(PreparerTest, AHurryTakesNoRests) {
  layout_.pace_us_per_mib = 60'000'000;
  hurry_ = true;
  EXPECT_TRUE(LayOutSegment(layout_, hurry_).ok());
}

TEST_F(PreparerTest, WhatMustStayFreeIsLeftAlone) {
  layout_.free_bytes_floor = uint64_t{1} << 62;
  EXPECT_EQ(LayOutSegment(layout_, hurry_).status().code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(Files().empty());
}

// What may take all of the disk takes nothing where that is too little: others need it.
TEST_F(PreparerTest, WhereItDoesNotFitNothingIsWritten) {
  struct NearlyFull : FaultyEnv {
    StatusOr<uint64_t> FreeBytes(const std::string&) override { return 8 * kMiB; }
    StatusOr<std::unique_ptr<File>> CreateFile(const std::string& path) override {
      ++created;
      return FaultyEnv::CreateFile(path);
    }
    int created = 0;
  } env;
  layout_.env = &env;
  layout_.free_bytes_floor = 0;
  EXPECT_EQ(LayOutSegment(layout_, hurry_).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(env.created, 0);
  layout_.head.bytes = 8 * kMiB;
  EXPECT_TRUE(LayOutSegment(layout_, hurry_).ok());
}

// As if somebody laid one out at the same time.
TEST_F(PreparerTest, WhatOthersWereGrantedIsLeftAlone) {
  const uint64_t free_bytes = SystemEnv().FreeBytes(layout_.directory).value();
  DiskRoom room;
  layout_.disk_room = &room;
  layout_.free_bytes_floor = 1;
  const uint64_t most = free_bytes / 4 * 3;
  ASSERT_TRUE(room.Grant(SystemEnv(), layout_.directory, 0, most).ok());
  EXPECT_TRUE(LayOutSegment(layout_, hurry_).ok());
  EXPECT_EQ(room.granted_bytes(), most);
  layout_.free_bytes_floor = free_bytes / 2;
  EXPECT_EQ(LayOutSegment(layout_, hurry_).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(room.granted_bytes(), most);
}

TEST_F(PreparerTest, WhereItCannotBeMadeNothingStays) {
  std::filesystem::create_directory(layout_.directory + "/00000011.seg");
  EXPECT_FALSE(LayOutSegment(layout_, hurry_).ok());
  EXPECT_EQ(Files(), std::vector<std::string>{"00000011.seg"});
}

}  // namespace
}  // namespace poplar::storage
