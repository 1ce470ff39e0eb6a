// Stored passwords of every notation: what fits them, what does not, and what they may ask for.

#include "auth/schemes/stored_password.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "auth/schemes/password_hasher.h"

namespace poplar::auth {
namespace {

using base::Secret;

struct Known {
  const char* scheme;
  Strength strength;
  const char* password;
  const char* stored;
};

constexpr Strength kStrong = Strength::kStrong;
constexpr Strength kWeak = Strength::kWeak;

// Where nothing else is said: computed by Python's hashlib, of the password "secret" and the salt
// "NaCl4all", or fb ef be and "salty" (whose base64 has the digits that dialects differ in).
constexpr Known kKnown[] = {
    // libxcrypt's crypt(3) on its own; SHA-crypt's specification; crypt_blowfish's test vectors.
    {"yescrypt", kStrong, "secret", "$y$j75$abcdefg.$gV9JUc2.yxxbeIYtZWXSYKolzH2bMnlOw1d9OADvia0"},
    {"gost-yescrypt", kStrong, "secret",
     "$gy$j75$abcdefg.$AhofsAHuoohuWX317IO2dzIQM2m6kGVkPUcadOF58m6"},
    {"scrypt", kStrong, "secret",
     "{CRYPT}$7$6U..../....abcdefgh$7KpoV2xdjxMogKvvxTLFRuZOwA.Sg9iyqflgZfog686"},
    {"sha256crypt", kStrong, "Hello world!",
     "{SHA256-CRYPT}$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"},
    {"sha512crypt", kStrong, "Hello world!",
     "{sha512-crypt}$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLi"
     "BFdcbYEdFCoEOfaS35inz1"},
    {"bcrypt", kStrong, "U*U",
     "{BLF-CRYPT}$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
    {"md5crypt", kWeak, "rasmuslerdorf", "$1$rasmusle$rISCgZzpwk3UhDidwXvin0"},
    {"md5crypt", kWeak, "rasmuslerdorf", "{MD5-CRYPT}$1$rasmusle$rISCgZzpwk3UhDidwXvin0"},
    {"md5crypt", kWeak, "rasmuslerdorf", "{MD5}$1$rasmusle$rISCgZzpwk3UhDidwXvin0"},
    // The reference implementation's test.c.
    {"argon2id", kWeak, "password",
     "{ARGON2ID}$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$"
     "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"},
    {"argon2id", kWeak, "password",
     "{ARGON2}$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$"
     "bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"},
    {"argon2i", kWeak, "password",
     "{argon2i}$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+"
     "sCcFanM2xBT63UP2sghkUoHLIUpWRS8"},
    {"argon2i", kWeak, "password",  // Version 16, which names itself not.
     "$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY"},
    // RFC 6070 §2, in Dovecot's notation: the second, and the one of 4,096.
    {"pbkdf2-sha1", kWeak, "password",
     "{PBKDF2}$1$salt$2$ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"},
    {"pbkdf2-sha1", kStrong, "password",
     "{PBKDF2}$1$salt$4096$4b007901b765489abead49d926f721d065a429c1"},
    // RFC 7914 §11, the first half of the key.
    {"pbkdf2-sha256", kWeak, "passwd",
     "$pbkdf2-sha256$1$c2FsdA$VawEblbjCJ/sFpHCJUS2BflBhSFt3gRl5oudV8INrLw"},
    {"pbkdf2-sha1", kStrong, "secret", "$pbkdf2$1200$....c2FsdHk$.Y94r7oavqnpykTO1RoiDNAbPPM"},
    {"pbkdf2-sha1", kStrong, "secret", "{PBKDF2}1200$....c2FsdHk$.Y94r7oavqnpykTO1RoiDNAbPPM"},
    {"pbkdf2-sha1", kStrong, "secret", "{PBKDF2-SHA1}1200$....c2FsdHk$.Y94r7oavqnpykTO1RoiDNAbPPM"},
    {"pbkdf2-sha256", kStrong, "secret",
     "$pbkdf2-sha256$1200$....c2FsdHk$yJsT8EPFUTIHoW8SnHTTT/lNRxd3HXctkMV8MySKdgU"},
    {"pbkdf2-sha512", kStrong, "secret",
     "$pbkdf2-sha512$1200$....c2FsdHk$f9HO5FIvaVBqMz3VPfXzJJRRZFHlVaYJaPSG0ZxIkYHH7xhyRKwKtcPLOjJ2"
     "Go.40twkUA90eGSPSVEzDsVKMA"},
    {"pbkdf2-sha512", kStrong, "secret",
     "{PBKDF2-SHA512}1200$....c2FsdHk$f9HO5FIvaVBqMz3VPfXzJJRRZFHlVaYJaPSG0ZxIkYHH7xhyRKwKtcPLOjJ2"
     "Go.40twkUA90eGSPSVEzDsVKMA"},
    // RFC 5802 §5 and RFC 7677 §3.
    {"scram-sha-1", kStrong, "pencil",
     "{SCRAM-SHA-1}4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/"
     "fTE="},
    {"scram-sha-256", kStrong, "pencil",
     "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
     "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="},
    {"ssha", kWeak, "secret", "{SSHA}Z0zze/o2uMbUR7+pHjEGjXhYcCtOYUNsNGFsbA=="},
    {"ssha", kWeak, "secret", "{ssha.b64}Z0zze/o2uMbUR7+pHjEGjXhYcCtOYUNsNGFsbA"},
    {"ssha", kWeak, "secret", "{SSHA.HEX}674cf37bfa36b8c6d447bfa91e31068d7858702b4e61436c34616c6c"},
    {"ssha256", kWeak, "secret",
     "{SSHA256}CkTXLSSp6KZ2w3eet9wJ5QBFXQjY5ewUp3upS0H/OiVOYUNsNGFsbA=="},
    {"ssha512", kWeak, "secret",
     "{SSHA512}/BlOHk5VHQr443hajA7Jlj7jqxjOYnquQwYWVZll+Nh8DW2UagevqFq0cfuuYF/B4+dhZ92VrEPZT0NaFaF"
     "F9E5hQ2w0YWxs"},
    {"smd5", kWeak, "secret", "{SMD5}0mkvXKkC/qRUTE66+/M9Vk5hQ2w0YWxs"},
    {"sha", kWeak, "secret", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="},
    {"sha", kWeak, "secret", "{SHA1}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4"},
    {"sha256", kWeak, "secret", "{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols="},
    {"sha512", kWeak, "secret",
     "{SHA512}vSsar3708Jvp9Szi2NWZZ02Bqp1qRCFpbcTZPdBhnWgs5WtNZKnvCXdhztmeD2cmW192CF5bDufKRpayrW"
     "/isg=="},
    {"md5", kWeak, "secret", "{MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ=="},
    {"md5", kWeak, "secret", "{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69"},
    {"plain", kWeak, "secret", "{PLAIN}secret"},
    {"plain", kWeak, "}{se cret$1$", "{CLEAR}}{se cret$1$"},
    {"plain", kWeak, "secret", "{cleartext}secret"},
};

// The same sources; too dear to be verified hundreds of times.
constexpr Known kKnownCostly[] = {
    {"bcrypt", kStrong, "U*U",
     "{Crypt}$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
    {"argon2id", kStrong, "password",
     "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"},
    {"argon2i", kStrong, "password",
     "{argon2i}$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$"
     "wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA"},
    {"pbkdf2-sha256", kStrong, "Password",
     "{PBKDF2-SHA256}80000$TmFDbA$TdzY9guYviGDDO5e8icB.WQaRBjQTAQUrv8Ih2s0q1Y"},
};

class KnownPasswordTest : public testing::TestWithParam<Known> {
 protected:
  const PasswordHasher hasher_{{.prefix = "$y$", .cost = 1}};
};

TEST_P(KnownPasswordTest, OnlyTheRightOneFits) {
  const Known& known = GetParam();
  const std::string right = known.password;
  EXPECT_EQ(SchemeName(known.stored), known.scheme);
  const auto verify = [&](const std::string& password) {
    return hasher_.Verify(known.stored, Secret(password), WeakSchemes::kAllow);
  };
  EXPECT_EQ(verify(right), HashVerdict::kMatch);
  EXPECT_EQ(verify(right + "!"), HashVerdict::kMismatch);
  EXPECT_EQ(verify(right.substr(1)), HashVerdict::kMismatch);
  EXPECT_EQ(verify("Secret"), HashVerdict::kMismatch);
  EXPECT_EQ(verify(""), HashVerdict::kMismatch);
}

TEST_P(KnownPasswordTest, WeakOnesCountOnlyWhereTheyAreAllowed) {
  const Known& known = GetParam();
  const bool strong = known.strength == kStrong;
  EXPECT_EQ(hasher_.Verify(known.stored, Secret(known.password)),
            strong ? HashVerdict::kMatch : HashVerdict::kUnusable);
  EXPECT_EQ(CheckStoredHash(known.stored).ok(), strong);
  EXPECT_TRUE(CheckStoredHash(known.stored, WeakSchemes::kAllow).ok());
}

class MutationTest : public KnownPasswordTest {};

// Each character another one: whatever that makes of the value, the password no longer fits. (What
// differs in case alone may be the same: tags, hexadecimal.)
TEST_P(MutationTest, NoMutationFits) {
  const Known& known = GetParam();
  const std::string stored = known.stored;
  for (size_t i = 0; i < stored.size(); ++i) {
    for (const int flip : {0x01, 0x10}) {
      std::string mutant = stored;
      mutant[i] = static_cast<char>(mutant[i] ^ flip);
      EXPECT_NE(hasher_.Verify(mutant, Secret(known.password), WeakSchemes::kAllow),
                HashVerdict::kMatch)
          << mutant;
    }
  }
}

TEST_P(MutationTest, NoPartFits) {
  const Known& known = GetParam();
  const std::string stored = known.stored;
  // Padding may be missing.
  const size_t end = stored.find_last_not_of('=') + 1;
  for (size_t bytes = 0; bytes < end; ++bytes) {
    EXPECT_NE(hasher_.Verify(stored.substr(0, bytes), Secret(known.password), WeakSchemes::kAllow),
              HashVerdict::kMatch)
        << stored.substr(0, bytes);
  }
  EXPECT_NE(hasher_.Verify(stored + "x", Secret(known.password), WeakSchemes::kAllow),
            HashVerdict::kMatch);
}

std::string NameOf(const testing::TestParamInfo<Known>& known) {
  std::string name = known.param.scheme + std::to_string(known.index);
  std::erase(name, '-');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Known, KnownPasswordTest, testing::ValuesIn(kKnown), &NameOf);
INSTANTIATE_TEST_SUITE_P(Costly, KnownPasswordTest, testing::ValuesIn(kKnownCostly), &NameOf);
INSTANTIATE_TEST_SUITE_P(Known, MutationTest, testing::ValuesIn(kKnown), &NameOf);

TEST(StoredPasswordTest, WhatHasNoKnownFormIsNeverClearText) {
  for (const char* text :
       {"",
        "secret",
        "*",
        "!",
        "{",
        "}",
        "{}",
        "{}secret",
        "{PLAIN",
        "PLAIN}secret",
        "{NONE}secret",
        "{PLAIN.HEX}736563726574",
        "{SSHA.FOO}Z0zze/o2uMbUR7+pHjEGjXhYcCtOYUNsNGFsbA==",
        "{CRYPT}secret",
        "{CRYPT}{PLAIN}secret",
        "{CRYPT}$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$",
        "{SHA512-CRYPT}$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
        "$",
        "$x$",
        "rl.3StKT.4T8M",
        "{DES-CRYPT}rl.3StKT.4T8M",
        " {PLAIN}secret"}) {
    EXPECT_FALSE(ParseStoredPassword(text)) << text;
    EXPECT_FALSE(CheckStoredHash(text, WeakSchemes::kAllow).ok()) << text;
  }
  EXPECT_FALSE(ParseStoredPassword(std::string_view("{PLAIN}a\0b", 10)));
  EXPECT_FALSE(ParseStoredPassword("{PLAIN}" + std::string(kStoredPasswordBytesMax, 'x')));
}

TEST(StoredPasswordTest, NobodyFitsAnEmptyOne) {
  for (const char* text : {"{PLAIN}", "{SSHA}", "{SHA}", "{PBKDF2}", "{SCRAM-SHA-256}", "$6$",
                           "{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQ="}) {  // A digest without its salt.
    const PasswordHasher hasher({.prefix = "$y$", .cost = 1});
    EXPECT_NE(hasher.Verify(text, Secret(""), WeakSchemes::kAllow), HashVerdict::kMatch) << text;
    EXPECT_NE(hasher.Verify(text, Secret("secret"), WeakSchemes::kAllow), HashVerdict::kMatch);
  }
}

// Each would take gigabytes or minutes.
TEST(StoredPasswordTest, WhatAsksForTooMuchIsNotComputed) {
  const std::string hash43 = "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5";
  const std::string argon2_end = "$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
  const std::string pbkdf2_end = "$c2FsdA$VawEblbjCJ/sFpHCJUS2BflBhSFt3gRl5oudV8INrLw";
  const std::string scram_end =
      ":W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
      "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
  for (const std::string& text : std::initializer_list<std::string>{
           "$2b$16$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
           "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
           "$6$rounds=5000001$saltstring$" + hash43,
           "$5$rounds=999999999$saltstring$" + hash43,
           "$y$jET$abcdefg.$" + hash43,         // 512 MiB.
           "$y$jTT$abcdefg.$" + hash43,         // Terabytes.
           "$y$j9T7$abcdefg.$" + hash43,        // Further parameters.
           "$y$j9z/$abcdefg.$" + hash43,        // r in two digits.
           "$gy$jFT$abcdefg.$" + hash43,        // 1 GiB.
           "$7$GU..../....abcdefg.$" + hash43,  // N = 2^18, r = 32.
           "$7$CU......./.abcdefg.$" + hash43,  // p = 2^18.
           "$7$zzzzzzzzzzzabcdefg.$" + hash43,
           "$argon2id$v=19$m=262145,t=1,p=1" + argon2_end,
           "$argon2id$v=19$m=4294967295,t=1,p=1" + argon2_end,
           "$argon2id$v=19$m=65536,t=33,p=1" + argon2_end,
           "$argon2id$v=19$m=8,t=4294967295,p=1" + argon2_end,
           "$argon2id$v=19$m=65536,t=1,p=17" + argon2_end,
           "$argon2id$v=19$m=65536,t=1,p=16777215" + argon2_end,
           "$argon2id$v=19$m=65536,t=0,p=1" + argon2_end,
           "$argon2id$v=19$m=65536,t=1,p=0" + argon2_end,
           "$argon2id$v=19$m=15,t=1,p=2" + argon2_end,
           "$pbkdf2-sha256$5000001" + pbkdf2_end,
           "$pbkdf2-sha256$4294967295" + pbkdf2_end,
           "$pbkdf2-sha256$0" + pbkdf2_end,
           "{PBKDF2-SHA256}4294967296" + pbkdf2_end,
           "SCRAM-SHA-256$5000001" + scram_end,
           "SCRAM-SHA-256$0" + scram_end,
       }) {
    EXPECT_TRUE(ParseStoredPassword(text)) << text;
    EXPECT_FALSE(CheckStoredHash(text, WeakSchemes::kAllow).ok()) << text;
  }
}

TEST(StoredPasswordTest, LengthsThatMakeAHashWorthlessAreRefused) {
  const std::string argon2 = "$argon2id$v=19$m=65536,t=2,p=1$";
  const std::string salt = "c29tZXNhbHQ";
  for (const std::string& text : std::initializer_list<std::string>{
           argon2 + salt + "$AAAAAA",  // A hash of four octets.
           argon2 + salt + "$",        // None.
           argon2 + salt,
           argon2 + "c2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",  // A salt of four.
           argon2 + salt + "$" + std::string(88, 'A'),                     // 66 octets.
           "{PBKDF2}$1$salt$4096$4b007901",
           "{PBKDF2}$1$$4096$4b007901b765489abead49d926f721d065a429c1",
           "{SCRAM-SHA-1}4096,,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=",
           "{SHA256}5en6G6MezRroT3XKqkdPOmY/BfQ=",
       }) {
    EXPECT_FALSE(CheckStoredHash(text, WeakSchemes::kAllow).ok()) << text;
  }
}

}  // namespace
}  // namespace poplar::auth
