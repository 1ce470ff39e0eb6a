// Imported messages: UIDL, date and order are kept, and what is there is not stored twice.

#include <algorithm>
#include <filesystem>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "storage/engine/imported_uidls.h"
#include "tests/support/faulty_env.h"
#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

constexpr int64_t kReceivedUs = 1'234'567'890'123'456;
using enum DeliveryOutcome;

io::Task<DeliveryOutcome> ImportTask(ShardStore* store, MaildropKey key, std::string uidl,
                                     std::string wire) {
  DeliveryRequest request;
  request.recipients.push_back({std::move(key), {}});
  request.received_us = kReceivedUs;
  request.imported_uidl = std::move(uidl);
  const std::unique_ptr<Delivery> delivery = store->BeginDelivery(std::move(request));
  io::Completion<Status> written;
  delivery->Write(wire, written);
  const Status status = co_await written;
  if (!status.ok()) co_return kFull;
  io::Completion<std::vector<DeliveryOutcome>> done;
  delivery->Commit(FactsOf(wire), done);
  const std::vector<DeliveryOutcome> outcomes = co_await done;
  co_return outcomes[0];
}

// Imports the same message `count` times at once; the outcomes, sorted.
io::Task<std::vector<DeliveryOutcome>> ImportAtOnceTask(ShardStore* store, MaildropKey key,
                                                        std::string uidl, int count) {
  struct One {
    static io::Task<void> Run(ShardStore* on, MaildropKey key, std::string uidl,
                              std::vector<DeliveryOutcome>* outcomes, int count,
                              io::Completion<Status>* all) {
      std::string message = MakeMessage(1);
      const DeliveryOutcome outcome =
          co_await ImportTask(on, std::move(key), std::move(uidl), std::move(message));
      outcomes->push_back(outcome);
      if (outcomes->size() == static_cast<size_t>(count)) all->Set(OkStatus());
    }
  };
  std::vector<DeliveryOutcome> outcomes;
  io::Completion<Status> all;
  std::vector<io::Task<void>> tasks;
  for (int i = 0; i < count; ++i) {
    tasks.push_back(One::Run(store, key, uidl, &outcomes, count, &all));
    tasks.back().Start();
  }
  const Status ended = co_await all;
  POP_CHECK(ended.ok());
  std::sort(outcomes.begin(), outcomes.end());
  co_return outcomes;
}

class ImportTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fixture_.Create(folder_.path(), 3).ok());
    StoreOptions options = SmallStoreOptions(folder_.path());
    options.env = &env_;
    ASSERT_TRUE(fixture_.Open(options).ok());
  }

  DeliveryOutcome Import(const MaildropKey& key, const std::string& uidl, std::string wire) {
    return fixture_.Run<DeliveryOutcome>(
        1, [&](ShardStore* store) { return ImportTask(store, key, uidl, wire); });
  }

  std::vector<std::string> Uidls(const MaildropKey& key) {
    std::vector<std::string> uidls;
    for (const Listed& listed : fixture_.List(0, key)) uidls.push_back(listed.uidl);
    return uidls;
  }

  size_t Blobs() {
    size_t blobs = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) {
      blobs += entry.path().extension() == ".blob" ? 1 : 0;
    }
    return blobs;
  }

  FaultyEnv env_;
  TemporaryFolder folder_;
  StoreFixture fixture_{2};
};

TEST_F(ImportTest, UidlDateAndOrderAreKept) {
  const std::string longest(kUidlBytesMax, '~');
  EXPECT_EQ(Import(Key("alice"), longest, MakeMessage(1)), kStored);
  EXPECT_EQ(Import(Key("alice"), "!", MakeMessage(2)), kStored);
  fixture_.MustDeliver(0, Key("alice"), MakeMessage(3));
  EXPECT_EQ(Import(Key("alice"), "0000000a5f5e1001", MakeMessage(4)), kStored);
  OpenResult opened = fixture_.OpenMaildrop(0, Key("alice"));
  ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
  ASSERT_EQ(opened.maildrop->count(), 4U);
  const char* const expected[] = {longest.c_str(), "!", nullptr, "0000000a5f5e1001"};
  for (uint32_t i = 0; i < 4; ++i) {
    const MessageInfo info = opened.maildrop->Info(MessagePosition(i));
    EXPECT_EQ((info.flags & kMessageImported) != 0, expected[i] != nullptr) << i;
    if (expected[i] == nullptr) continue;
    EXPECT_EQ(info.uidl, expected[i]);
    EXPECT_EQ(info.received_us, kReceivedUs);
    EXPECT_EQ(*fixture_.ReadBody(0, *opened.maildrop, i), MakeMessage(i + 1));
  }
  EXPECT_EQ(fixture_.Commit(0, std::move(opened.maildrop), {}), CommitOutcome::kDone);
}

