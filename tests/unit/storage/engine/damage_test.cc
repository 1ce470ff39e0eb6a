// After a crash, and with damage: what was promised is there, what is damaged is named and costs no
// more than itself. A crash is a copy of the store's files while it runs.

#include <filesystem>
#include <fstream>
#include <iterator>

#include "storage/tools/verify.h"
#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

namespace fs = std::filesystem;

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void WriteFile(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

io::Task<Status> VerifyTask(io::Body* body, bool all) {
  io::Completion<Status> verified;
  if (all) {
    body->VerifyAll(verified);
  } else {
    body->Verify(verified);
  }
  co_return co_await verified;
}

class DamageTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fixture_.Create(folder_.path(), 1).ok());
    ASSERT_TRUE(fixture_.Open(SmallStoreOptions(folder_.path())).ok());
    for (uint64_t i = 0; i < 30; ++i) fixture_.MustDeliver(0, Key("alice"), MakeMessage(i, 2000));
    OpenResult opened = fixture_.OpenMaildrop(0, Key("alice"));
    ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
    ASSERT_EQ(fixture_.Commit(0, std::move(opened.maildrop), {2, 3, 4}), CommitOutcome::kDone);
    ASSERT_TRUE(fixture_.Remove(0, Key("bob")).ok());
    fixture_.MustDeliver(0, Key("bob"), MakeMessage(900, 1500));
    fixture_.MustDeliver(0, Key("bob"), MakeMessage(901, 2 * kMiB));
    alice_ = fixture_.List(0, Key("alice"));
    bob_ = fixture_.List(0, Key("bob"));
    ASSERT_EQ(alice_.size(), 27U);
    ASSERT_EQ(bob_.size(), 2U);
  }

  // The files as a crash would leave them now.
  void Crash() { CopyOpenStore(folder_.path(), crashed_.path()); }
  Status OpenCrashed() { return after_.Open(SmallStoreOptions(crashed_.path())); }

  // The segment or the blob that holds `text`, and where.
  std::pair<fs::path, size_t> Find(const std::string& text) {
    for (const char* folder : {"/p000/log", "/p000/blobs"}) {
      for (const auto& entry : fs::recursive_directory_iterator(crashed_.path() + folder)) {
        if (!entry.is_regular_file()) continue;
        const size_t at = ReadFile(entry.path()).find(text);
        if (at != std::string::npos) return {entry.path(), at};
      }
    }
    ADD_FAILURE() << "not found";
    return {};
  }
  void FlipAt(const fs::path& path, size_t at) {
    std::string bytes = ReadFile(path);
    bytes[at] ^= 0x40;
    WriteFile(path, bytes);
  }
  void ExpectAllThere() {
    EXPECT_EQ(after_.List(0, Key("alice")), alice_);
    EXPECT_EQ(after_.List(0, Key("bob")), bob_);
  }

  TemporaryFolder folder_;
  TemporaryFolder crashed_;
  StoreFixture fixture_{1};
  StoreFixture after_{2};
  std::vector<Listed> alice_;
  std::vector<Listed> bob_;
};

TEST_F(DamageTest, ACrashLosesNothing) {
  Crash();
  ASSERT_TRUE(OpenCrashed().ok());
  ExpectAllThere();
  EXPECT_EQ(after_.Metric("poplar_store_damages_total"), 0);
  after_.MustDeliver(0, Key("alice"), MakeMessage(77));
  EXPECT_EQ(after_.List(0, Key("alice")).size(), 28U);
}

TEST_F(DamageTest, ATornTailIsDropped) {
  fixture_.MustDeliver(0, Key("alice"), MakeMessage(555, 2500));
  Crash();
  const auto [path, at] = Find(MakeMessage(555, 2500));
  FlipAt(path, at + 700);
  ASSERT_TRUE(OpenCrashed().ok());
  ExpectAllThere();
  EXPECT_EQ(after_.Metric("poplar_store_damages_total"), 0);
}

