#include "auth/schemes/password_hasher.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "auth/schemes/hasher_pool.h"

namespace poplar::auth {
namespace {

using base::Secret;

TEST(PasswordHasherTest, MakesYescryptByDefault) {
  PasswordHasher hasher;
  const auto hash = hasher.Hash(Secret("correct horse"));
  ASSERT_TRUE(hash.ok()) << hash.status();
  EXPECT_TRUE(hash->starts_with("$y$")) << *hash;
  EXPECT_EQ(SchemeName(*hash), "yescrypt");
  EXPECT_TRUE(CheckStoredHash(*hash).ok());
  EXPECT_EQ(hasher.Verify(*hash, Secret("correct horse")), HashVerdict::kMatch);
  EXPECT_EQ(hasher.Verify(*hash, Secret("correct horsf")), HashVerdict::kMismatch);
  EXPECT_NE(*hasher.Hash(Secret("correct horse")), *hash) << "the salt must be fresh";
}

TEST(PasswordHasherTest, CostIsConfigurable) {
  PasswordHasher cheap({.prefix = "$y$", .cost = 1});
  PasswordHasher bcrypt({.prefix = "$2b$", .cost = 4});
  const std::string hash = *cheap.Hash(Secret("x"));
  const std::string other = *bcrypt.Hash(Secret("x"));
  EXPECT_NE(hash.substr(0, 7), PasswordHasher().Hash(Secret("x"))->substr(0, 7));
  EXPECT_TRUE(other.starts_with("$2b$04$"));
  // Any hasher verifies any scheme.
  EXPECT_EQ(bcrypt.Verify(hash, Secret("x")), HashVerdict::kMatch);
  EXPECT_EQ(cheap.Verify(other, Secret("x")), HashVerdict::kMatch);
}

struct Known {
  const char* password;
  const char* hash;
  const char* scheme;
};

class KnownHashTest : public testing::TestWithParam<Known> {};

TEST_P(KnownHashTest, Verifies) {
  PasswordHasher hasher({.prefix = "$y$", .cost = 1});
  const Known& known = GetParam();
  EXPECT_EQ(SchemeName(known.hash), known.scheme);
  EXPECT_TRUE(CheckStoredHash(known.hash).ok());
  EXPECT_EQ(hasher.Verify(known.hash, Secret(known.password)), HashVerdict::kMatch);
  EXPECT_EQ(hasher.Verify("{CRYPT}" + std::string(known.hash), Secret(known.password)),
            HashVerdict::kMatch);
  EXPECT_EQ(hasher.Verify(known.hash, Secret(std::string(known.password) + "!")),
            HashVerdict::kMismatch);
}

// From the specification of SHA-crypt, and from crypt_blowfish's own test vectors.
INSTANTIATE_TEST_SUITE_P(
    Vectors, KnownHashTest,
    testing::Values(
        Known{"Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
              "sha256crypt"},
        Known{"Hello world!",
              "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/"
              "O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
              "sha512crypt"},
        Known{"U*U", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "bcrypt"}));

TEST(PasswordHasherTest, WeakAndBrokenHashesFitNoPassword) {
  PasswordHasher hasher({.prefix = "$y$", .cost = 1});
  for (const char* bad : {"", "*", "!", "!$6$salt$x", "plain", "{PLAIN}plain", "{CRYPT}",
                          "rl.3StKT.4T8M",                       // DES of "rasmuslerdorf".
                          "_J9..rasmBYk8r9AiWNc",                // BSDi DES.
                          "$1$rasmusle$rISCgZzpwk3UhDidwXvin0",  // MD5.
                          "$3$$8846f7eaee8fb117ad06bdd830b7586c"}) {
    EXPECT_FALSE(CheckStoredHash(bad).ok()) << bad;
    EXPECT_EQ(hasher.Verify(bad, Secret("rasmuslerdorf")), HashVerdict::kUnusable) << bad;
  }
}

TEST(PasswordHasherTest, DamagedHashesNeverMatch) {
  PasswordHasher hasher({.prefix = "$y$", .cost = 1});
  const std::string hash = *hasher.Hash(Secret("secret"));
  for (size_t cut = 0; cut < hash.size(); ++cut) {
    EXPECT_NE(hasher.Verify(hash.substr(0, cut), Secret("secret")), HashVerdict::kMatch) << cut;
  }
  EXPECT_NE(hasher.Verify(hash + "x", Secret("secret")), HashVerdict::kMatch);
}

TEST(PasswordHasherTest, FaultsDoNotShowTheHash) {
  const Status status = CheckStoredHash("$1$rasmusle$rISCgZzpwk3UhDidwXvin0");
  EXPECT_EQ(status.ToString().find("rasmusle"), std::string::npos);
}

TEST(PasswordHasherTest, PasswordPolicy) {
  EXPECT_FALSE(CheckNewPassword(Secret("")).ok());
  EXPECT_TRUE(CheckNewPassword(Secret("x")).ok());
  EXPECT_TRUE(CheckNewPassword(Secret(std::string(511, 'x'))).ok());
  EXPECT_FALSE(CheckNewPassword(Secret(std::string(512, 'x'))).ok());
  EXPECT_FALSE(CheckNewPassword(Secret(std::string_view("a\0b", 3))).ok());
  EXPECT_FALSE(CheckNewPassword(Secret("a\nb")).ok());
  EXPECT_FALSE(PasswordHasher().Hash(Secret("")).ok());
}

TEST(PasswordHasherTest, PasswordsThatCannotBeAreNotCutToOnesThatCan) {
  PasswordHasher hasher({.prefix = "$y$", .cost = 1});
  const std::string hash = *hasher.Hash(Secret("a"));
  EXPECT_EQ(hasher.Verify(hash, Secret(std::string_view("a\0b", 3))), HashVerdict::kMismatch);
  const std::string longest = *hasher.Hash(Secret(std::string(511, 'x')));
  EXPECT_EQ(hasher.Verify(longest, Secret(std::string(511, 'x'))), HashVerdict::kMatch);
  EXPECT_EQ(hasher.Verify(longest, Secret(std::string(512, 'x'))), HashVerdict::kMismatch);
  EXPECT_EQ(hasher.Verify(longest, Secret(std::string(5000, 'x'))), HashVerdict::kMismatch);
}

TEST(HasherPoolTest, EveryAnswerCostsOneComputation) {
  HasherPool pool({.prefix = "$y$", .cost = 1});
  const std::string hash = *PasswordHasher({.prefix = "$y$", .cost = 1}).Hash(Secret("x"));
  EXPECT_EQ(pool.Verify(hash, Secret("x")), HashVerdict::kMatch);
  EXPECT_EQ(pool.Verify(hash, Secret("y")), HashVerdict::kMismatch);
  EXPECT_EQ(pool.Verify("", Secret("x")), HashVerdict::kUnusable);
  pool.SpendOne(Secret("x"));
  EXPECT_EQ(pool.computations(), 4U);
}

TEST(HasherPoolTest, ServesManyThreads) {
  HasherPool pool({.prefix = "$y$", .cost = 1});
  const std::string hash = *PasswordHasher({.prefix = "$y$", .cost = 1}).Hash(Secret("x"));
  std::atomic<int> matches{0};
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 10; ++round) {
        if (pool.Verify(hash, Secret("x")) == HashVerdict::kMatch) ++matches;
        if (pool.Verify(hash, Secret("z")) == HashVerdict::kMatch) ++matches;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(matches, 40);
}

TEST(PasswordHasherTest, OptionsThatLibxcryptRefusesAreAFault) {
  EXPECT_EQ(PasswordHasher({.prefix = "$nonsense$"}).Hash(Secret("x")).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(PasswordHasher({.prefix = "$1$"}).Hash(Secret("x")).status().code(),
            StatusCode::kInvalidArgument);
}

TEST(HashOptionsOf, NewHashesCostWhatIsRightToday) {
  const auto prefix_of = [](std::string_view scheme, size_t bytes) {
    const auto hash = PasswordHasher(HashOptionsOf(scheme)).Hash(base::Secret("password"));
    return hash.ok() ? hash->substr(0, bytes) : "";
  };
  EXPECT_EQ(prefix_of("bcrypt", 7), "$2b$12$");
  EXPECT_EQ(prefix_of("sha512crypt", 3), "$6$");
  EXPECT_EQ(prefix_of("yescrypt", 3), "$y$");
}

}  // namespace
}  // namespace poplar::auth