// From wherever, over the edges of chunks, and with mail that has a UIDL of the store's own
// between.
TEST_F(ImportTest, CopiesForListingsAreWhatEachMessageSays) {
  for (uint64_t i = 0; i < 130; ++i) {
    if (i % 7 == 0) {
      fixture_.MustDeliver(0, Key("alice"), MakeMessage(i, 100 + i));
    } else {
      const std::string uidl(1 + i % kUidlBytesMax, static_cast<char>('a' + i / kUidlBytesMax));
      EXPECT_EQ(Import(Key("alice"), uidl, MakeMessage(i, 100 + i)), kStored);
    }
  }
  OpenResult opened = fixture_.OpenMaildrop(0, Key("alice"));
  ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
  const Maildrop& maildrop = *opened.maildrop;
  ASSERT_EQ(maildrop.count(), 130U);
  for (const size_t piece : {1, 3, 32, 40, 41, 130}) {
    std::vector<uint64_t> octets(piece);
    std::vector<UidlText> uidls(piece);
    for (uint32_t first = 0; first + piece <= 130; ++first) {
      maildrop.CopyOctets(MessagePosition(first), octets);
      maildrop.CopyUidls(MessagePosition(first), uidls);
      for (uint32_t i = 0; i < piece; ++i) {
        const MessageInfo info = maildrop.Info(MessagePosition(first + i));
        ASSERT_EQ(octets[i], info.octets) << first << " + " << i;
        ASSERT_EQ(uidls[i].view(), info.uidl) << first << " + " << i;
      }
    }
  }
  EXPECT_EQ(fixture_.Commit(0, std::move(opened.maildrop), {}), CommitOutcome::kDone);
}

TEST_F(ImportTest, WhatIsThereIsLeftOutAlsoAfterARestartAndARebuild) {
  const auto import_all = [&](DeliveryOutcome expected) {
    for (uint64_t i = 0; i < 300; ++i) {
      EXPECT_EQ(Import(Key("alice"), "u" + std::to_string(i), MakeMessage(i)), expected) << i;
    }
  };
  import_all(kStored);
  const std::vector<Listed> first = fixture_.List(0, Key("alice"));
  ASSERT_EQ(first.size(), 300U);
  import_all(kAlreadyThere);
  EXPECT_EQ(fixture_.Metric("poplar_store_import_repeats_total"), 300);
  // Another's maildrop holds none of them.
  EXPECT_EQ(Import(Key("bob"), "u1", MakeMessage(1)), kStored);
  for (const bool rebuild : {false, true}) {
    ASSERT_TRUE(fixture_.Close().ok());
    for (const char* partition :
         {"/p000/index/data.mdb", "/p001/index/data.mdb", "/p002/index/data.mdb"}) {
      if (rebuild) std::filesystem::remove_all(folder_.path() + partition);
    }
    ASSERT_TRUE(fixture_.Open(SmallStoreOptions(folder_.path())).ok());
    EXPECT_EQ(fixture_.List(0, Key("alice")), first);
    import_all(kAlreadyThere);
    EXPECT_EQ(fixture_.List(0, Key("alice")), first);
  }
  EXPECT_EQ(Import(Key("alice"), "new", MakeMessage(1)), kStored);
}

TEST_F(ImportTest, ALargeMessage) {
  const std::string large = MakeMessage(9, 3 * kMiB);
  EXPECT_EQ(Import(Key("alice"), "large", large), kStored);
  EXPECT_EQ(Import(Key("alice"), "large", large), kAlreadyThere);
  EXPECT_EQ(fixture_.List(0, Key("alice")), (std::vector<Listed>{{"large", large}}));
  ASSERT_TRUE(fixture_.Close().ok());
  EXPECT_EQ(Blobs(), 1U);  // The second one's is gone.
  ASSERT_TRUE(fixture_.Open(SmallStoreOptions(folder_.path())).ok());
  EXPECT_EQ(fixture_.List(0, Key("alice")), (std::vector<Listed>{{"large", large}}));
}

