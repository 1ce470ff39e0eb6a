// Log-ins of a passwd-file's users, through the whole service.

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "auth/files/passwd_file_backend.h"
#include "tests/unit/auth/gate_backend.h"
#include "tests/unit/auth/service_fixture.h"
#include "tests/unit/auth/temp_dir.h"

namespace poplar::auth {
namespace {

constexpr char kAlice[] = "alice@example.org";
constexpr char kInside[] = "192.0.2.1";
constexpr char kOutside[] = "198.51.100.1";

class PasswdFileServiceTest : public ServiceFixture {
 protected:
  // After a gate that lets everything pass and that can be down.
  void Start(const std::string& users) {
    std::ofstream(dir_.File("users")) << users;
    std::vector<BackendSource> chain(2);
    auto gate = std::make_unique<GateBackend>();
    gate_ = gate.get();
    chain[0].backend = std::move(gate);
    auto file = PasswdFileBackend::Open({.name = "old",
                                         .path = dir_.File("users"),
                                         .default_domain = "example.org",
                                         .weak_schemes = true},
                                        tenants_);
    ASSERT_TRUE(file.ok()) << file.status();
    chain[1].backend = std::move(*file);
    StartService(std::move(chain));
  }

  TempDir dir_;
  GateBackend* gate_ = nullptr;
};

TEST_F(PasswdFileServiceTest, FromElsewhereTheRightPasswordIsLikeAWrongOne) {
  Start("alice:{PLAIN}secret::::::allow_nets=192.0.2.0/24\n");
  EXPECT_EQ(Login(kFirst, kAlice, "secret", kInside).outcome, Outcome::kOk);
  // Also where it is remembered, and at the same cost.
  EXPECT_EQ(Login(kFirst, kAlice, "secret", kInside).reason, "from cache");
  const double before = Metric("poplar_auth_hashes_total");
  const AuthResult outside = Login(kSecond, kAlice, "secret", kOutside);
  EXPECT_EQ(outside.outcome, Outcome::kRefused);
  EXPECT_EQ(outside.reason, "allow_nets of the user does not have this address");
  EXPECT_EQ(Metric("poplar_auth_hashes_total"), before + 1);
}

TEST_F(PasswdFileServiceTest, WhatHoldsFromThereAloneIsNotKeptForAnOutage) {
  Start("alice:{PLAIN}secret::::::allow_nets=192.0.2.0/24\n");
  auto policies = std::make_shared<TenantPolicies>();
  policies->by_tenant[7].rules.offline_logins_s = 3600;
  policies->by_domain["example.org"] = {.tenant = TenantId(7), .name = "gated", .enabled = true};
  tenants_.Publish(std::move(policies));
  EXPECT_EQ(Login(kFirst, kAlice, "secret", kInside).outcome, Outcome::kOk);
  gate_->SetDown(true);
  EXPECT_EQ(Login(kFirst, kAlice, "secret", kOutside).outcome, Outcome::kTemporary);
}

TEST_F(PasswdFileServiceTest, ThatSomebodyMayNotLogInTheRightPasswordTells) {
  Start("alice:{PLAIN}secret::::::nologin\nbob:!secret\n");
  EXPECT_EQ(Login(kFirst, kAlice, "wrong").outcome, Outcome::kRefused);
  EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kDisabled);
  const double before = Metric("poplar_auth_hashes_total");
  EXPECT_EQ(Login(kFirst, "bob@example.org", "secret").outcome, Outcome::kRefused);
  EXPECT_EQ(Metric("poplar_auth_hashes_total"), before + 1) << "as of a name that nobody has";
}

}  // namespace
}  // namespace poplar::auth
