// Quotas and how long mail stays, as `poplar tenant` and `poplar user` set and show them.

#include <nlohmann/json.hpp>

#include "tests/unit/app/command_test.h"

namespace poplar::app {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uint64_t kGigabyte = 1'000'000'000;

class LimitsTest : public CommandTest {
 protected:
  void SetUp() override {
    CommandTest::SetUp();
    ASSERT_EQ(Run({"init", folder_}), ExitCode::kOk) << err_;
    ASSERT_EQ(RunHere({"tenant", "add", "acme", "--domain", "acme.example", "--quota", "500GB",
                       "--maildrop-quota", "2GB"}),
              ExitCode::kOk)
        << err_;
    ASSERT_EQ(RunHere({"user", "add", "a@acme.example", "--no-password"}), ExitCode::kOk) << err_;
  }
  json Shown(const std::string& what, const std::string& name) {
    EXPECT_EQ(RunHere({what, "show", name, "--json"}), ExitCode::kOk) << err_;
    return json::parse(out_);
  }
  json Tenant() { return Shown("tenant", "acme"); }
  json User() { return Shown("user", "a@acme.example"); }
  void SetTenant(std::vector<std::string> limits) {
    limits.insert(limits.begin(), {"tenant", "set", "acme"});
    EXPECT_EQ(RunHere(limits), ExitCode::kOk) << err_;
  }
};

TEST_F(LimitsTest, ATenantIsAddedWithThem) {
  EXPECT_EQ(Tenant()["quota_octets"], 500 * kGigabyte);
  EXPECT_EQ(Tenant()["quota_messages"], 0);
  EXPECT_EQ(Tenant()["maildrop_quota_octets"], 2 * kGigabyte);
  EXPECT_EQ(Tenant()["keep_deleted_days"], 0);
  EXPECT_EQ(Tenant()["expire_days"], 0);
  EXPECT_TRUE(Tenant()["expire_read_days"].is_null());
}

TEST_F(LimitsTest, WhatIsSetChangesAndTheRestStays) {
  SetTenant({"--quota-messages", "5000", "--maildrop-quota-messages", "100", "--keep-deleted", "30",
             "--expire", "365", "--expire-read", "0"});
  EXPECT_THAT(out_, AllOf(HasSubstr("466 GiB, 5000 messages"), HasSubstr("1.9 GiB, 100 messages"),
                          HasSubstr("is kept for 30 days"), HasSubstr("goes after 365 days"),
                          HasSubstr("goes with the session")));
  const json changed = Tenant();
  EXPECT_EQ(changed["quota_octets"], 500 * kGigabyte);
  EXPECT_EQ(changed["quota_messages"], 5000);
  EXPECT_EQ(changed["maildrop_quota_messages"], 100);
  EXPECT_EQ(changed["keep_deleted_days"], 30);
  EXPECT_EQ(changed["expire_days"], 365);
  EXPECT_EQ(changed["expire_read_days"], 0);
  EXPECT_EQ(RunHere({"tenant", "list", "--json"}), ExitCode::kOk);
  EXPECT_EQ(json::parse(out_).at(0), changed);

  SetTenant({"--quota", "none", "--quota-messages", "none", "--expire", "never", "--expire-read",
             "never", "--keep-deleted", "none"});
  EXPECT_THAT(out_, AllOf(HasSubstr("no limit"), HasSubstr("is gone"), HasSubstr("stays")));
  EXPECT_EQ(Tenant()["quota_octets"], 0);
  EXPECT_TRUE(Tenant()["expire_read_days"].is_null());
  EXPECT_EQ(Tenant()["maildrop_quota_messages"], 100);
  SetTenant({"--expire-read", "7"});
  EXPECT_EQ(Tenant()["expire_read_days"], 7);
}

TEST_F(LimitsTest, AUserHasHisOwnOrHisTenants) {
  EXPECT_EQ(User()["quota_octets"], 2 * kGigabyte);
  EXPECT_TRUE(User()["own_quota_octets"].is_null());
  EXPECT_EQ(RunHere({"user", "show", "a@acme.example"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("1.9 GiB (as its tenant's maildrops)"));

  EXPECT_EQ(RunHere({"user", "set", "A@acme.example", "--quota", "10GB"}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, HasSubstr("quota     9.3 GiB\n"));
  EXPECT_EQ(User()["quota_octets"], 10 * kGigabyte);
  EXPECT_EQ(RunHere({"user", "set", "a@acme.example", "--quota", "none", "--quota-messages", "7"}),
            ExitCode::kOk);
  EXPECT_EQ(User()["quota_octets"], 0);
  EXPECT_EQ(User()["own_quota_octets"], 0);
  EXPECT_EQ(User()["quota_messages"], 7);
  EXPECT_EQ(RunHere({"user", "set", "a@acme.example", "--quota", "default"}), ExitCode::kOk);
  EXPECT_EQ(User()["quota_octets"], 2 * kGigabyte);
  EXPECT_EQ(User()["quota_messages"], 7);
}

TEST_F(LimitsTest, WhatIsWrongIsSaid) {
  EXPECT_EQ(RunHere({"tenant", "set", "acme", "--quota", "lots"}), ExitCode::kUsage);
  EXPECT_THAT(err_, AllOf(HasSubstr("--quota"), HasSubstr("\"lots\""), HasSubstr("2GiB")));
  EXPECT_EQ(RunHere({"tenant", "set", "acme", "--expire", "99999"}), ExitCode::kUsage);
  EXPECT_THAT(err_, HasSubstr("at most 36500"));
  // It could be meant as no limit, and as nothing at all.
  for (const char* limit : {"--quota", "--maildrop-quota-messages", "--keep-deleted", "--expire"}) {
    EXPECT_EQ(RunHere({"tenant", "set", "acme", limit, "0"}), ExitCode::kUsage);
    EXPECT_THAT(err_, AllOf(HasSubstr(limit), HasSubstr("write at least 1, or n")));
  }
  EXPECT_EQ(RunHere({"tenant", "set", "acme"}), ExitCode::kUsage);
  EXPECT_THAT(err_, HasSubstr("nothing is to be changed"));
  EXPECT_EQ(RunHere({"tenant", "set", "nobody", "--quota", "1GB"}), ExitCode::kNoUser);
  EXPECT_EQ(RunHere({"user", "set", "a@acme.example"}), ExitCode::kUsage);
  EXPECT_EQ(RunHere({"user", "set", "b@acme.example", "--quota", "1GB"}), ExitCode::kNoUser);
  EXPECT_EQ(RunHere({"user", "show", "b@acme.example"}), ExitCode::kNoUser);
}

}  // namespace
}  // namespace poplar::app
