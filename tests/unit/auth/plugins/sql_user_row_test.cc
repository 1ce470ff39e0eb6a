// What the columns of a row mean.

#include <gtest/gtest.h>

#include <string>

#include "auth/plugins/sql/user_row.h"

namespace poplar::sql {
namespace {

using std::string_literals::operator""s;

UserRow Read(Row row) {
  row.push_back({.name = "account", .value = "7"});
  std::string fault;
  const std::optional<UserRow> user = ReadUserRow(row, fault);
  EXPECT_TRUE(user.has_value()) << fault;
  return user.value_or(UserRow());
}
std::string FaultOf(const Row& row) {
  std::string fault;
  EXPECT_FALSE(ReadUserRow(row, fault).has_value());
  return fault;
}

TEST(UserRow, ColumnsByName) {
  const UserRow user = Read({{.name = "Password", .value = "$6$x"},
                             {.name = "id", .value = "9"},
                             {.name = "quota_octets", .value = "1000"},
                             {.name = "QUOTA_MESSAGES", .value = "10"},
                             {.name = "address", .value = "a@b.example"}});
  EXPECT_EQ(user.account, "7");
  EXPECT_EQ(user.password, "$6$x");
  EXPECT_EQ(user.quota_octets, "1000");
  EXPECT_EQ(user.quota_messages, "10");
  EXPECT_EQ(user.address, "a@b.example");
  EXPECT_FALSE(user.disabled);
}

// Of a query for tenants it is a setting.
TEST(UserRow, MechanismsAreNoColumnOfAUser) {
  const UserRow user = Read({{.name = "password", .value = "$6$x"},
                             {.name = "mechanisms", .value = "NONSENSE"},
                             {.name = "mechanisms", .value = std::nullopt}});
  EXPECT_EQ(user.password, "$6$x");
  EXPECT_FALSE(user.disabled);
}

TEST(UserRow, NullIsNothing) {
  const UserRow user = Read({{.name = "password", .value = std::nullopt},
                             {.name = "quota_octets", .value = std::nullopt},
                             {.name = "address", .value = ""}});
  EXPECT_TRUE(user.has_password_column);
  EXPECT_FALSE(user.password.has_value());
  EXPECT_FALSE(user.quota_octets.has_value());
  EXPECT_FALSE(user.address.has_value());
  EXPECT_FALSE(Read({}).has_password_column);
}

TEST(UserRow, TruthAsDatabasesWriteIt) {
  for (const std::string& yes :
       {"t"s, "true"s, "TRUE"s, "1"s, "2"s, "-1"s, "Y"s, "yes"s, "on"s, "\1"s}) {
    EXPECT_TRUE(Read({{.name = "disabled", .value = yes}}).disabled) << yes;
    EXPECT_FALSE(Read({{.name = "enabled", .value = yes}}).disabled) << yes;
  }
  for (const std::string& no : {"f"s, "false"s, "0"s, "n"s, "No"s, "off"s, ""s, "\0"s}) {
    EXPECT_FALSE(Read({{.name = "disabled", .value = no}}).disabled) << no;
    EXPECT_TRUE(Read({{.name = "enabled", .value = no}}).disabled) << no;
  }
  EXPECT_FALSE(Read({{.name = "disabled", .value = std::nullopt}}).disabled);
  EXPECT_TRUE(Read({{.name = "enabled", .value = std::nullopt}}).disabled);
  EXPECT_TRUE(
      Read({{.name = "enabled", .value = "1"}, {.name = "disabled", .value = "1"}}).disabled);
}

TEST(UserRow, Faults) {
  const Column account = {.name = "account", .value = "7"};
  EXPECT_EQ(FaultOf({}), "it has no column account, or that is NULL or empty");
  EXPECT_EQ(FaultOf({{.name = "account", .value = std::nullopt}}),
            "it has no column account, or that is NULL or empty");
  EXPECT_EQ(FaultOf({{.name = "account", .value = ""}}),
            "it has no column account, or that is NULL or empty");
  EXPECT_EQ(FaultOf({account, {.name = "ACCOUNT", .value = "8"}}), "two columns are named account");
  EXPECT_EQ(FaultOf({account, {.name = "disabled", .value = "perhaps"}}),
            "column disabled is neither true nor false");
  EXPECT_EQ(FaultOf({account, {.name = "password", .value = std::string(5000, 'x')}}),
            "column password is too long");
}

}  // namespace
}  // namespace poplar::sql
