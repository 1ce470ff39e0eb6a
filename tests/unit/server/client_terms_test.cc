#include "core/server/client_terms.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>

namespace poplar::server {
namespace {

constexpr TenantId kFirst(1);
constexpr TenantId kSecond(2);

class ClientTermsTest : public testing::Test {
 protected:
  void Publish(const TenantPolicy& first, const TenantPolicy& second) {
    auto policies = std::make_shared<TenantPolicies>();
    policies->by_tenant = {{kFirst.value(), first}, {kSecond.value(), second}};
    board_.Publish(std::move(policies));
  }
  static TenantPolicy Policy(uint32_t expire_days, std::optional<uint32_t> expire_read_days) {
    TenantPolicy policy;
    policy.expire_days = expire_days;
    policy.expire_read_days = expire_read_days;
    return policy;
  }

  PolicyBoard board_;
  ClientTerms terms_{board_};
};

TEST_F(ClientTermsTest, WithoutTenantsNothingExpires) {
  EXPECT_EQ(terms_.OfAll().expiry.days, std::nullopt);
  EXPECT_FALSE(terms_.OfAll().expiry.differs_by_user);
  EXPECT_EQ(terms_.Of(kFirst).expiry.days, std::nullopt);
}

TEST_F(ClientTermsTest, OfATenantTheLeastOfItsDaysCounts) {
  Publish(Policy(90, 30), Policy(14, std::nullopt));
  EXPECT_EQ(terms_.Of(kFirst).expiry.days, 30U);
  EXPECT_EQ(terms_.Of(kSecond).expiry.days, 14U);
  EXPECT_FALSE(terms_.Of(kFirst).expiry.differs_by_user);
  Publish(Policy(0, 0), Policy(0, std::nullopt));
  EXPECT_EQ(terms_.Of(kFirst).expiry.days, 0U);
  EXPECT_EQ(terms_.Of(kSecond).expiry.days, std::nullopt);
}

TEST_F(ClientTermsTest, OfAllTheLeastOfAllTenantsCounts) {
  Publish(Policy(90, 30), Policy(14, std::nullopt));
  EXPECT_EQ(terms_.OfAll().expiry.days, 14U);
  EXPECT_TRUE(terms_.OfAll().expiry.differs_by_user);
  // Alike in effect, however it is said.
  Publish(Policy(90, 30), Policy(30, std::nullopt));
  EXPECT_EQ(terms_.OfAll().expiry.days, 30U);
  EXPECT_FALSE(terms_.OfAll().expiry.differs_by_user);
  // One where nothing expires differs from one where something does.
  Publish(Policy(0, std::nullopt), Policy(7, std::nullopt));
  EXPECT_EQ(terms_.OfAll().expiry.days, 7U);
  EXPECT_TRUE(terms_.OfAll().expiry.differs_by_user);
  Publish(Policy(0, std::nullopt), Policy(0, std::nullopt));
  EXPECT_EQ(terms_.OfAll().expiry.days, std::nullopt);
  EXPECT_FALSE(terms_.OfAll().expiry.differs_by_user);
}

}  // namespace
}  // namespace poplar::server
