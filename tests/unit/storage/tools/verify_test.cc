#include "storage/tools/verify.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "storage/engine/layout.h"
#include "storage/index/index.h"
#include "tests/unit/storage/segment/segment_builder.h"
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
    share_ = 0;
    options.on_progress = [this](const VerifyProgress& progress) {
      EXPECT_LE(progress.bytes_read, progress.bytes_total);
      EXPECT_GE(progress.share(), share_);
      share_ = progress.share();
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
  double share_ = 0;
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
  EXPECT_GT(report.segment_bytes, 0U);
  EXPECT_EQ(share_, 1);
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
  // Of what no checkpoint has written, too.
  EXPECT_EQ(report->messages, 29U);
  EXPECT_EQ(report->maildrops, 2U);
}

// Each once, be it in a list, behind the checkpoint or both; those that hold none are not counted.
TEST_F(VerifyTest, MaildropsAreThoseThatHoldMessages) {
  ASSERT_TRUE(fixture_.Close().ok());
  ASSERT_TRUE(fixture_.Open(SmallStoreOptions(folder_.path())).ok());
  fixture_.MustDeliver(0, Key("alice"), MakeMessage(950, 1500));
  fixture_.MustDeliver(0, Key("carol"), MakeMessage(951, 1500));
  fixture_.MustDeliver(0, Key("dave"), MakeMessage(952, 1500));
  for (const auto& [name, all] :
       {std::pair<const char*, std::vector<uint32_t>>{"bob", {0, 1}}, {"dave", {0}}}) {
    OpenResult opened = fixture_.OpenMaildrop(0, Key(name));
    ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
    ASSERT_EQ(fixture_.Commit(0, std::move(opened.maildrop), all), CommitOutcome::kDone);
  }
  TemporaryFolder crashed;
  CopyOpenStore(folder_.path(), crashed.path());
  ASSERT_TRUE(fixture_.Close().ok());
  for (const std::string& path : {crashed.path(), folder_.path()}) {
    VerifyOptions options;
    options.path = path;
    const auto report = VerifyStore(options);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(report->damages, 0U);
    EXPECT_EQ(report->messages, 29U);
    EXPECT_EQ(report->maildrops, 2U);  // Alice's and Carol's.
  }
}

TEST_F(VerifyTest, ChangesNoFile) {
  TemporaryFolder crashed;
  CopyOpenStore(folder_.path(), crashed.path());
  const auto before = ContentsOf(crashed.path());
  VerifyOptions options;
  options.path = crashed.path();
  ASSERT_TRUE(VerifyStore(options).ok());
  EXPECT_TRUE(ContentsOf(crashed.path()) == before);
}

TEST_F(VerifyTest, AStoreThatNeverServedIsSound) {
  TemporaryFolder fresh;
  ASSERT_TRUE(fixture_.Create(fresh.path(), 3).ok());
  const auto before = ContentsOf(fresh.path());
  VerifyOptions options;
  options.path = fresh.path();
  const auto report = VerifyStore(options);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->damages, 0U);
  EXPECT_EQ(report->partitions, 3U);
  EXPECT_TRUE(ContentsOf(fresh.path()) == before);
}

// The blob goes before the index knows that its message was deleted.
TEST_F(VerifyTest, ABlobThatTheLogDeletesIsNotMissed) {
  ASSERT_TRUE(fixture_.Close().ok());
  ASSERT_TRUE(fixture_.Open(SmallStoreOptions(folder_.path())).ok());
  const std::string blob = Find(MakeMessage(901, 2 * kMiB).substr(kMiB, 200)).first;
  OpenResult opened = fixture_.OpenMaildrop(0, Key("bob"));
  ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
  ASSERT_EQ(fixture_.Commit(0, std::move(opened.maildrop), {1}), CommitOutcome::kDone);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (fs::exists(blob) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ASSERT_FALSE(fs::exists(blob));
  TemporaryFolder crashed;
  CopyOpenStore(folder_.path(), crashed.path());
  VerifyOptions options;
  options.path = crashed.path();
  const auto report = VerifyStore(options);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->damages, 0U);
  EXPECT_EQ(report->messages, 28U);
  EXPECT_EQ(report->blobs, 0U);
}

// Behind the checkpoint a message is known by its record alone.
TEST_F(VerifyTest, ADamagedBlobBehindTheCheckpointIsNamed) {
  TemporaryFolder crashed;
  CopyOpenStore(folder_.path(), crashed.path());
  ASSERT_TRUE(fixture_.Close().ok());
  fs::remove_all(folder_.path());
  fs::copy(crashed.path(), folder_.path(), fs::copy_options::recursive);
  EXPECT_EQ(Verify().messages, 29U);
  Flip(MakeMessage(901, 2 * kMiB).substr(kMiB, 200));
  EXPECT_EQ(Verify().damages, 1U);
  ASSERT_EQ(damages_.size(), 1U);
  EXPECT_EQ(damages_[0].maildrop, Key("bob"));
}