TEST_F(DamageTest, ADamagedMessageCostsItself) {
  Crash();
  const auto [path, at] = Find(alice_[10].wire);
  FlipAt(path, at + 100);
  ASSERT_TRUE(OpenCrashed().ok());
  alice_.erase(alice_.begin() + 10);
  ExpectAllThere();
  EXPECT_EQ(after_.Metric("poplar_store_damages_total"), 1);
}

TEST_F(DamageTest, ADamagedBatchHeadCostsNothing) {
  Crash();
  const auto [path, at] = Find(alice_[10].wire);
  FlipAt(path, at / 4096 * 4096 + 20);
  ASSERT_TRUE(OpenCrashed().ok());
  ExpectAllThere();
  EXPECT_EQ(after_.Metric("poplar_store_damages_total"), 1);
}

TEST_F(DamageTest, ADamagedSegmentHeadCostsNothing) {
  Crash();
  const auto [path, at] = Find(alice_[10].wire);
  FlipAt(path, 60);
  ASSERT_TRUE(OpenCrashed().ok());
  ExpectAllThere();
  EXPECT_EQ(after_.Metric("poplar_store_damages_total"), 1);
}

TEST_F(DamageTest, ADamagedSuperblockHasACopy) {
  const std::string sound = ReadFile(folder_.path() + "/superblock");
  ASSERT_EQ(ReadFile(folder_.path() + "/superblock.copy"), sound);
  for (const char* const name : {"superblock", "superblock.copy"}) {
    Crash();
    const fs::path file = crashed_.path() + "/" + name;
    FlipAt(file, 49);  // In the placement seed: everybody would be looked for elsewhere.
    VerifyOptions verify;
    verify.path = crashed_.path();
    const auto report = VerifyStore(verify);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(report->damages, 1U);
    ASSERT_TRUE(OpenCrashed().ok());
    ExpectAllThere();
    ASSERT_TRUE(after_.Close().ok());
    EXPECT_EQ(ReadFile(file), sound);
  }
  Crash();
  for (const char* const name : {"/superblock", "/superblock.copy"}) {
    FlipAt(crashed_.path() + name, 49);
  }
  EXPECT_EQ(OpenCrashed().code(), StatusCode::kDataLoss);
}

