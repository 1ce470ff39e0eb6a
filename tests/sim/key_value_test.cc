// What the index asks of the engine under it, of LMDB as of its model: so that what is proven on
// the model holds for the real one.

#include "storage/index/key_value.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/sim_index.h"
#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

using Access = KeyValueStore::Access;
using Pairs = std::vector<std::pair<std::string, std::string>>;

// An engine and a folder to use it in.
class Bench {
 public:
  virtual ~Bench() = default;
  virtual KeyValueEngine& engine() = 0;
  virtual std::string directory() = 0;
  // The next commits fail, each maybe so that the store is broken.
  virtual void FailCommits() = 0;
  // The disk is well again.
  virtual void Heal() {}
};

class RealBench final : public Bench {
 public:
  KeyValueEngine& engine() override { return Lmdb(); }
  std::string directory() override { return folder_.path(); }
  void FailCommits() override { BreakIndexHead(directory()); }

 private:
  TemporaryFolder folder_;
};

class ModelBench final : public Bench {
 public:
  ModelBench() { EXPECT_TRUE(disk_.MakeDirectory("/index").ok()); }
  KeyValueEngine& engine() override { return engine_; }
  std::string directory() override { return "/index"; }
  void FailCommits() override { disk_.Fail({.calls = sim::Bit(sim::DiskCall::kSync)}); }
  void Heal() override { disk_.Heal(); }

 private:
  sim::Dice dice_{5};
  sim::Trace trace_{false};
  sim::SimDisk disk_{{}, &dice_, &trace_};
  sim::SimIndexEngine engine_{&disk_, &dice_};
};

template <class Kind>
class KeyValueTest : public testing::Test {
 protected:
  void SetUp() override { Open(); }
  void Open() {
    store_.reset();
    auto opened = bench_.engine().Open(bench_.directory(), 64 * kMiB);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = std::move(*opened);
  }

  std::unique_ptr<KeyValueTransaction> Begin(Access access) {
    auto transaction = store_->Begin(access);
    EXPECT_TRUE(transaction.ok()) << transaction.status();
    return std::move(*transaction);
  }
  void Put(const Pairs& pairs) {
    const auto transaction = Begin(Access::kChange);
    for (const auto& [key, value] : pairs) {
      ASSERT_TRUE(transaction->Put(Database::kChunks, key, value).ok());
    }
    ASSERT_TRUE(transaction->Commit().ok());
  }
  static Pairs All(KeyValueTransaction& transaction, std::string_view prefix = {}) {
    Pairs found;
    EXPECT_TRUE(transaction
                    .ForEach(Database::kChunks, prefix,
                             [&](std::string_view rest, std::string_view value) {
                               found.emplace_back(rest, value);
                               return OkStatus();
                             })
                    .ok());
    return found;
  }

  static Pairs From(KeyValueTransaction& transaction, std::string_view first) {
    Pairs found;
    EXPECT_TRUE(transaction
                    .ForEachFrom(Database::kChunks, first,
                                 [&](std::string_view key, std::string_view value) {
                                   found.emplace_back(key, value);
                                   return OkStatus();
                                 })
                    .ok());
    return found;
  }

  Kind bench_;
  std::unique_ptr<KeyValueStore> store_;
};

using Kinds = testing::Types<RealBench, ModelBench>;
TYPED_TEST_SUITE(KeyValueTest, Kinds);

