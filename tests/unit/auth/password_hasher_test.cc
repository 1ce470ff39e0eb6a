#include "auth/schemes/password_hasher.h"

#include <argon2.h>
#include <gtest/gtest.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "auth/schemes/hasher_pool.h"
#include "auth/schemes/prepared_text.h"

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

TEST(PasswordHasherTest, WeakAndBrokenHashesFitNoPassword) {
  PasswordHasher hasher({.prefix = "$y$", .cost = 1});
  for (const char* bad : {"", "*", "!", "!$6$salt$x", "plain", "{PLAIN}rasmuslerdorf", "{CRYPT}",
                          "rl.3StKT.4T8M",                       // DES of "rasmuslerdorf".
                          "_J9..rasmBYk8r9AiWNc",                // BSDi DES.
                          "$1$rasmusle$rISCgZzpwk3UhDidwXvin0",  // MD5.
                          "$3$$8846f7eaee8fb117ad06bdd830b7586c"}) {
    EXPECT_FALSE(CheckStoredHash(bad).ok()) << bad;
    EXPECT_EQ(hasher.Verify(bad, Secret("rasmuslerdorf")), HashVerdict::kUnusable) << bad;
  }
}

TEST(PasswordHasherTest, AWrongPasswordIsWrongWhereWeakSchemesDoNotCount) {
  PasswordHasher hasher({.prefix = "$y$", .cost = 1});
  for (const char* weak : {"{PLAIN}secret", "{SSHA}Z0zze/o2uMbUR7+pHjEGjXhYcCtOYUNsNGFsbA==",
                           "$1$rasmusle$rISCgZzpwk3UhDidwXvin0"}) {
    EXPECT_EQ(hasher.Verify(weak, Secret("wrong")), HashVerdict::kMismatch) << weak;
  }
  EXPECT_EQ(hasher.Verify("{SSHA}damaged", Secret("wrong")), HashVerdict::kUnusable);
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

TEST(PasswordHasherTest, TellsWhyAHashIsUnusable) {
  const std::string weak = WhyUnusable("{PLAIN}hidden", WeakSchemes::kRefuse);
  EXPECT_NE(weak.find("of a weak scheme (plain)"), std::string::npos) << weak;
  EXPECT_NE(weak.find("weak_schemes = true"), std::string::npos) << weak;
  const std::string damaged = WhyUnusable("{SSHA}hidden", WeakSchemes::kRefuse);
  EXPECT_NE(damaged.find("(ssha) is damaged"), std::string::npos) << damaged;
  const std::string unknown = WhyUnusable("hidden", WeakSchemes::kAllow);
  EXPECT_NE(unknown.find("of no known scheme"), std::string::npos) << unknown;
  for (const std::string& text : {weak, damaged, unknown}) {
    EXPECT_EQ(text.find("weak_schemes") == std::string::npos, text != weak) << text;
    EXPECT_EQ(text.find("hidden"), std::string::npos) << text;
  }
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

TEST(PasswordHasherTest, MakesArgon2id) {
  const PasswordHasher hasher(HashOptionsOf("argon2id"));
  const auto hash = hasher.Hash(Secret("secret"));
  ASSERT_TRUE(hash.ok()) << hash.status();
  EXPECT_TRUE(hash->starts_with("$argon2id$v=19$m=19456,t=2,p=1$")) << *hash;
  EXPECT_TRUE(CheckStoredHash(*hash).ok());
  EXPECT_EQ(hasher.Verify(*hash, Secret("secret")), HashVerdict::kMatch);
  EXPECT_EQ(hasher.Verify(*hash, Secret("Secret")), HashVerdict::kMismatch);
  EXPECT_NE(*hasher.Hash(Secret("secret")), *hash) << "the salt must be fresh";
  // libargon2's own encoder and decoder agree.
  EXPECT_EQ(argon2id_verify(hash->c_str(), "secret", 6), ARGON2_OK);
  EXPECT_EQ(PasswordHasher({.prefix = "$argon2id$", .cost = 300 * 1024})
                .Hash(Secret("x"))
                .status()
                .code(),
            StatusCode::kInvalidArgument)
      << "more than could be verified";
}

TEST(PasswordHasherTest, HashesOfAnotherSchemeOrCostAreToBeMadeAnew) {
  const std::vector<HashOptions> options = {
      HashOptionsOf("yescrypt"),       HashOptionsOf("bcrypt"),
      HashOptionsOf("sha512crypt"),    HashOptionsOf("argon2id"),
      {.prefix = "$y$", .cost = 1},    {.prefix = "$2b$", .cost = 4},
      {.prefix = "$6$", .cost = 6000}, {.prefix = "$argon2id$", .cost = 8192}};
  std::vector<std::string> hashes;
  hashes.reserve(options.size());
  for (const HashOptions& option : options) {
    hashes.push_back(*PasswordHasher(option).Hash(Secret("secret")));
  }
  for (size_t i = 0; i < options.size(); ++i) {
    const PasswordHasher hasher(options[i]);
    for (size_t j = 0; j < hashes.size(); ++j) {
      EXPECT_EQ(hasher.NeedsRehash(hashes[j], Secret("secret")), i != j)
          << hashes[i] << ' ' << hashes[j];
    }
    EXPECT_TRUE(
        hasher.NeedsRehash("{SSHA}Z0zze/o2uMbUR7+pHjEGjXhYcCtOYUNsNGFsbA==", Secret("secret")));
    EXPECT_TRUE(hasher.NeedsRehash("{PLAIN}secret", Secret("secret")));
    EXPECT_FALSE(hasher.NeedsRehash("", Secret("secret")));
    EXPECT_FALSE(hasher.NeedsRehash("no hash", Secret("secret")));
    EXPECT_FALSE(
        hasher.NeedsRehash("{SCRAM-SHA-1}4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,"
                           "D+CSWLOshSulAsxiupA+qs2/fTE=",
                           Secret("secret")))
        << "its keys serve SCRAM";
  }
  EXPECT_FALSE(PasswordHasher(options[0]).NeedsRehash("{CRYPT}" + hashes[0], Secret("secret")));
  // bcrypt fits whatever follows the 72 octets that it reads.
  const std::string start(72, 'x');
  const std::string bcrypt = *PasswordHasher(options[5]).Hash(Secret(start + "right"));
  EXPECT_EQ(PasswordHasher(options[5]).Verify(bcrypt, Secret(start + "wrong")),
            HashVerdict::kMatch);
  EXPECT_FALSE(PasswordHasher(options[0]).NeedsRehash(bcrypt, Secret(start + "wrong")));
  EXPECT_TRUE(PasswordHasher(options[0]).NeedsRehash(bcrypt, Secret(start)));
}

// What is promised here is the CPU's time, so that is measured, on the thread's own clock: a quick
// scheme's mismatch must take that of a computation, its match need not.
TEST(PasswordHasherTest, AMismatchCostsAComputationWhateverTheScheme) {
  const PasswordHasher hasher;
  const auto cpu_us_of = [](const auto& work) {
    int64_t least_us = std::numeric_limits<int64_t>::max();
    for (int i = 0; i < 5; ++i) {
      timespec before{};
      timespec after{};
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
      work();
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
      least_us = std::min(least_us, (after.tv_sec - before.tv_sec) * 1'000'000 +
                                        (after.tv_nsec - before.tv_nsec) / 1000);
    }
    return least_us;
  };
  const int64_t one_us = cpu_us_of([&] { hasher.SpendOne(Secret("wrong")); });
  for (const char* stored :
       {"$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "$y$j75$abcdefg.$x",
        "{SSHA}Z0zze/o2uMbUR7+pHjEGjXhYcCtOYUNsNGFsbA==", "{PLAIN}secret",
        "$1$rasmusle$rISCgZzpwk3UhDidwXvin0", "$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$",
        "{PBKDF2}$1$salt$2$ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957", "", "nothing known"}) {
    EXPECT_GT(cpu_us_of([&] { hasher.Verify(stored, Secret("wrong"), WeakSchemes::kAllow); }),
              one_us / 2)
        << stored;
    EXPECT_GT(cpu_us_of([&] { hasher.Verify(stored, Secret("wrong")); }), one_us / 2) << stored;
  }
  EXPECT_LT(cpu_us_of([&] { hasher.Verify("{PLAIN}x", Secret("x"), WeakSchemes::kAllow); }),
            one_us / 2);
}

TEST(HasherPoolTest, EveryAnswerCostsOneComputation) {
  HasherPool pool({.prefix = "$y$", .cost = 1});
  const std::string hash = *PasswordHasher({.prefix = "$y$", .cost = 1}).Hash(Secret("x"));
  EXPECT_EQ(pool.Verify(hash, Secret("x")), HashVerdict::kMatch);
  EXPECT_EQ(pool.Verify(hash, Secret("y")), HashVerdict::kMismatch);
  EXPECT_EQ(pool.Verify("", Secret("x")), HashVerdict::kUnusable);
  pool.SpendOne(Secret("x"));
  EXPECT_EQ(pool.Verify("{PLAIN}x", Secret("x"), WeakSchemes::kAllow), HashVerdict::kMatch);
  EXPECT_TRUE(pool.Hash(Secret("x")).ok());
  EXPECT_EQ(pool.computations(), 6U);
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

TEST(PasswordHasherTest, MakesScramKeys) {
  const PasswordHasher hasher(HashOptionsOf("scram-sha-256", 4096));
  const base::Secret password("pencil");
  const std::string stored = *hasher.Hash(password);
  EXPECT_TRUE(stored.starts_with("SCRAM-SHA-256$4096:")) << stored;
  EXPECT_NE(*hasher.Hash(password), stored) << "a fresh salt";
  EXPECT_EQ(hasher.Verify(stored, password), HashVerdict::kMatch);
  EXPECT_EQ(hasher.Verify(stored, base::Secret("Pencil")), HashVerdict::kMismatch);
  EXPECT_FALSE(hasher.NeedsRehash(stored, password));
  EXPECT_TRUE(
      hasher.NeedsRehash(*PasswordHasher({.prefix = "$y$", .cost = 1}).Hash(password), password))
      << "so users get keys as they log in";
  EXPECT_TRUE(PasswordHasher(HashOptionsOf("scram-sha-256"))
                  .Hash(password)
                  ->starts_with("SCRAM-SHA-256$65536:"));
}

TEST(SaslPrepTest, AsRfc4013HasIt) {
  const auto prepared = [](std::string_view text) {
    const std::optional<base::Secret> secret = SaslPrep(text);
    return secret ? std::string(secret->Reveal()) : "forbidden";
  };
  EXPECT_EQ(prepared("I\xc2\xadX"), "IX");
  EXPECT_EQ(prepared("user"), "user");
  EXPECT_EQ(prepared("USER"), "USER");
  EXPECT_EQ(prepared("\xc2\xaa"), "a");
  EXPECT_EQ(prepared("\xe2\x85\xa8"), "IX");
  EXPECT_EQ(prepared("\x07"), "forbidden");
  EXPECT_EQ(prepared("\xd8\xa7"
                     "1"),
            "forbidden")
      << "both directions";
  EXPECT_EQ(prepared(std::string_view("a\0b", 3)), "forbidden");
  EXPECT_EQ(prepared("\xff"), "forbidden") << "no UTF-8";
}

TEST(FoldNameTest, OneFormForEverySpelling) {
  EXPECT_EQ(FoldName("alice@example.org"), "alice@example.org");
  for (const char* spelling : {"\xef\xbd\x81lice", "\xef\xbc\xa1lice",
                               "al\xe2\x85\xb0"
                               "ce",
                               "\xf0\x9d\x90\x9alice"}) {
    EXPECT_EQ(FoldName(spelling), "alice") << spelling;
  }
  EXPECT_EQ(FoldName("J\xc3\x96RG"), "j\xc3\xb6rg");
  EXPECT_EQ(FoldName("jo\xcc\x88rg"), FoldName("j\xc3\xb6rg")) << "composed";
  EXPECT_EQ(FoldName("a\xd8\xa7\xef\xbd\x81"),
            "a\xd8\xa7"
            "a")
      << "in both directions";
  EXPECT_EQ(FoldName("a\xff"), "a\xff") << "no UTF-8";
}

}  // namespace
}  // namespace poplar::auth