// A restore that was cut off: what is there is no place for a new store.
TEST_F(DamageTest, AStoreWithoutASuperblockIsMadeNoNewOne) {
  Crash();
  const std::string sound = ReadFile(folder_.path() + "/superblock");
  fs::remove(crashed_.path() + "/superblock");
  auto files = ContentsOf(crashed_.path());
  EXPECT_EQ(after_.Create(crashed_.path(), 1).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(ContentsOf(crashed_.path()), files);
  VerifyOptions verify;
  verify.path = crashed_.path();
  EXPECT_EQ(VerifyStore(verify)->damages, 1U);
  ASSERT_TRUE(OpenCrashed().ok());
  ExpectAllThere();
  ASSERT_TRUE(after_.Close().ok());
  EXPECT_EQ(ReadFile(crashed_.path() + "/superblock"), sound);

  fs::remove(crashed_.path() + "/superblock");
  for (const char* const copy : {"damaged", "missing"}) {
    FlipAt(crashed_.path() + "/superblock.copy", 49);
    if (copy == std::string("missing")) fs::remove(crashed_.path() + "/superblock.copy");
    files = ContentsOf(crashed_.path());
    for (const Status& refused : {OpenCrashed(), after_.Create(crashed_.path(), 1)}) {
      EXPECT_EQ(refused.code(), StatusCode::kDataLoss) << copy;
      EXPECT_NE(Message(refused).find("put `superblock` back"), std::string::npos) << refused;
    }
    EXPECT_EQ(ContentsOf(crashed_.path()), files);
  }
  WriteFile(crashed_.path() + "/superblock", sound);
  ASSERT_TRUE(OpenCrashed().ok());
  ExpectAllThere();
}

// It holds nothing that anybody could miss.
TEST_F(DamageTest, WhatAMakingThatWasCutOffLeftIsNoStore) {
  const std::string path = crashed_.path() + "/store";
  fs::create_directories(path + "/p000/log");
  fs::create_directories(path + "/lost+found");
  WriteFile(path + "/lock", "1\n");
  WriteFile(path + "/superblock.copy.tmp", "half");
  EXPECT_EQ(after_.Open(SmallStoreOptions(path)).code(), StatusCode::kNotFound);
  ASSERT_TRUE(after_.Create(path, 1).ok());
  ASSERT_TRUE(after_.Open(SmallStoreOptions(path)).ok());
}

// One of an older build.
TEST_F(DamageTest, AStoreWithoutACopyOfTheSuperblockGetsOne) {
  Crash();
  fs::remove(crashed_.path() + "/superblock.copy");
  ASSERT_TRUE(OpenCrashed().ok());
  EXPECT_EQ(ReadFile(crashed_.path() + "/superblock.copy"),
            ReadFile(crashed_.path() + "/superblock"));
  ExpectAllThere();
}

TEST_F(DamageTest, AMissingLogIsNoEmptyPartition) {
  Crash();
  fs::rename(crashed_.path() + "/p000/log", crashed_.path() + "/away");
  const Status refused = OpenCrashed();
  EXPECT_EQ(refused.code(), StatusCode::kDataLoss);
  EXPECT_NE(Message(refused).find("its log is missing"), std::string::npos) << refused;
  EXPECT_TRUE(fs::exists(crashed_.path() + "/p000/index/data.mdb"));
  fs::rename(crashed_.path() + "/away", crashed_.path() + "/p000/log");
  ASSERT_TRUE(OpenCrashed().ok());
  ExpectAllThere();
  ASSERT_TRUE(after_.Close().ok());
  // Lost for good: as the operator's page says.
  for (const char* const part : {"/p000/log", "/p000/index", "/p000/blobs"}) {
    fs::remove_all(crashed_.path() + part);
  }
  fs::create_directory(crashed_.path() + "/p000/log");
  fs::create_directory(crashed_.path() + "/p000/blobs");
  ASSERT_TRUE(OpenCrashed().ok());
  after_.MustDeliver(0, Key("alice"), MakeMessage(1));
  EXPECT_EQ(after_.List(0, Key("alice")).size(), 1U);
}

TEST_F(DamageTest, AForeignFileInALogIsLeftAlone) {
  Crash();
  const std::string log = crashed_.path() + "/p000/log/";
  for (const char* const name : {"FFFFFFFF.seg", "+0000001.seg", "00000001.seg.old"}) {
    WriteFile(log + name, "foreign");
  }
  ASSERT_TRUE(OpenCrashed().ok());
  ExpectAllThere();
  EXPECT_EQ(after_.Metric("poplar_store_damages_total"), 0);
  EXPECT_EQ(ReadFile(log + "FFFFFFFF.seg"), "foreign");
  ASSERT_TRUE(after_.Close().ok());
  fs::create_symlink("nowhere", log + "0000ffff.seg");
  EXPECT_EQ(OpenCrashed().code(), StatusCode::kUnavailable);  // Not kNotFound: there is a store.
}

class PlacesTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fixture_.Create(path_, 2).ok());
    ASSERT_TRUE(fixture_.Open(SmallStoreOptions(path_)).ok());
    for (int i = 0; i < 8; ++i) fixture_.MustDeliver(0, User(i), MakeMessage(1, 300));
    ASSERT_TRUE(fixture_.Close().ok());
  }
  static MaildropKey User(int number) { return Key("user" + std::to_string(number)); }
  void Swap(const std::string& part) {
    fs::rename(path_ + "/p000" + part, path_ + "/aside");
    fs::rename(path_ + "/p001" + part, path_ + "/p000" + part);
    fs::rename(path_ + "/aside", path_ + "/p001" + part);
  }
  void ExpectAllThere() {
    ASSERT_TRUE(fixture_.Open(SmallStoreOptions(path_)).ok());
    for (int i = 0; i < 8; ++i) EXPECT_EQ(fixture_.List(0, User(i)).size(), 1U);
    ASSERT_TRUE(fixture_.Close().ok());
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.path() + "/store";
  StoreFixture fixture_{1};
};

