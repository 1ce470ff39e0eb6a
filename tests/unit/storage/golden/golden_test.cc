// Stores that released versions wrote stay readable, and what a later version wrote is refused
// with a sentence and left as it is.

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "storage/index/index.h"
#include "storage/tools/rebuild.h"
#include "storage/tools/verify.h"
#include "tests/unit/storage/golden/golden_listing.h"

namespace poplar::storage {
namespace {

namespace fs = std::filesystem;

class GoldenTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const std::string golden = POPLAR_GOLDEN "/" + GetParam();
    const std::string unpack = "tar -xJf '" + golden + "/store.tar.xz' -C '" + folder_.path() + "'";
    ASSERT_EQ(std::system(unpack.c_str()), 0) << unpack;
    std::ifstream in(golden + "/expected.txt");
    expected_ = {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    ASSERT_NE(expected_, "");
    const auto lines = static_cast<uint64_t>(std::ranges::count(expected_, '\n'));
    for (size_t at = 0; (at = expected_.find("kept ", at)) != std::string::npos; ++at) ++kept_;
    messages_ = lines - kept_;
  }

  std::string Path() const { return folder_.path() + "/store"; }

  // Without what LMDB and the lock keep for processes.
  std::map<std::string, std::string> Contents() {
    std::map<std::string, std::string> contents = ContentsOf(Path());
    std::erase_if(contents, [](const auto& file) {
      return file.first.ends_with("/lock.mdb") || file.first == "lock";
    });
    return contents;
  }

  // With `in_log`, what is refused is not the index alone, which could be made anew.
  void ExpectRefused(const std::string& why, bool in_log = true) {
    const auto before = Contents();
    const Status refused = fixture_.Open(GoldenOptions(Path()));
    EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition) << refused;
    EXPECT_NE(Message(refused).find(why), std::string::npos) << refused;
    VerifyOptions verify;
    verify.path = Path();
    EXPECT_EQ(VerifyStore(verify).status().code(), StatusCode::kFailedPrecondition);
    RebuildOptions rebuild;
    rebuild.path = Path();
    rebuild.index_map_bytes = kGiB;
    if (in_log) {
      EXPECT_EQ(RebuildIndexes(rebuild).status().code(), StatusCode::kFailedPrecondition);
    }
    EXPECT_TRUE(Contents() == before);
    if (!in_log) {
      EXPECT_TRUE(RebuildIndexes(rebuild).ok());
    }
  }

  // Brings it to this version's form.
  void Upgrade() {
    ASSERT_TRUE(fixture_.Open(GoldenOptions(Path())).ok());
    ASSERT_TRUE(fixture_.Close().ok());
  }

  TemporaryFolder folder_;
  std::string expected_;
  uint64_t messages_ = 0;
  uint64_t kept_ = 0;
  StoreFixture fixture_{2};
};