TEST_F(ImportTest, UidlsOfOurOwn) {
  fixture_.MustDeliver(0, Key("alice"), MakeMessage(1));
  const std::string own = Uidls(Key("alice")).at(0);
  EXPECT_EQ(Import(Key("alice"), own, MakeMessage(1)), kAlreadyThere);
  // Moved into another maildrop it is an imported one like any other.
  EXPECT_EQ(Import(Key("bob"), own, MakeMessage(1)), kStored);
  EXPECT_EQ(Import(Key("bob"), own, MakeMessage(1)), kAlreadyThere);
  EXPECT_EQ(Uidls(Key("bob")), std::vector<std::string>{own});
  // Deleted, it may come back from a copy.
  OpenResult opened = fixture_.OpenMaildrop(0, Key("alice"));
  EXPECT_EQ(fixture_.Commit(0, std::move(opened.maildrop), {0}), CommitOutcome::kDone);
  EXPECT_EQ(Import(Key("alice"), own, MakeMessage(1)), kStored);
  EXPECT_EQ(Import(Key("alice"), own, MakeMessage(1)), kAlreadyThere);
  EXPECT_EQ(Uidls(Key("alice")), std::vector<std::string>{own});
}

TEST_F(ImportTest, WhatWasDeletedOrRemovedMeanwhileIsNotThere) {
  EXPECT_EQ(Import(Key("alice"), "a", MakeMessage(1)), kStored);
  EXPECT_EQ(Import(Key("alice"), "b", MakeMessage(2)), kStored);
  OpenResult opened = fixture_.OpenMaildrop(0, Key("alice"));
  EXPECT_EQ(fixture_.Commit(0, std::move(opened.maildrop), {0}), CommitOutcome::kDone);
  EXPECT_EQ(Import(Key("alice"), "a", MakeMessage(1)), kStored);
  EXPECT_EQ(Uidls(Key("alice")), (std::vector<std::string>{"b", "a"}));
  ASSERT_TRUE(fixture_.Remove(0, Key("alice")).ok());
  EXPECT_EQ(Import(Key("alice"), "b", MakeMessage(2)), kStored);
  EXPECT_EQ(Uidls(Key("alice")), std::vector<std::string>{"b"});
}

TEST_F(ImportTest, TheSameAtTheSameTimeIsStoredOnce) {
  for (int round = 0; round < 20; ++round) {
    const std::string uidl = "round" + std::to_string(round);
    const auto outcomes = fixture_.Run<std::vector<DeliveryOutcome>>(
        round % 2, [&](ShardStore* store) { return ImportAtOnceTask(store, Key("a"), uidl, 9); });
    std::vector<DeliveryOutcome> expected(9, kAlreadyThere);
    expected[0] = kStored;
    EXPECT_EQ(outcomes, expected);
  }
  EXPECT_EQ(fixture_.List(0, Key("a")).size(), 20U);
}

TEST_F(ImportTest, AFailedFlushLeavesTheUidlFree) {
  env_.failing_flushes = 1;
  const auto import_at_once = [&] {
    return fixture_.Run<std::vector<DeliveryOutcome>>(
        0, [&](ShardStore* store) { return ImportAtOnceTask(store, Key("a"), "u", 3); });
  };
  EXPECT_EQ(import_at_once(), std::vector<DeliveryOutcome>(3, kTemporary));
  EXPECT_EQ(import_at_once(),
            (std::vector<DeliveryOutcome>{kStored, kAlreadyThere, kAlreadyThere}));
  EXPECT_EQ(Uidls(Key("a")), std::vector<std::string>{"u"});
}

class NobodysClaim final : public ImportedUidls::Claim {
  void Decided(bool) override {}
};

TEST(ImportedUidlsTest, SetsGoWhenTheyAreIdleOrTooMany) {
  ImportedUidls uidls({}, 0);
  NobodysClaim claim;
  const MessageList empty;
  EXPECT_EQ(uidls.Ask("arriving", empty, "x", claim, 0), ImportedUidls::Answer::kFree);
  for (uint64_t i = 0; i < 1000; ++i) {
    const std::string maildrop = "m" + std::to_string(i);
    ASSERT_EQ(uidls.Ask(maildrop, empty, "x", claim, i), ImportedUidls::Answer::kFree);
    uidls.Settle(maildrop, "x", MessageId(1));
  }
  EXPECT_LE(uidls.sets(), 257U);
  EXPECT_EQ(uidls.Ask("arriving", empty, "x", claim, 1000), ImportedUidls::Answer::kArriving);
  uidls.DropIdle(60'000'000);
  EXPECT_EQ(uidls.sets(), 1U);  // A message is on its way.
  uidls.Settle("arriving", "x", std::nullopt);
  uidls.DropIdle(60'000'000);
  EXPECT_EQ(uidls.sets(), 0U);
}

}  // namespace
}  // namespace poplar::storage