// Everybody would be shown an empty mailbox.
TEST_F(PlacesTest, PartitionsThatChangedPlacesAreRefused) {
  for (const char* const part : {"", "/log"}) {
    Swap(part);
    const auto files = ContentsOf(path_);
    const Status refused = fixture_.Open(SmallStoreOptions(path_));
    EXPECT_EQ(refused.code(), StatusCode::kDataLoss);
    EXPECT_NE(Message(refused).find("partition folder p000 holds partition 1"), std::string::npos)
        << refused;
    EXPECT_EQ(ContentsOf(path_), files);
    VerifyOptions verify;
    verify.path = path_;
    EXPECT_GT(VerifyStore(verify)->damages, 0U);
    Swap(part);
    ExpectAllThere();
  }
}

// An index is made anew.
TEST_F(PlacesTest, IndexesThatChangedPlacesCostNothing) {
  Swap("/index");
  ExpectAllThere();
}

// Also where no segment stands behind what the index knows of.
TEST_F(PlacesTest, AFolderThatHoldsNoMailOfItsOwnIsNotTakenForEmpty) {
  fs::remove_all(path_ + "/p001/log");
  fs::create_directory(path_ + "/p001/log");
  Swap("");
  EXPECT_EQ(fixture_.Open(SmallStoreOptions(path_)).code(), StatusCode::kDataLoss);
}

// In the record's head, or in the message.
class DamagedRecordTest : public DamageTest, public testing::WithParamInterface<int> {};
INSTANTIATE_TEST_SUITE_P(Places, DamagedRecordTest, testing::Values(-20, 0, 1500));

TEST_P(DamagedRecordTest, IsNamedOnce) {
  const std::string wire = alice_[10].wire;
  for (const auto& entry : fs::directory_iterator(folder_.path() + "/p000/log")) {
    const std::string bytes = ReadFile(entry.path());
    const size_t at = bytes.find(wire);
    if (at == std::string::npos) continue;
    std::fstream file(entry.path(), std::ios::binary | std::ios::in | std::ios::out);
    const std::streamoff place = static_cast<std::streamoff>(at) + GetParam();
    file.seekp(place);
    file.put(static_cast<char>(bytes[static_cast<size_t>(place)] ^ 0x40));
  }
  OpenResult opened = fixture_.OpenMaildrop(0, Key("alice"));
  ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
  std::unique_ptr<io::Body> body;
  // As RETR does: all of it at once, and if that is not to be had the slower way.
  fixture_.On(0, [&] {
    body = opened.maildrop->OpenBody(MessagePosition(10));
    std::string into(wire.size(), '\0');
    EXPECT_FALSE(body->TryReadAll(into));
  });
  const auto read =
      fixture_.Run<StatusOr<std::string>>(0, [&](ShardStore*) { return ReadTask(body.get()); });
  EXPECT_EQ(read.status().code(), StatusCode::kDataLoss);
  fixture_.On(0, [&] { body.reset(); });
  EXPECT_EQ(fixture_.Metric("poplar_store_damaged_bodies_total"), 1);
  EXPECT_EQ(fixture_.Commit(0, std::move(opened.maildrop), {}), CommitOutcome::kDone);
}