// Sets a 32-bit field of every structure with this magic, behind its magic, and its checksum, which
// stands before the magic and covers `bytes`.
void Patch(const fs::path& path, const std::string& magic, size_t bytes, size_t field,
           uint32_t value) {
  std::ifstream in(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  size_t patched = 0;
  for (size_t at = content.find(magic); at != std::string::npos; at = content.find(magic, at + 1)) {
    std::memcpy(&content[at - 8 + field], &value, sizeof value);
    const uint64_t sum = Checksum(std::string_view(content).substr(at, bytes - 8));
    std::memcpy(&content[at - 8], &sum, sizeof sum);
    ++patched;
  }
  ASSERT_GE(patched, 1U) << path;
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

TEST_P(GoldenTest, HoldsWhatItHeld) {
  const auto before = Contents();
  VerifyOptions verify;
  verify.path = Path();
  const auto report = VerifyStore(verify);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->damages, 0U);
  EXPECT_EQ(report->messages, messages_);
  EXPECT_EQ(report->kept_messages, kept_);
  EXPECT_TRUE(Contents() == before);
  ASSERT_TRUE(fixture_.Open(GoldenOptions(Path())).ok());
  EXPECT_EQ(GoldenListing(fixture_), expected_);
  EXPECT_EQ(fixture_.Metric("poplar_store_damages_total"), 0);
  fixture_.MustDeliver(0, Key("alice"), MakeMessage(1));
  ASSERT_TRUE(fixture_.Close().ok());
  EXPECT_EQ(VerifyStore(verify)->damages, 0U);
}

TEST_P(GoldenTest, ItsIndexCanBeMadeFromItsLog) {
  RebuildOptions rebuild;
  rebuild.path = Path();
  rebuild.index_map_bytes = kGiB;
  const auto rebuilt = RebuildIndexes(rebuild);
  ASSERT_TRUE(rebuilt.ok()) << rebuilt.status();
  ASSERT_TRUE(fixture_.Open(GoldenOptions(Path())).ok());
  EXPECT_EQ(GoldenListing(fixture_), expected_);
}

TEST_P(GoldenTest, WhatItKeptComesBack) {
  ASSERT_TRUE(fixture_.Open(GoldenOptions(Path())).ok());
  uint64_t undeleted = 0;
  for (const MaildropKey& key : GoldenMaildrops()) {
    const auto result = fixture_.Run<UndeleteResult>(
        0, [&](ShardStore* store) { return UndeleteTask(store, key, {}); });
    ASSERT_TRUE(result.why.ok()) << result.why;
    undeleted += result.messages;
  }
  EXPECT_EQ(undeleted, kept_);
  const std::string listing = GoldenListing(fixture_);
  EXPECT_EQ(listing.find("kept "), std::string::npos);
  EXPECT_EQ(static_cast<uint64_t>(std::ranges::count(listing, '\n')), messages_ + kept_);
  EXPECT_EQ(fixture_.Metric("poplar_store_damaged_bodies_total"), 0);
}

INSTANTIATE_TEST_SUITE_P(Versions, GoldenTest, testing::Values("v1", "v1-index2"));

using GoldenIndexTest = GoldenTest;

// One of version 1 is made anew; this one is read.
TEST_P(GoldenIndexTest, IsReadAsItIs) {
  for (const char* partition : {"/p000", "/p001"}) {
    const auto index = Index::OpenToRead({Path() + partition + "/index", kGiB, nullptr});
    ASSERT_TRUE(index.ok()) << index.status();
    const auto meta = (*index)->ReadMeta();
    ASSERT_TRUE(meta.ok()) << meta.status();
    ASSERT_TRUE(meta->has_value());
    EXPECT_GT((*meta)->checkpoint, Lsn());
    EXPECT_FALSE((*index)->ReadTenants().value().empty());
    uint64_t read_bytes = 0;
    EXPECT_TRUE((*index)->Check(read_bytes).ok());
    EXPECT_GT(read_bytes, 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, GoldenIndexTest, testing::Values("v1-index2"));

class LaterVersionTest : public GoldenTest {
 protected:
  static constexpr size_t kVersion = 16;
  static constexpr uint32_t kNext = kFormatVersion + 1;
  static constexpr uint32_t kFeature = 0x80;

  // One in the last partition: the others must not be touched either.
  fs::path LastSegment() {
    fs::path last;
    for (const auto& entry : fs::directory_iterator(Path() + "/p001/log")) {
      if (entry.path().extension() == ".seg" && entry.path() > last) last = entry.path();
    }
    return last;
  }
  std::string VersionSentence(const std::string& what, uint32_t known = kFormatVersion) {
    return what + ": format version " + std::to_string(known + 1) + ", this build reads version " +
           std::to_string(known) + "; run the build that wrote it, or a newer one";
  }
  static std::string FeatureSentence(const std::string& what) {
    return what + ": uses features (bits 128) that this build does not know";
  }
};

TEST_P(LaterVersionTest, OfTheSuperblockIsRefused) {
  Patch(Path() + "/superblock", "POPLSTOR", kBlockBytes, kVersion, kNext);
  ExpectRefused(VersionSentence("superblock"));
}
TEST_P(LaterVersionTest, FeatureOfTheSuperblockIsRefused) {
  Patch(Path() + "/superblock", "POPLSTOR", kBlockBytes, 24, kFeature);
  ExpectRefused(FeatureSentence("superblock"));
}
TEST_P(LaterVersionTest, OfASegmentIsRefused) {
  Patch(LastSegment(), "POPLSEGM", kBlockBytes, kVersion, kNext);
  ExpectRefused(VersionSentence("segment"));
}
TEST_P(LaterVersionTest, FeatureOfASegmentIsRefused) {
  Patch(LastSegment(), "POPLSEGM", kBlockBytes, 24, kFeature);
  ExpectRefused(FeatureSentence("segment"));
}
TEST_P(LaterVersionTest, OfAnIndexIsRefused) {
  Upgrade();
  Patch(Path() + "/p001/index/data.mdb", "POPLINDX", 80, kVersion, kIndexVersion + 1);
  ExpectRefused(VersionSentence("index", kIndexVersion), false);
}
TEST_P(LaterVersionTest, FeatureOfAnIndexIsRefused) {
  Upgrade();
  Patch(Path() + "/p001/index/data.mdb", "POPLINDX", 80, 20, kFeature);
  ExpectRefused(FeatureSentence("index"), false);
}
// What an older reader may ignore.
TEST_P(LaterVersionTest, CompatibleFeaturesAreIgnored) {
  Patch(Path() + "/superblock", "POPLSTOR", kBlockBytes, 20, kFeature);
  Patch(LastSegment(), "POPLSEGM", kBlockBytes, 20, kFeature);
  ASSERT_TRUE(fixture_.Open(GoldenOptions(Path())).ok());
  EXPECT_EQ(GoldenListing(fixture_), expected_);
}

INSTANTIATE_TEST_SUITE_P(Versions, LaterVersionTest, testing::Values("v1", "v1-index2"));

}  // namespace
}  // namespace poplar::storage
