// Kept and expiring mail at the limits: of one record, of a maildrop, and of a disk that fails.

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <numeric>

#include "tests/support/faulty_env.h"
#include "tests/unit/storage/engine/policy_fixture.h"

namespace poplar::storage {
namespace {

class KeptLimitsTest : public PolicyTest {
 protected:
  void SetUp() override {
    SetPolicy({.name = "one", .keep_deleted_days = 90});
    PolicyTest::SetUp();
  }
  void TearDown() override { EXPECT_TRUE(fixture_.Close().ok()); }  // Before its disk goes.
  StoreOptions Options() override {
    StoreOptions options = PolicyTest::Options();
    options.env = &env_;
    options.reserve_bytes = 1;
    options.segment_bytes = options.first_segment_bytes = 64 * kKiB;
    options.blob_bytes_min = 16 * kKiB;
    options.messages_per_maildrop_max = messages_max_;
    return options;
  }
  void Fill(uint64_t messages, size_t bytes) {
    for (uint64_t i = 0; i < messages; ++i) {
      fixture_.MustDeliver(0, kAlice, MakeMessage(i, bytes));
    }
  }
  void FillQuickly(uint64_t messages) {
    constexpr uint64_t kAtOnce = 50;
    ASSERT_EQ(messages % kAtOnce, 0U);
    const std::vector<MaildropKey> recipients(kAtOnce, kAlice);
    for (uint64_t i = 0; i < messages; i += kAtOnce) {
      ASSERT_EQ(fixture_.Deliver(0, recipients, MakeMessage(i, 20)).back(),
                DeliveryOutcome::kStored);
    }
  }
  void DeleteAll() {
    OpenResult opened = fixture_.OpenMaildrop(1, kAlice);
    ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
    std::vector<uint32_t> all(opened.maildrop->count());
    std::iota(all.begin(), all.end(), 0U);
    ASSERT_EQ(fixture_.Commit(1, std::move(opened.maildrop), all), CommitOutcome::kDone);
  }
  // Flips a bit of it in the log. REQUIRES: the store is closed.
  void DamageInLog(const std::string& wire) {
    for (const auto& file : std::filesystem::recursive_directory_iterator(folder_.path())) {
      if (file.path().extension() != ".seg") continue;
      std::fstream segment(file.path(), std::ios::in | std::ios::out | std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(segment), {}};
      const size_t at = bytes.find(wire);
      if (at == std::string::npos) continue;
      segment.clear();
      segment.seekp(static_cast<std::streamoff>(at + wire.size() / 2));
      segment.put(static_cast<char>(bytes[at + wire.size() / 2] ^ 1));
      return;
    }
    FAIL() << "the message is in no segment";
  }
  MaildropTotals Totals() { return fixture_.Totals(0, kAlice).value(); }