TEST_F(DamageTest, WhoAsksForItHasAllOfALargeMessageChecked) {
  fixture_.MustDeliver(0, Key("bob"), MakeMessage(902, 500'000));
  fixture_.MustDeliver(0, Key("bob"), MakeMessage(903, 500'000));
  bob_ = fixture_.List(0, Key("bob"));
  ASSERT_TRUE(fixture_.Close().ok());
  Crash();
  for (const size_t message : {1, 2}) {  // In a blob, and in a segment.
    const auto [path, at] = Find(bob_[message].wire);
    EXPECT_EQ(path.extension(), message == 1 ? ".blob" : ".seg");
    FlipAt(path, at + bob_[message].wire.size() - 10);
  }
  ASSERT_TRUE(OpenCrashed().ok());
  OpenResult opened = after_.OpenMaildrop(0, Key("bob"));
  ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
  const auto verify = [&](uint32_t position, bool all) {
    std::unique_ptr<io::Body> body;
    const Status status = after_.Run<Status>(0, [&](ShardStore*) {
      body = opened.maildrop->OpenBody(MessagePosition(position));
      return VerifyTask(body.get(), all);
    });
    after_.On(0, [&] { body.reset(); });
    return status.code();
  };
  for (uint32_t position = 0; position < 4; ++position) {
    const bool sound = position == 0 || position == 3;
    EXPECT_EQ(verify(position, /*all=*/false), StatusCode::kOk) << position;
    EXPECT_EQ(verify(position, /*all=*/true), sound ? StatusCode::kOk : StatusCode::kDataLoss)
        << position;
  }
  EXPECT_EQ(after_.Metric("poplar_store_damaged_bodies_total"), 2);
  EXPECT_EQ(after_.Commit(0, std::move(opened.maildrop), {}), CommitOutcome::kDone);
}

TEST_F(DamageTest, AMissingSegmentIsNamedAndTheRestIsServed) {
  ASSERT_TRUE(fixture_.Close().ok());
  ASSERT_TRUE(fixture_.Open(SmallStoreOptions(folder_.path())).ok());
  fixture_.MustDeliver(0, Key("carol"), MakeMessage(4242, 900));  // In a segment of this run.
  ASSERT_TRUE(fixture_.Close().ok());
  Crash();
  fs::remove(Find(alice_[10].wire).first);
  ASSERT_TRUE(OpenCrashed().ok());
  EXPECT_EQ(after_.Metric("poplar_store_damages_total"), 1);
  const std::vector<Listed> carol = after_.List(0, Key("carol"));
  ASSERT_EQ(carol.size(), 1U);
  EXPECT_EQ(carol[0].wire, MakeMessage(4242, 900));
  OpenResult opened = after_.OpenMaildrop(0, Key("alice"));
  ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
  EXPECT_EQ(after_.ReadBody(0, *opened.maildrop, 10).status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(after_.Metric("poplar_store_damaged_bodies_total"), 1);
  // What cannot be read can be deleted.
  EXPECT_EQ(after_.Commit(0, std::move(opened.maildrop), {10}), CommitOutcome::kDone);
}

// Found before the message is handed out, not by the client.
TEST_P(DamagedRecordTest, BehindTheCheckpointIsFoundWhenItIsRead) {
  ASSERT_TRUE(fixture_.Close().ok());
  Crash();
  const auto [path, at] = Find(alice_[10].wire);
  FlipAt(path, at + static_cast<size_t>(GetParam()));
  ASSERT_TRUE(OpenCrashed().ok());
  OpenResult opened = after_.OpenMaildrop(0, Key("alice"));
  ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
  EXPECT_EQ(after_.ReadBody(0, *opened.maildrop, 10).status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(*after_.ReadBody(0, *opened.maildrop, 11), alice_[11].wire);
  EXPECT_EQ(after_.Commit(0, std::move(opened.maildrop), {}), CommitOutcome::kDone);
}

TEST_F(DamageTest, AMissingIndexIsRebuilt) {
  for (const bool closed : {false, true}) {
    if (closed) {
      ASSERT_TRUE(after_.Close().ok());
      ASSERT_TRUE(fixture_.Close().ok());
      fs::remove_all(crashed_.path() + "/p000");
    }
    Crash();
    fs::remove(crashed_.path() + "/p000/index/data.mdb");
    ASSERT_TRUE(OpenCrashed().ok());
    ExpectAllThere();  // Without what was deleted.
  }
}

TEST_F(DamageTest, ADamagedListIsCountedOnce) {
  ASSERT_TRUE(fixture_.Close().ok());
  Crash();
  for (const char* const account : {"alice", "bob"}) {
    DamageTotals(crashed_.path(), 0, Key(account));
  }
  ASSERT_TRUE(OpenCrashed().ok());
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(after_.OpenMaildrop(0, Key("alice")).outcome, OpenOutcome::kDamaged);
    EXPECT_EQ(after_.Metric("poplar_store_damages_total"), 1);
  }
  EXPECT_EQ(after_.OpenMaildrop(0, Key("bob")).outcome, OpenOutcome::kDamaged);
  EXPECT_EQ(after_.Metric("poplar_store_damages_total"), 2);
  ASSERT_TRUE(after_.Close().ok());
  ASSERT_TRUE(OpenCrashed().ok());
  ExpectAllThere();
}

TEST_F(DamageTest, AnUnsoundIndexIsSetAsideAndRebuilt) {
  ASSERT_TRUE(fixture_.Close().ok());
  Crash();
  const std::string index = crashed_.path() + "/p000/index/data.mdb";
  WriteFile(index, std::string(ReadFile(index).size(), 'x'));
  ASSERT_TRUE(OpenCrashed().ok());
  ExpectAllThere();
  EXPECT_TRUE(fs::exists(crashed_.path() + "/p000/index.damaged-0"));
  EXPECT_GE(after_.Metric("poplar_store_damages_total"), 1);
}

TEST_F(DamageTest, AnIndexCutShortIsSetAsideAndRebuilt) {
  ASSERT_TRUE(fixture_.Close().ok());
  Crash();
  fs::resize_file(crashed_.path() + "/p000/index/data.mdb", 3 * 4096);
  ASSERT_TRUE(OpenCrashed().ok());
  ExpectAllThere();
}

TEST_F(DamageTest, BlobsThatNoRecordNamesAreRemoved) {
  Crash();
  std::vector<fs::path> blobs;
  for (const auto& entry : fs::recursive_directory_iterator(crashed_.path() + "/p000/blobs")) {
    if (entry.is_regular_file()) blobs.push_back(entry.path());
  }
  ASSERT_EQ(blobs.size(), 1U);
  const fs::path orphan = blobs[0].parent_path() / "0000ffff.blob";
  fs::copy_file(blobs[0], orphan);
  WriteFile(crashed_.path() + "/incoming/1.tmp", "half");
  ASSERT_TRUE(OpenCrashed().ok());
  ExpectAllThere();
  EXPECT_FALSE(fs::exists(orphan));
  EXPECT_FALSE(fs::exists(crashed_.path() + "/incoming/1.tmp"));
}

// A crash during or right after a recovery, again and again.
TEST_F(DamageTest, RecoveringTwiceIsRecoveringOnce) {
  Crash();
  for (int round = 0; round < 4; ++round) {
    ASSERT_TRUE(OpenCrashed().ok());
    ExpectAllThere();
    const std::string extra = MakeMessage(3000 + round, 900);
    after_.MustDeliver(0, Key("alice"), extra);
    alice_ = after_.List(0, Key("alice"));
    TemporaryFolder next;
    CopyOpenStore(crashed_.path(), next.path());
    ASSERT_TRUE(after_.Close().ok());
    fs::remove_all(crashed_.path());
    fs::copy(next.path(), crashed_.path(), fs::copy_options::recursive);
  }
  EXPECT_EQ(alice_.size(), 31U);
}

}  // namespace
}  // namespace poplar::storage
