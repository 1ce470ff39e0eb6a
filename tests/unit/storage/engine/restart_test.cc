// Restarts in order: everything is there again, with the same UIDLs, under any number of shards.

#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

std::string User(uint64_t i) { return "user" + std::to_string(i); }

TEST(RestartTest, AnotherNumberOfShards) {
  TemporaryFolder folder;
  std::vector<std::vector<Listed>> expected(10);
  for (uint32_t shards : {2U, 1U, 3U}) {
    StoreFixture fixture(shards);
    if (shards == 2) {
      ASSERT_TRUE(fixture.Create(folder.path(), 4).ok());
    }
    ASSERT_TRUE(fixture.Open(SmallStoreOptions(folder.path())).ok());
    for (uint64_t u = 0; u < expected.size(); ++u) {
      EXPECT_EQ(fixture.List(0, Key(User(u))), expected[u]);
      for (uint64_t i = 0; i < 50; ++i) {
        fixture.MustDeliver(i % shards, Key(User(u)), MakeMessage(u * 1000 + i, 300));
      }
      OpenResult opened = fixture.OpenMaildrop(shards - 1, Key(User(u)));
      ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
      EXPECT_EQ(fixture.Commit(shards - 1, std::move(opened.maildrop), {0, 5, 7}),
                CommitOutcome::kDone);
      expected[u] = fixture.List(0, Key(User(u)));
      EXPECT_EQ(expected[u].size(), 47 + (shards == 1 ? 47U : shards == 3 ? 94U : 0U));
    }
    ASSERT_TRUE(fixture.Close().ok());
  }
}

TEST(RestartTest, CheckpointsUnderLoad) {
  TemporaryFolder folder;
  StoreFixture fixture(2);
  ASSERT_TRUE(fixture.Create(folder.path(), 2).ok());
  StoreOptions options = SmallStoreOptions(folder.path());
  options.checkpoint_changes = 20;
  options.list_cache_bytes = 2;  // Nothing stays longer than it must.
  ASSERT_TRUE(fixture.Open(options).ok());
  std::vector<std::vector<Listed>> expected(8);
  for (uint64_t i = 0; i < 800; ++i) {
    fixture.MustDeliver(i % 2, Key(User(i % 8)), MakeMessage(i, 500));
    if (i % 50 == 49) {
      OpenResult opened = fixture.OpenMaildrop(0, Key(User(i % 8)));
      ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
      ASSERT_EQ(fixture.Commit(0, std::move(opened.maildrop), {1}), CommitOutcome::kDone);
    }
  }
  for (uint64_t u = 0; u < 8; ++u) expected[u] = fixture.List(1, Key(User(u)));
  EXPECT_GE(fixture.Metric("poplar_store_checkpoints_total"), 10);
  ASSERT_TRUE(fixture.Close().ok());
  ASSERT_TRUE(fixture.Open(options).ok());
  size_t messages = 0;
  for (uint64_t u = 0; u < 8; ++u) {
    EXPECT_EQ(fixture.List(0, Key(User(u))), expected[u]);
    messages += expected[u].size();
  }
  EXPECT_EQ(messages, 800U - 16U);
}

TEST(RestartTest, OneProcessAStore) {
  TemporaryFolder folder;
  StoreFixture first(1);
  ASSERT_TRUE(first.Create(folder.path(), 1).ok());
  EXPECT_EQ(first.Create(folder.path(), 1).code(), StatusCode::kAlreadyExists);
  ASSERT_TRUE(first.Open(SmallStoreOptions(folder.path())).ok());
  StoreFixture second(1);
  const Status status = second.Open(SmallStoreOptions(folder.path()));
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(Message(status).find("in use by process " + std::to_string(getpid())),
            std::string_view::npos);
  ASSERT_TRUE(first.Close().ok());
  EXPECT_TRUE(second.Open(SmallStoreOptions(folder.path())).ok());
}

TEST(RestartTest, AFolderWithoutAStore) {
  TemporaryFolder folder;
  StoreFixture fixture(1);
  EXPECT_EQ(fixture.Open(SmallStoreOptions(folder.path())).code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace poplar::storage
