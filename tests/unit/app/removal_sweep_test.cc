#include "core/app/removal_sweep.h"

#include "auth/users/user_database.h"
#include "tests/unit/storage/store_fixture.h"

namespace poplar::app {
namespace {

using storage::MaildropKey;
using storage::MakeMessage;

class RemovalSweepTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(store_.Create(folder_.path() + "/store", 1).ok());
    ASSERT_TRUE(store_.Open(storage::SmallStoreOptions(folder_.path() + "/store")).ok());
    users_ = *auth::UserDatabase::Create(path_);
    const std::vector<std::string> domains = {"example.org"};
    ASSERT_TRUE(users_->AddTenant("acme", domains).ok());
  }

  MaildropKey Add(const std::string& address) {
    const auto user = users_->AddUser(address, "");
    EXPECT_TRUE(user.ok()) << user.status();
    return {user->tenant, user->account};
  }
  uint64_t Messages(const MaildropKey& key) { return store_.Totals(0, key)->messages; }
  // Whether that comes true within a minute.
  static bool Becomes(const std::function<bool()>& true_now) {
    for (int i = 0; i < 6000; ++i) {
      if (true_now()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  RemovalSweepOptions Options(
      std::chrono::milliseconds again_after = std::chrono::milliseconds(0)) const {
    return {.database_path = path_,
            .period = std::chrono::milliseconds(10),
            .rest = std::chrono::milliseconds(50),
            .again_after = again_after};
  }

  storage::TemporaryFolder folder_;
  const std::string path_ = folder_.path() + "/users.db";
  storage::StoreFixture store_{2};
  std::unique_ptr<auth::UserDatabase> users_;
};

TEST_F(RemovalSweepTest, DropsWhatBelongedToRemovedAccountsOnly) {
  const MaildropKey alice = Add("alice@example.org");
  const MaildropKey bob = Add("bob@example.org");
  store_.MustDeliver(0, alice, MakeMessage(1));
  store_.MustDeliver(0, bob, MakeMessage(2));
  const RemovalSweep sweep(Options(), store_.shards(), store_.store());
  ASSERT_TRUE(users_->RemoveUser("alice@example.org").ok());
  EXPECT_TRUE(Becomes([&] { return users_->RemovedAccounts()->empty(); }));
  EXPECT_EQ(Messages(alice), 0U);
  EXPECT_EQ(Messages(bob), 1U);
}

TEST_F(RemovalSweepTest, MailThatCameLateGoesToo) {
  const MaildropKey alice = Add("alice@example.org");
  store_.MustDeliver(0, alice, MakeMessage(1));
  const RemovalSweep sweep(Options(std::chrono::milliseconds(300)), store_.shards(),
                           store_.store());
  ASSERT_TRUE(users_->RemoveUser("alice@example.org").ok());
  ASSERT_TRUE(Becomes([&] { return Messages(alice) == 0; }));
  store_.MustDeliver(0, alice, MakeMessage(2));  // It had been accepted before.
  EXPECT_TRUE(Becomes([&] { return Messages(alice) == 0; }));
  EXPECT_TRUE(Becomes([&] { return users_->RemovedAccounts()->empty(); }));
}

TEST_F(RemovalSweepTest, MailThatCameLateGoesWhenTheServerStartsAgain) {
  const MaildropKey alice = Add("alice@example.org");
  store_.MustDeliver(0, alice, MakeMessage(1));
  ASSERT_TRUE(users_->RemoveUser("alice@example.org").ok());
  {
    const RemovalSweep sweep(Options(std::chrono::hours(1)), store_.shards(), store_.store());
    ASSERT_TRUE(Becomes([&] { return Messages(alice) == 0; }));
    store_.MustDeliver(0, alice, MakeMessage(2));
  }
  const RemovalSweep next(Options(), store_.shards(), store_.store());
  EXPECT_TRUE(Becomes([&] { return Messages(alice) == 0; }));
  EXPECT_TRUE(Becomes([&] { return users_->RemovedAccounts()->empty(); }));
}

TEST_F(RemovalSweepTest, MaildropsThatAreDamagedHoldUpNoOther) {
  constexpr int kDamaged = 40;  // More than are dropped at a time.
  std::vector<MaildropKey> keys;
  for (int i = 0; i <= kDamaged; ++i) {
    keys.push_back(Add("user" + std::to_string(i) + "@example.org"));
    store_.MustDeliver(0, keys.back(), MakeMessage(i));
  }
  ASSERT_TRUE(store_.Close().ok());
  for (int i = 0; i < kDamaged; ++i) storage::DamageTotals(folder_.path() + "/store", 0, keys[i]);
  ASSERT_TRUE(store_.Open(storage::SmallStoreOptions(folder_.path() + "/store")).ok());
  const RemovalSweep sweep(Options(), store_.shards(), store_.store());
  for (int i = 0; i <= kDamaged; ++i) {
    ASSERT_TRUE(users_->RemoveUser("user" + std::to_string(i) + "@example.org").ok());
  }
  EXPECT_TRUE(Becomes([&] { return Messages(keys.back()) == 0; }));
  EXPECT_TRUE(Becomes([&] { return users_->RemovedAccounts()->size() == kDamaged; }));
}

TEST_F(RemovalSweepTest, EndsWithoutWaitingForAll) {
  for (int i = 0; i < 200; ++i) {
    const std::string address = "user" + std::to_string(i) + "@example.org";
    Add(address);
    ASSERT_TRUE(users_->RemoveUser(address).ok());
  }
  {
    const RemovalSweep sweep(Options(), store_.shards(), store_.store());
  }
  const RemovalSweep next(Options(), store_.shards(), store_.store());
  EXPECT_TRUE(Becomes([&] { return users_->RemovedAccounts()->empty(); }));
}

TEST_F(RemovalSweepTest, ADatabaseThatIsNotThereIsWaitedFor) {
  RemovalSweepOptions options = Options();
  options.database_path += ".later";
  const RemovalSweep sweep(options, store_.shards(), store_.store());
  const auto later = auth::UserDatabase::Create(options.database_path);
  ASSERT_TRUE(later.ok());
  const std::vector<std::string> domains = {"example.org"};
  ASSERT_TRUE((*later)->AddTenant("acme", domains).ok());
  ASSERT_TRUE((*later)->AddUser("alice@example.org", "").ok());
  ASSERT_TRUE((*later)->RemoveUser("alice@example.org").ok());
  EXPECT_TRUE(Becomes([&] { return (*later)->RemovedAccounts()->empty(); }));
}

}  // namespace
}  // namespace poplar::app
