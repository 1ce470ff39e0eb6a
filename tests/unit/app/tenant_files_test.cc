#include "core/app/tenant_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "tests/unit/auth/temp_dir.h"

namespace poplar::app {
namespace {

class TenantFilesTest : public testing::Test {
 protected:
  TenantFilesTest() {
    users_ = *auth::UserDatabase::Create(dir_.File("users.db"));
    std::filesystem::create_directory(folder_);
    Write("acme");
    Write("other");
  }
  std::string PathOf(const std::string& tenant) const { return folder_ + "/" + tenant + ".toml"; }
  void Write(const std::string& tenant) const {
    std::ofstream(PathOf(tenant)) << "domains = [\"" << tenant << ".example\"]\n";
  }
  void Remove(const std::string& tenant) const { std::filesystem::remove(PathOf(tenant)); }
  void Look() { ASSERT_TRUE(files_->Look(*users_).ok()); }
  bool Served(const std::string& tenant) {
    const auto found = users_->FindTenant(tenant);
    return found.ok() && found->enabled && found->domains.size() == 1;
  }

  auth::TempDir dir_;
  const std::string folder_ = dir_.File("tenants.d");
  std::unique_ptr<auth::UserDatabase> users_;
  std::unique_ptr<TenantFiles> files_ = std::make_unique<TenantFiles>(folder_);
};

TEST_F(TenantFilesTest, OneThatIsGoneAtTwoLooksIsDisabled) {
  Look();
  ASSERT_TRUE(Served("acme") && Served("other"));
  Remove("acme");
  Look();
  EXPECT_TRUE(Served("acme"));
  Look();
  EXPECT_FALSE(Served("acme"));
  EXPECT_TRUE(Served("other"));
  Write("acme");
  Look();
  EXPECT_TRUE(Served("acme"));
}

TEST_F(TenantFilesTest, OneThatIsWrittenAnewIsNot) {
  Look();
  for (int round = 0; round < 3; ++round) {
    Remove("acme");
    Look();
    EXPECT_TRUE(Served("acme"));
    Write("acme");
    Look();
    EXPECT_TRUE(Served("acme"));
  }
}

// Nor at a start, and after a time without any file.
TEST_F(TenantFilesTest, TheFirstLookDisablesNobody) {
  Look();
  Remove("acme");
  files_ = std::make_unique<TenantFiles>(folder_);
  Look();
  EXPECT_TRUE(Served("acme"));
  Write("acme");
  Look();
  Look();
  EXPECT_TRUE(Served("acme"));
  Remove("acme");
  Remove("other");
  for (int i = 0; i < 3; ++i) Look();
  EXPECT_TRUE(Served("acme") && Served("other"));
  Write("other");
  Look();
  EXPECT_TRUE(Served("acme"));
  Look();
  EXPECT_FALSE(Served("acme"));
  EXPECT_TRUE(Served("other"));
}

// Whoever opened it to read would wait for ever.
// Until it is said of enough of them that they are to go.
TEST_F(TenantFilesTest, MostOfThemAtOnceStay) {
  for (int i = 0; i < 20; ++i) Write("t" + std::to_string(i));
  Look();
  for (int i = 0; i < 20; ++i) Remove("t" + std::to_string(i));
  Look();
  Look();
  EXPECT_TRUE(Served("t0") && Served("t19"));
  EXPECT_EQ(files_->wrong().Read(), 1);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(users_->SetTenantEnabled("t" + std::to_string(i), false).ok());
  }
  for (int look = 0; look < TenantFiles::kLooksPerRetry; ++look) Look();
  EXPECT_FALSE(Served("t0") || Served("t19"));
  EXPECT_TRUE(Served("acme"));
  EXPECT_EQ(files_->wrong().Read(), 0);
}

TEST_F(TenantFilesTest, OneThatIsAFifoHoldsUpNobody) {
  ASSERT_EQ(::mkfifo(PathOf("fifo").c_str(), 0600), 0);
  Look();
  EXPECT_TRUE(Served("acme") && Served("other"));
  EXPECT_FALSE(Served("fifo"));
  EXPECT_EQ(files_->wrong().Read(), 1);
}

}  // namespace
}  // namespace poplar::app