TEST_F(VerifyTest, AnIndexThatSaysSomethingElseIsNamed) {
  ASSERT_TRUE(fixture_.Close().ok());
  // A list that no record bears out, and a count that no list does.
  const auto superblock = ReadSuperblock(SystemEnv(), folder_.path());
  ASSERT_TRUE(superblock.ok());
  const uint32_t partition = PlacePartition(*superblock, Key("alice"));
  {
    auto index = Index::Open({PartitionDirectory(folder_.path(), partition) + "/index", kGiB});
    ASSERT_TRUE(index.ok()) << index.status();
    const auto list = (*index)->Load(EncodeMaildropKey(Key("alice")));
    ASSERT_TRUE(list.ok());
    uint32_t hint = 0;
    MessageEntry entry = (*list)->At(0, hint);
    entry.id = MessageId(entry.id.value() + 1'000'000);
    entry.octets += 1;
    Checkpoint checkpoint;
    MaildropChange change;
    change.key = EncodeMaildropKey(Key("alice"));
    change.appended.entries.push_back(entry);
    checkpoint.maildrops.push_back(std::move(change));
    checkpoint.blobs[entry.id] = BlobId(77);
    ASSERT_TRUE((*index)->Write(checkpoint).ok());
  }
  EXPECT_EQ(Verify().damages, 5U);
  std::string told;
  for (const Damage& damage : damages_) told += damage.what + "\n";
  EXPECT_NE(told.find("two messages of lists stand in one place"), std::string::npos) << told;
  EXPECT_NE(told.find("living octets, its lists"), std::string::npos) << told;
  EXPECT_NE(told.find("the index knows "), std::string::npos) << told;
  EXPECT_NE(told.find("what a tenant has"), std::string::npos) << told;
  EXPECT_NE(told.find("a record is not what the index says"), std::string::npos) << told;
}

TEST_F(VerifyTest, AnIndexThatIsGoneIsNoDamage) {
  ASSERT_TRUE(fixture_.Close().ok());
  for (const char* partition : {"/p000/index", "/p001/index"}) {
    fs::remove_all(folder_.path() + partition);
  }
  const VerifyReport report = Verify();
  EXPECT_EQ(report.damages, 0U);
  EXPECT_EQ(report.messages, 29U);
  EXPECT_EQ(report.blobs, 1U);
}

// The record is damaged and the list's message is not met, but that is one damage.
TEST_F(VerifyTest, ADamagedMessageIsNamedOnce) {
  ASSERT_TRUE(fixture_.Close().ok());
  Flip(MakeMessage(20, 2000).substr(0, 300));
  EXPECT_EQ(Verify().damages, 1U);
  ASSERT_EQ(damages_.size(), 1U);
  EXPECT_EQ(damages_[0].maildrop, Key("alice"));
  EXPECT_EQ(damages_[0].what, "the body of a record is damaged");
  EXPECT_NE(damages_[0].id, MessageId(0));
  // In another's head, in front of the body.
  Flip("alice" + MakeMessage(10, 2000).substr(0, 300));
  EXPECT_EQ(Verify().damages, 2U);
  ASSERT_EQ(damages_.size(), 2U);
  EXPECT_EQ(damages_[0].maildrop, Key("alice"));
  EXPECT_EQ(damages_[0].what, "the head of a record is damaged");
  EXPECT_LT(damages_[0].id, damages_[1].id);
  // What no list names: message 2 was deleted.
  Flip(MakeMessage(2, 2000).substr(0, 300));
  EXPECT_EQ(Verify().damages, 3U);
}

// Compaction carries the record of a removal forward, behind a later one.
TEST(VerifyRemovalTest, AnEarlierRemovalBehindALaterOneSaysNothingNew) {
  TemporaryFolder folder;
  CreateOptions create;
  create.partitions = 1;
  ASSERT_TRUE(CreateStore(folder.path(), create).ok());
  const auto superblock = ReadSuperblock(SystemEnv(), folder.path());
  ASSERT_TRUE(superblock.ok());
  Record message, later, earlier;
  message.kind = RecordKind::kAddRef;
  message.id = MessageId(5);
  message.reference = 77;  // Its blob went with it.
  message.wire_bytes = 100;
  later.kind = earlier.kind = RecordKind::kRemove;
  later.body_checksum = earlier.body_checksum = Checksum({});
  later.id = MessageId(6);
  earlier.id = MessageId(3);
  earlier.flags = kRecordCarried;
  earlier.moved_from = Lsn(1, kFirstBatchOffset);
  for (Record* record : {&message, &later, &earlier}) {
    record->tenant = TenantId(1);
    record->account = "alice";
  }
  constexpr uint64_t kSalt = 4711;
  SegmentHead head;
  head.store_id = superblock->store_id;
  head.epoch = 1;
  SegmentBuilder segment(2, kSalt, 64 * kKiB, head);
  ASSERT_TRUE(segment.AddRecords({message}));
  ASSERT_TRUE(segment.AddRecords({later}));
  ASSERT_TRUE(segment.AddRecords({earlier}));
  std::ofstream(folder.path() + "/p000/log/00000002.seg", std::ios::binary) << segment.bytes();
  VerifyOptions options;
  options.path = folder.path();
  const auto report = VerifyStore(options);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->records, 3U);
  EXPECT_EQ(report->messages, 0U);
  EXPECT_EQ(report->damages, 0U);
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
  ASSERT_TRUE(fixture_.Close().ok());
  // Readers bear each other, but not an owner.
  const auto reader = SystemEnv().LockToRead(folder_.path() + "/lock");
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_TRUE(VerifyStore(options).ok());
  const Status refused = fixture_.Open(SmallStoreOptions(folder_.path()));
  EXPECT_NE(Message(refused).find("in use by a command that reads it"), std::string::npos)
      << refused;
  options.path += "/incoming";
  EXPECT_EQ(VerifyStore(options).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace poplar::storage
