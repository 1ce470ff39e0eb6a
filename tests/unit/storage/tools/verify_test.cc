#include "storage/tools/verify.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

namespace fs = std::filesystem;

class VerifyTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fixture_.Create(folder_.path(), 2).ok());
    ASSERT_TRUE(fixture_.Open(SmallStoreOptions(folder_.path())).ok());
    for (uint64_t i = 0; i < 30; ++i) fixture_.MustDeliver(0, Key("alice"), MakeMessage(i, 2000));
    OpenResult opened = fixture_.OpenMaildrop(0, Key("alice"));
    ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
    ASSERT_EQ(fixture_.Commit(0, std::move(opened.maildrop), {2, 3, 4}), CommitOutcome::kDone);
    fixture_.MustDeliver(0, Key("bob"), MakeMessage(900, 1500));
    fixture_.MustDeliver(0, Key("bob"), MakeMessage(901, 2 * kMiB));
  }

  VerifyReport Verify() {
    damages_.clear();
    VerifyOptions options;
    options.path = folder_.path();
    options.on_damage = [this](uint32_t, const Damage& damage) { damages_.push_back(damage); };
    options.on_progress = [this](const VerifyReport& so_far) {
      EXPECT_LE(so_far.segment_bytes, so_far.total_bytes);
      ++progress_;
    };
    const auto report = VerifyStore(options);
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? *report : VerifyReport();
  }

  // The first file under the store whose content holds `text`, and where.
  std::pair<fs::path, size_t> Find(const std::string& text) {
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
      if (entry.path().extension() != ".seg" && entry.path().extension() != ".blob") continue;
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
      if (const size_t at = bytes.find(text); at != std::string::npos) return {entry.path(), at};
    }
    ADD_FAILURE() << "not found";
    return {};
  }
  void Flip(const std::string& text) {
    const auto [path, at] = Find(text);
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(static_cast<std::streamoff>(at));
    const char octet = static_cast<char>(file.get() ^ 0x40);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(octet);
  }

  TemporaryFolder folder_;
  StoreFixture fixture_{1};
  std::vector<Damage> damages_;
  uint64_t progress_ = 0;
};

TEST_F(VerifyTest, ASoundStoreIsSound) {
  ASSERT_TRUE(fixture_.Close().ok());
  const VerifyReport report = Verify();
  EXPECT_EQ(report.damages, 0U);
  EXPECT_EQ(report.partitions, 2U);
  EXPECT_EQ(report.maildrops, 2U);
  EXPECT_EQ(report.messages, 29U);
  EXPECT_EQ(report.records, 33U);  // Deleted messages, and the deletion.
  EXPECT_EQ(report.blobs, 1U);
  EXPECT_EQ(report.blob_bytes, MakeMessage(901, 2 * kMiB).size());
  EXPECT_EQ(report.segment_bytes, report.total_bytes);
  EXPECT_EQ(progress_, report.segments);
  EXPECT_EQ(Verify().damages, 0U);  // It has changed nothing.
  ASSERT_TRUE(fixture_.Open(SmallStoreOptions(folder_.path())).ok());
  EXPECT_EQ(fixture_.List(0, Key("alice")).size(), 27U);
}

TEST_F(VerifyTest, ACrashIsNoDamage) {
  TemporaryFolder crashed;
  CopyOpenStore(folder_.path(), crashed.path());
  ASSERT_TRUE(fixture_.Close().ok());
  VerifyOptions options;
  options.path = crashed.path();
  const auto report = VerifyStore(options);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->damages, 0U);
  EXPECT_EQ(report->records, 33U);
}

TEST_F(VerifyTest, ADamagedMessageIsNamed) {
  ASSERT_TRUE(fixture_.Close().ok());
  Flip(MakeMessage(20, 2000).substr(0, 300));
  EXPECT_EQ(Verify().damages, 2U);
  ASSERT_EQ(damages_.size(), 2U);
  EXPECT_EQ(damages_[0].maildrop, Key("alice"));
  EXPECT_EQ(damages_[0].what, "the body of a record is damaged");
  EXPECT_EQ(damages_[1].maildrop, Key("alice"));
  EXPECT_EQ(damages_[1].id, damages_[0].id);
}

TEST_F(VerifyTest, ADamagedBlobIsNamed) {
  ASSERT_TRUE(fixture_.Close().ok());
  Flip(MakeMessage(901, 2 * kMiB).substr(kMiB, 200));
  EXPECT_EQ(Verify().damages, 1U);
  ASSERT_EQ(damages_.size(), 1U);
  EXPECT_EQ(damages_[0].maildrop, Key("bob"));
  EXPECT_EQ(damages_[0].what, "a blob is damaged");
}

TEST_F(VerifyTest, WhatIsMissingIsNamed) {
  ASSERT_TRUE(fixture_.Close().ok());
  fs::remove(Find(MakeMessage(901, 2 * kMiB).substr(kMiB, 200)).first);
  EXPECT_EQ(Verify().damages, 1U);
  fs::remove(Find(MakeMessage(0, 2000).substr(0, 300)).first);  // A segment.
  const VerifyReport report = Verify();
  EXPECT_GT(report.damages, 1U);
  EXPECT_LT(report.records, 33U);
}

TEST_F(VerifyTest, ARunningStoreIsLeftAlone) {
  VerifyOptions options;
  options.path = folder_.path();
  EXPECT_EQ(VerifyStore(options).status().code(), StatusCode::kFailedPrecondition);
  options.path += "/incoming";
  EXPECT_EQ(VerifyStore(options).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace poplar::storage
