#include "auth/users/usage_database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/unit/auth/temp_dir.h"

namespace poplar::auth {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

UsageRecord Record(uint64_t tenant, const std::string& name, uint32_t day, uint64_t octets_out) {
  return {.tenant = TenantId(tenant),
          .tenant_name = name,
          .day = day,
          .figures = {.sessions = 1,
                      .messages_in = 2,
                      .octets_in = 3,
                      .messages_out = 4,
                      .octets_out = octets_out}};
}

TEST(UsageDatabaseTest, AddsUp) {
  TempDir directory;
  const std::string path = directory.File("usage.db");
  EXPECT_EQ(UsageDatabase::Open(path).status().code(), StatusCode::kNotFound);
  {
    const auto database = *UsageDatabase::OpenOrCreate(path);
    ASSERT_TRUE(database->Add(std::vector{Record(1, "a", 10, 100), Record(2, "b", 10, 7)}).ok());
    ASSERT_TRUE(database->Add(std::vector{Record(1, "a", 10, 50)}).ok());
  }
  const auto database = *UsageDatabase::OpenOrCreate(path);
  ASSERT_TRUE(database->Add(std::vector{Record(1, "a", 11, 1)}).ok());
  struct stat file{};
  ASSERT_EQ(::stat(path.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600U);

  const auto all = *database->Read({});
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[0].tenant_name, "a");
  EXPECT_EQ(all[0].day, 10U);
  EXPECT_EQ(all[0].figures, (UsageFigures{3, 6, 9, 12, 151}));
  EXPECT_EQ(all[1].figures.octets_out, 7U);

  const auto days = *database->Read({.tenant_name = "a", .by_day = true});
  ASSERT_THAT(days, SizeIs(2));
  EXPECT_EQ(days[0].figures.octets_out, 150U);
  EXPECT_EQ(days[1].day, 11U);
  EXPECT_THAT(*database->Read({.first_day = 12, .tenant_name = {}}), IsEmpty());
  EXPECT_THAT(*database->Read({.last_day = 10, .tenant_name = {}, .by_day = true}), SizeIs(2));
}

TEST(UsageDatabaseTest, AFileOfSomethingElseIsLeftAlone) {
  TempDir directory;
  const std::string path = directory.File("usage.db");
  std::ofstream(path) << "not a database, but long enough to be looked at as one, or so it seems\n";
  EXPECT_FALSE(UsageDatabase::OpenOrCreate(path).ok());
  EXPECT_FALSE(UsageDatabase::Open(path).ok());
}

}  // namespace
}  // namespace poplar::auth
