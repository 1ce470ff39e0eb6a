#include "auth/remote/pace.h"

#include <gtest/gtest.h>

namespace poplar::auth {
namespace {

constexpr uint64_t kSlowUs = 500'000;

TEST(SlowTenantsTest, OneSlowCallIsRememberedAndQuickOnesMakeUpForIt) {
  SlowTenants slow(kSlowUs);
  slow.Took(TenantId(1), kSlowUs, 1);
  EXPECT_FALSE(slow.Contains(TenantId(1), 1));
  slow.Took(TenantId(1), 3'000'000, 1);
  EXPECT_TRUE(slow.Contains(TenantId(1), 2));
  EXPECT_FALSE(slow.Contains(TenantId(2), 2));
  // One quick call among slow ones changes nothing.
  slow.Took(TenantId(1), 1'000, 3);
  EXPECT_TRUE(slow.Contains(TenantId(1), 3));
  int quick = 1;
  for (; slow.Contains(TenantId(1), 3); ++quick) slow.Took(TenantId(1), 1'000, 3);
  EXPECT_EQ(quick, 7);
  EXPECT_EQ(slow.size(), 0U);
}

TEST(SlowTenantsTest, ItIsForgottenAfterAMinute) {
  SlowTenants slow(kSlowUs);
  slow.Took(TenantId(1), 3'000'000, 5);
  EXPECT_TRUE(slow.Contains(TenantId(1), 5 + Pace::kRememberedUs - 1));
  EXPECT_FALSE(slow.Contains(TenantId(1), 5 + Pace::kRememberedUs));
  // What comes then begins anew.
  slow.Took(TenantId(1), 1'000, 5 + Pace::kRememberedUs);
  EXPECT_EQ(slow.size(), 0U);
}

TEST(SlowTenantsTest, TheTableHasABound) {
  SlowTenants slow(kSlowUs);
  for (uint64_t i = 0; i < SlowTenants::kTenantsMax + 10; ++i) {
    slow.Took(TenantId(i), 3'000'000, 5);
  }
  EXPECT_EQ(slow.size(), SlowTenants::kTenantsMax);
  // Those that are forgotten make room.
  slow.Took(TenantId(5'000'000), 3'000'000, 5 + Pace::kRememberedUs);
  EXPECT_EQ(slow.size(), 1U);
}

}  // namespace
}  // namespace poplar::auth
