#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <utility>

#include "auth/plugins/sql/tenant_rows.h"

namespace poplar::sql {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Row RowOf(const std::vector<std::pair<std::string, std::optional<std::string>>>& columns) {
  Row row;
  for (const auto& [name, value] : columns) row.push_back({.name = name, .value = value});
  return row;
}

std::vector<std::string> Sound(const std::vector<Row>& rows) {
  std::string fault;
  std::vector<std::string> tenants = TenantsOf(rows, fault);
  EXPECT_EQ(fault, "");
  return tenants;
}

TEST(TenantRowsTest, ARowForEachDomain) {
  EXPECT_THAT(Sound({RowOf({{"Name", "a"}, {"DOMAIN", "a.example"}, {"Sessions_Max", "5"}}),
                     RowOf({{"name", "b"}, {"domain", "b.example"}, {"sessions_max", {}}}),
                     RowOf({{"name", "a"}, {"domain", "a.test"}, {"sessions_max", "5"}})}),
              ElementsAre("name=a\nsessions_max=5\ndomain=a.example\ndomain=a.test\n",
                          "name=b\ndomain=b.example\n"));
  EXPECT_THAT(Sound({}), IsEmpty());
  // Of an outer join: a tenant without any domain.
  EXPECT_THAT(Sound({RowOf({{"name", "a"}, {"domain", {}}})}), ElementsAre("name=a\n"));
}

TEST(TenantRowsTest, Mechanisms) {
  EXPECT_THAT(
      Sound({RowOf({{"name", "a"}, {"domain", "x"}, {"Mechanisms", "PLAIN,APOP"}}),
             RowOf({{"name", "a"}, {"domain", "y"}, {"mechanisms", "PLAIN,APOP"}}),
             RowOf({{"name", "b"}, {"domain", "z"}, {"mechanisms", {}}})}),
      ElementsAre("name=a\nmechanisms=PLAIN,APOP\ndomain=x\ndomain=y\n", "name=b\ndomain=z\n"));
  EXPECT_THAT(Sound({RowOf({{"name", "a"}, {"domain", "x"}, {"mechanisms", "PLAIN"}}),
                     RowOf({{"name", "a"}, {"domain", "y"}, {"mechanisms", {}}})}),
              ElementsAre("name=a\nmechanisms=PLAIN\ndomain=x\nits rows say different things\n"
                          "domain=y\n"));
}

TEST(TenantRowsTest, RowsThatDifferMakeTheTenantFaulty) {
  EXPECT_THAT(Sound({RowOf({{"name", "a"}, {"domain", "x"}, {"enabled", "t"}}),
                     RowOf({{"name", "a"}, {"domain", "y"}, {"enabled", "f"}})}),
              ElementsAre("name=a\nenabled=t\ndomain=x\nits rows say different things\n"
                          "domain=y\n"));
}

TEST(TenantRowsTest, AValueIsNoLineOfItsOwn) {
  EXPECT_THAT(Sound({RowOf({{"name", "a\nenabled=t"}, {"domain", "x\rname=b\n"}})}),
              ElementsAre("name=a?enabled=t\ndomain=x?name=b?\n"));
}

TEST(TenantRowsTest, WithoutANameNothingHolds) {
  for (const Row& row : {RowOf({{"domain", "x"}}), RowOf({{"name", {}}}), RowOf({{"name", ""}})}) {
    std::string fault;
    EXPECT_THAT(TenantsOf({RowOf({{"name", "a"}, {"domain", "x"}}), row}, fault), IsEmpty());
    EXPECT_EQ(fault, "a row has no column name, or NULL in it");
  }
}

}  // namespace
}  // namespace poplar::sql
