#include "core/tenant/nearest.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace poplar::tenant {
namespace {

constexpr std::array<std::string_view, 4> kWords = {"listen", "idle_timeout_s", "login_timeout_s",
                                                    "connections_max"};

TEST(Nearest, FindsTheWordThatWasMeant) {
  EXPECT_EQ(Nearest("listn", kWords), "listen");
  EXPECT_EQ(Nearest("Listen", kWords), "listen");
  EXPECT_EQ(Nearest("idle_timeout", kWords), "idle_timeout_s");
  EXPECT_EQ(Nearest("login_timeout_ms", kWords), "login_timeout_s");
  EXPECT_EQ(Nearest("max_connections", kWords), "");
  EXPECT_EQ(Nearest("conections_max", kWords), "connections_max");
}

TEST(Nearest, IsSilentWhereNothingIsClose) {
  EXPECT_EQ(Nearest("", kWords), "");
  EXPECT_EQ(Nearest("colour", kWords), "");
  EXPECT_EQ(Nearest(std::string(100'000, 'l'), kWords), "");
  EXPECT_EQ(Nearest("listen", {}), "");
}

}  // namespace
}  // namespace poplar::tenant