  const MaildropKey kAlice = Key("alice");
  FaultyEnv env_;
  uint32_t messages_max_ = kMessagesPerMaildropMax;
};

TEST_F(KeptLimitsTest, MoreThanOneRecordCanDeleteComesToItsEnd) {
  constexpr uint64_t kRounds = 3, kMessages = 2000;
  ASSERT_GT(kRounds * kMessages, Options().segment_bytes / 16);
  SetPolicy({.name = "one", .keep_deleted_days = 90, .expire_days = 1});
  for (uint64_t round = 1; round <= kRounds; ++round) {
    FillQuickly(kMessages);
    clock_.AddDays(3);
    ASSERT_TRUE(Eventually([&] { return Totals().messages == 0; }));
    ASSERT_EQ(Totals().kept_messages, round * kMessages);
  }
  EXPECT_EQ(fixture_.Metric("poplar_store_expired_total"), kRounds * kMessages);
  Reopen();
  SetPolicy({.name = "one"});
  EXPECT_TRUE(Eventually([&] { return Totals().kept_messages == 0; }));
  EXPECT_EQ(fixture_.Metric("poplar_store_purged_total"), kRounds * kMessages);
  EXPECT_EQ(fixture_.Metric("poplar_store_expiry_failures_total"), 0);
  ReopenWithoutIndexes();
  EXPECT_EQ(Totals().kept_messages + Totals().messages, 0U);
}

TEST_F(KeptLimitsTest, OnlyWhatIsDeletedDurablyIsCounted) {
  Fill(2, 200);
  testing::internal::CaptureStderr();
  env_.failing_flushes = 1;  // Nothing is written but what expiry deletes.
  SetPolicy({.name = "one", .keep_deleted_days = 5, .expire_days = 1});
  clock_.AddDays(3);
  EXPECT_TRUE(Eventually([&] { return Totals().messages == 0; }));
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              testing::ContainsRegex("store_expiry_failed .* tenant=1 account=alice why="));
  EXPECT_EQ(fixture_.Metric("poplar_store_expiry_failures_total"), 1);
  EXPECT_EQ(fixture_.Metric("poplar_store_expired_total"), 2);
  EXPECT_EQ(fixture_.Metric("poplar_store_purged_total"), 0);
  clock_.AddDays(7);
  EXPECT_TRUE(Eventually([&] { return Totals().kept_messages == 0; }));
  EXPECT_EQ(fixture_.Metric("poplar_store_purged_total"), 2);
}

// Or its sessions could not delete what came back.
TEST_F(KeptLimitsTest, NoMoreComesBackThanAMaildropHolds) {
  ASSERT_TRUE(fixture_.Close().ok());
  messages_max_ = 5;
  Open();
  for (const uint64_t messages : {4, 3}) {
    Fill(messages, 200);
    DeleteAll();
  }
  Fill(2, 200);
  for (const bool first : {true, false}) {
    const UndeleteResult result = TryUndelete(kAlice, {});
    EXPECT_EQ(result.messages, first ? 3U : 0U);
    EXPECT_EQ(result.why.code(), StatusCode::kResourceExhausted);
    EXPECT_EQ(Totals().messages, 5U);
    EXPECT_EQ(Totals().kept_messages, 4U);
    Reopen();
  }
  DeleteAll();
  EXPECT_EQ(Totals().kept_messages, 9U);
  UndeleteRequest one;
  one.uidl = Kept(kAlice)[0].uidl;
  EXPECT_EQ(Undelete(kAlice, one), 1U);
  EXPECT_EQ(Totals().messages, 1U);
}

TEST_F(KeptLimitsTest, OneThatIsDamagedKeepsNoOtherFromComingBack) {
  Fill(3, 2000);
  DeleteAll();
  ASSERT_TRUE(fixture_.Close().ok());
  DamageInLog(MakeMessage(1, 2000));
  Open();
  testing::internal::CaptureStderr();
  const UndeleteResult result = TryUndelete(kAlice, {});
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("store_undelete_failed"));
  EXPECT_EQ(result.messages, 2U);
  EXPECT_EQ(result.why.code(), StatusCode::kDataLoss);
  const std::vector<Listed> list = fixture_.List(0, kAlice);
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].wire, MakeMessage(0, 2000));
  EXPECT_EQ(list[1].wire, MakeMessage(2, 2000));
  EXPECT_EQ(Kept(kAlice).size(), 1U);
}

TEST_F(KeptLimitsTest, AFullLogSaysHowManyAreBack) {
  constexpr uint64_t kMessages = 30;
  Fill(kMessages, 15'000);
  DeleteAll();
  env_.full = true;
  const UndeleteResult first = TryUndelete(kAlice, {});
  EXPECT_EQ(first.why.code(), StatusCode::kResourceExhausted) << first.why;
  EXPECT_GT(first.messages, 0U);
  EXPECT_LT(first.messages, kMessages);
  EXPECT_EQ(Totals().messages, first.messages);
  EXPECT_EQ(Totals().kept_messages, kMessages - first.messages);
  env_.full = false;
  EXPECT_TRUE(Eventually([&] { return TryUndelete(kAlice, {}).why.ok(); }));
  EXPECT_EQ(Totals().messages, kMessages);
  std::vector<std::string> back;
  for (const Listed& message : fixture_.List(0, kAlice)) back.push_back(message.wire);
  std::ranges::sort(back);
  std::vector<std::string> sent;
  sent.reserve(kMessages);
  for (uint64_t i = 0; i < kMessages; ++i) sent.push_back(MakeMessage(i, 15'000));
  std::ranges::sort(sent);
  EXPECT_EQ(back, sent);
}

}  // namespace
}  // namespace poplar::storage