TYPED_TEST(KeyValueTest, GivesWhatWasCommitted) {
  this->Put({{"b", "2"}, {"a", "1"}});
  this->Put({{"b", "3"}});
  this->Open();
  const auto transaction = this->Begin(Access::kRead);
  EXPECT_EQ(*transaction->Get(Database::kChunks, "b"), "3");
  EXPECT_EQ(transaction->Get(Database::kChunks, "c").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(transaction->Get(Database::kMeta, "b").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(this->All(*transaction), (Pairs{{"a", "1"}, {"b", "3"}}));
}

TYPED_TEST(KeyValueTest, OpensToReadWhatIsThere) {
  this->Put({{"a", "1"}});
  this->store_.reset();
  KeyValueEngine& engine = this->bench_.engine();
  auto opened = engine.OpenToRead(this->bench_.directory(), 64 * kMiB);
  ASSERT_TRUE(opened.ok()) << opened.status();
  this->store_ = std::move(*opened);
  EXPECT_GT(*this->store_->FileBytes(), 0U);
  EXPECT_EQ(this->All(*this->Begin(Access::kRead)), (Pairs{{"a", "1"}}));
  const auto none = engine.OpenToRead(this->bench_.directory() + "/none", 64 * kMiB);
  EXPECT_EQ(none.status().code(), StatusCode::kNotFound);
}

TYPED_TEST(KeyValueTest, OrdersKeysByTheirOctets) {
  const std::string high = "k\xff";
  this->Put({{high + "x", "2"}, {"k", "0"}, {"k\x01", "1"}, {"l", "3"}, {"j\xff", "-"}});
  const auto transaction = this->Begin(Access::kRead);
  transaction->Expect(Database::kChunks, "k");
  EXPECT_EQ(this->All(*transaction, "k"), (Pairs{{"", "0"}, {"\x01", "1"}, {"\xffx", "2"}}));
  EXPECT_EQ(this->From(*transaction, "k\x01"),
            (Pairs{{"k\x01", "1"}, {high + "x", "2"}, {"l", "3"}}));
  EXPECT_EQ(this->From(*transaction, "k\x02"), (Pairs{{high + "x", "2"}, {"l", "3"}}));
  EXPECT_EQ(this->From(*transaction, {}).size(), 5U);
  EXPECT_TRUE(this->From(*transaction, "m").empty());
  EXPECT_EQ(transaction->LastBefore(Database::kChunks, "l")->first, high + "x");
  EXPECT_EQ(transaction->LastBefore(Database::kChunks, "k")->first, "j\xff");
  EXPECT_EQ(transaction->LastBefore(Database::kChunks, "z")->second, "3");
  EXPECT_EQ(transaction->LastBefore(Database::kChunks, "j").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(transaction->LastBefore(Database::kBlobs, "z").status().code(), StatusCode::kNotFound);
}

TYPED_TEST(KeyValueTest, AVisitEndsWithItsFirstError) {
  this->Put({{"a", "1"}, {"b", "2"}});
  const auto transaction = this->Begin(Access::kRead);
  int visits = 0;
  const Status status = transaction->ForEach(
      Database::kChunks, {}, [&](std::string_view /*rest*/, std::string_view /*value*/) {
        ++visits;
        return MakeStatus(StatusCode::kDataLoss, "enough");
      });
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_EQ(visits, 1);
}

TYPED_TEST(KeyValueTest, SeesItsOwnChangesAndForgetsThemUnlessCommitted) {
  this->Put({{"a", "1"}, {"b", "2"}});
  {
    const auto transaction = this->Begin(Access::kChange);
    ASSERT_TRUE(transaction->Delete(Database::kChunks, "a").ok());
    ASSERT_TRUE(transaction->Delete(Database::kChunks, "never there").ok());
    ASSERT_TRUE(transaction->Put(Database::kChunks, "c", "3").ok());
    EXPECT_EQ(this->All(*transaction), (Pairs{{"b", "2"}, {"c", "3"}}));
    EXPECT_EQ(transaction->LastBefore(Database::kChunks, "c")->first, "b");
  }
  EXPECT_EQ(this->All(*this->Begin(Access::kRead)), (Pairs{{"a", "1"}, {"b", "2"}}));
}

TYPED_TEST(KeyValueTest, AReaderKeepsWhatItBeganWith) {
  this->Put({{"a", "1"}});
  const auto reader = this->Begin(Access::kRead);
  this->Put({{"a", "2"}});
  EXPECT_EQ(*reader->Get(Database::kChunks, "a"), "1");
  EXPECT_EQ(*this->Begin(Access::kRead)->Get(Database::kChunks, "a"), "2");
}

TYPED_TEST(KeyValueTest, ABrokenOneIsSoundWhenItIsOpenedAgain) {
  this->Put({{"a", "1"}, {"b", "1"}});
  auto reader = this->Begin(Access::kRead);
  for (int tries = 0; !this->store_->broken(); ++tries) {
    ASSERT_LT(tries, 100);
    this->bench_.FailCommits();
    auto change = this->store_->Begin(Access::kChange);
    ASSERT_TRUE(change.ok());
    ASSERT_TRUE((*change)->Put(Database::kChunks, "a", "2").ok());
    EXPECT_EQ((*change)->Commit().code(), StatusCode::kUnavailable);
    change->reset();
    this->bench_.Heal();
    // It may become known by this only.
    const auto next = this->store_->Begin(Access::kRead);
    EXPECT_EQ(next.ok(), !this->store_->broken());
  }
  for (const Access access : {Access::kRead, Access::kChange}) {
    EXPECT_EQ(this->store_->Begin(access).status().code(), StatusCode::kUnavailable);
  }
  EXPECT_EQ(reader->ForEach(Database::kChunks, {}, [](auto, auto) { return OkStatus(); }).code(),
            StatusCode::kUnavailable);
  reader.reset();
  this->Open();
  EXPECT_FALSE(this->store_->broken());
  const Pairs all = this->All(*this->Begin(Access::kRead));
  EXPECT_TRUE(all == (Pairs{{"a", "1"}, {"b", "1"}}) || all == (Pairs{{"a", "2"}, {"b", "1"}}));
  this->Put({{"a", "3"}});
  EXPECT_EQ(this->All(*this->Begin(Access::kRead)), (Pairs{{"a", "3"}, {"b", "1"}}));
}

}  // namespace
}  // namespace poplar::storage
