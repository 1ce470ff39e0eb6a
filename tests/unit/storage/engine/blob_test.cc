// Messages that are too large for the log, or for the memory left: a file each, a link a recipient.

#include <filesystem>

#include "tests/support/faulty_env.h"
#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

size_t FilesUnder(const std::string& path, std::string_view ending) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.is_regular_file() && entry.path().string().ends_with(ending)) ++count;
  }
  return count;
}

class BlobTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fixture_.Create(folder_.path(), 2).ok());
    options_ = SmallStoreOptions(folder_.path());
    ASSERT_TRUE(fixture_.Open(options_).ok());
  }
  size_t Blobs() const { return FilesUnder(folder_.path(), ".blob"); }
  size_t Incoming() const { return FilesUnder(folder_.path() + "/incoming", ""); }

  TemporaryFolder folder_;
  StoreFixture fixture_{2};
  StoreOptions options_;
};

TEST_F(BlobTest, OneFileAndALinkForEachRecipient) {
  const std::string wire = MakeMessage(3, 5 * kMiB);
  const std::vector<MaildropKey> recipients{Key("a"), Key("b"), Key("c"), Key("d")};
  EXPECT_EQ(fixture_.Deliver(0, recipients, wire, 30'000),
            std::vector<DeliveryOutcome>(4, DeliveryOutcome::kStored));
  EXPECT_EQ(Blobs(), 4U);
  EXPECT_EQ(Incoming(), 0U);
  for (const MaildropKey& key : recipients) {
    const auto list = fixture_.List(1, key);
    ASSERT_EQ(list.size(), 1U);
    EXPECT_TRUE(list[0].wire == wire);
  }
  OpenResult opened = fixture_.OpenMaildrop(1, Key("a"));
  ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
  EXPECT_EQ(fixture_.Commit(1, std::move(opened.maildrop), {0}), CommitOutcome::kDone);
  EXPECT_TRUE(Eventually([&] { return Blobs() == 3; }));
  EXPECT_TRUE(fixture_.Remove(0, Key("b")).ok());
  EXPECT_TRUE(Eventually([&] { return Blobs() == 2; }));

  ASSERT_TRUE(fixture_.Close().ok());
  ASSERT_TRUE(fixture_.Open(options_).ok());
  EXPECT_EQ(Blobs(), 2U);
  EXPECT_TRUE(fixture_.List(0, Key("a")).empty());
  const auto list = fixture_.List(0, Key("d"));
  ASSERT_EQ(list.size(), 1U);
  EXPECT_TRUE(list[0].wire == wire);
}

TEST_F(BlobTest, IsOpenedAtOnceOnlyWhereNothingWaits) {
  FaultyEnv env;
  ASSERT_TRUE(fixture_.Close().ok());
  options_.env = &env;
  ASSERT_TRUE(fixture_.Open(options_).ok());
  const std::string wire = MakeMessage(3, 5 * kMiB);
  EXPECT_EQ(fixture_.Deliver(0, {Key("a")}, wire, 30'000),
            std::vector<DeliveryOutcome>(1, DeliveryOutcome::kStored));
  for (const bool cold : {true, false}) {
    env.cold = cold;
    const auto list = fixture_.List(1, Key("a"));
    ASSERT_EQ(list.size(), 1U);
    EXPECT_TRUE(list[0].wire == wire);
    EXPECT_EQ(env.opened_at_once > 0, !cold);
  }
  ASSERT_TRUE(fixture_.Close().ok());
}

TEST_F(BlobTest, TheBudgetForMemoryIsKept) {
  ASSERT_TRUE(fixture_.Close().ok());
  options_.body_memory_bytes = 2 * 64 * kKiB;  // 64 KiB a shard.
  ASSERT_TRUE(fixture_.Open(options_).ok());
  // Ten at once, each of 200 KB: below the size of a blob, together far beyond the budget.
  struct Ten {
    static io::Task<int> Run(ShardStore* store) {
      std::vector<std::unique_ptr<Delivery>> deliveries;
      const std::string wire = MakeMessage(1, 200'000);
      for (int i = 0; i < 10; ++i) {
        DeliveryRequest request;
        request.recipients.push_back({Key("user" + std::to_string(i)), {}});
        deliveries.push_back(store->BeginDelivery(std::move(request)));
      }
      for (size_t at = 0; at < wire.size(); at += 5000) {
        for (auto& delivery : deliveries) {
          io::Completion<Status> written;
          delivery->Write(std::string_view(wire).substr(at, 5000), written);
          const Status status = co_await written;
          EXPECT_TRUE(status.ok()) << status;
        }
      }
      int stored = 0;
      for (auto& delivery : deliveries) {
        io::Completion<std::vector<DeliveryOutcome>> done;
        delivery->Commit(FactsOf(wire), done);
        const auto outcomes = co_await done;
        stored += outcomes[0] == DeliveryOutcome::kStored ? 1 : 0;
      }
      co_return stored;
    }
  };
  EXPECT_EQ(fixture_.Run<int>(0, [](ShardStore* store) { return Ten::Run(store); }), 10);
  EXPECT_GE(fixture_.Metric("poplar_store_memory_blobs_total"), 9);
  EXPECT_EQ(fixture_.Metric("poplar_store_arriving_body_bytes"), 0);
  for (int i = 0; i < 10; ++i) {
    const auto list = fixture_.List(1, Key("user" + std::to_string(i)));
    ASSERT_EQ(list.size(), 1U);
    EXPECT_TRUE(list[0].wire == MakeMessage(1, 200'000));
  }
}

TEST_F(BlobTest, ADeliveryThatIsGivenUpLeavesNothing) {
  struct Half {
    static io::Task<int> Run(ShardStore* store) {
      DeliveryRequest request;
      request.recipients.push_back({Key("alice"), {}});
      request.expected_bytes = 3 * kMiB;
      std::unique_ptr<Delivery> delivery = store->BeginDelivery(std::move(request));
      const std::string wire = MakeMessage(1, 2 * kMiB);
      io::Completion<Status> written;
      delivery->Write(wire, written);
      const Status status = co_await written;
      EXPECT_TRUE(status.ok()) << status;
      co_return 0;
    }
  };
  fixture_.Run<int>(0, [](ShardStore* store) { return Half::Run(store); });
  EXPECT_TRUE(Eventually([&] { return Incoming() == 0; }));
  EXPECT_EQ(Blobs(), 0U);
  EXPECT_TRUE(fixture_.List(0, Key("alice")).empty());
}

TEST_F(BlobTest, ABlobThatIsMissingIsDamage) {
  fixture_.MustDeliver(0, Key("alice"), MakeMessage(1, 2 * kMiB));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) {
    if (entry.path().string().ends_with(".blob")) std::filesystem::remove(entry.path());
  }
  OpenResult opened = fixture_.OpenMaildrop(0, Key("alice"));
  ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
  const auto wire = fixture_.ReadBody(0, *opened.maildrop, 0);
  EXPECT_EQ(wire.status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(fixture_.Metric("poplar_store_damaged_bodies_total"), 1);
  EXPECT_EQ(fixture_.Commit(0, std::move(opened.maildrop), {0}), CommitOutcome::kDone);
}

}  // namespace
}  // namespace poplar::storage
