#include "auth/files/passwd_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "auth/files/passwd_file_backend.h"
#include "tests/unit/auth/temp_dir.h"

namespace poplar::auth {
namespace {

using ::testing::HasSubstr;

PasswdUser One(std::string_view line, std::string_view default_domain = "acme.example") {
  const PasswdUsers users = ParsePasswdFile(line, default_domain);
  EXPECT_EQ(users.lines_refused, 0U) << users.first_fault;
  EXPECT_EQ(users.by_login.size(), 1U);
  return users.by_login.begin()->second;
}

TEST(PasswdFile, LinesAsDovecotHasThem) {
  const PasswdUsers users = ParsePasswdFile(
      "# a comment\n"
      "\n"
      "Alice@Acme.Example:{SHA512-CRYPT}$6$x$y:1000:1000:Alice::/home/a:/bin/"
      "sh:userdb_mail=maildir:~/M\r\n"
      "bob:{PLAIN}p::::::\n"
      "carol@acme.example:$6$x$y",
      "acme.example");
  EXPECT_EQ(users.lines_refused, 0U) << users.first_fault;
  ASSERT_EQ(users.by_login.size(), 3U);
  EXPECT_EQ(users.by_login.at("alice@acme.example").stored_password, "{SHA512-CRYPT}$6$x$y");
  EXPECT_EQ(users.by_login.at("alice@acme.example").account, "alice@acme.example");
  EXPECT_EQ(users.by_login.at("bob@acme.example").stored_password, "{PLAIN}p");
  EXPECT_EQ(users.by_login.at("carol@acme.example").stored_password, "$6$x$y");
}

TEST(PasswdFile, ExtraFields) {
  const PasswdUser user =
      One("a:x::::::userdb_quota_rule=*:storage=1G:messages=100 nologin=y poplar_account=3f0c");
  EXPECT_EQ(user.quota.octets, uint64_t{1} << 30);
  EXPECT_EQ(user.quota.messages, 100U);
  EXPECT_TRUE(user.disabled);
  EXPECT_EQ(user.account, "3f0c");
  EXPECT_EQ(One("a:x::::::userdb_quota_rule=*:storage=100").quota.octets, 102'400U);
  EXPECT_EQ(One("a:x::::::userdb_quota_rule=*:bytes=100").quota.octets, 100U);
  EXPECT_EQ(One("a:x::::::userdb_quota_rule=Trash:storage=1").quota.octets, std::nullopt);
}

TEST(PasswdFile, WhereUsersMayComeFrom) {
  EXPECT_EQ(One("a:x").networks, "");
  EXPECT_EQ(One("a:x::::::allow_nets=127.0.0.0/8,::1 nologin").networks, "127.0.0.0/8,::1");
  EXPECT_EQ(One("a:x::::::allow_nets=local").networks, "local");
  EXPECT_NE(One("a:x::::::allow_nets=").networks, "") << "nobody, not everybody";
  const PasswdUsers users =
      ParsePasswdFile("a:x::::::allow_nets=192.0.2.7/24,198.51.100.7\n", "acme.example");
  EXPECT_EQ(users.by_login.size(), 1U) << "his mail must not bounce";
  EXPECT_THAT(users.first_fault, HasSubstr("line 1: allow_nets has what is no network"));
}

TEST(PasswdFile, LockedAndEmptyPasswords) {
  EXPECT_TRUE(One("a:!$6$x$y").locked);
  EXPECT_TRUE(One("a:*").locked);
  EXPECT_EQ(One("a:!$6$x$y").stored_password, "");
  EXPECT_FALSE(One("a:").locked);
  EXPECT_EQ(One("a").stored_password, "");
}

TEST(PasswdFile, WrongLinesAreLeftOutAndTold) {
  const PasswdUsers users = ParsePasswdFile(
      "a@acme.example:x\n"
      "nodomain:x\n"
      "A@acme.example:y\n"
      ":x\n"
      "@acme.example:x\n"
      "b@acme.example:x::::::userdb_quota_rule=*:storage=many\n"
      "c@acme.example:x::::::userdb_quota_rule=*:bytes=99999999999999T\n"
      "d@acme.example:x::::::poplar_account=\n",
      "");
  EXPECT_EQ(users.by_login.size(), 1U);
  EXPECT_EQ(users.by_login.at("a@acme.example").stored_password, "x");
  EXPECT_EQ(users.lines_refused, 7U);
  EXPECT_EQ(users.first_fault, "line 2: no address, and no default domain");
}

class PasswdFileBackendTest : public testing::Test {
 protected:
  PasswdFileBackendTest() {
    TenantPolicies tenants;
    tenants.by_domain["acme.example"] = {
        .tenant = TenantId(4), .name = "acme", .enabled = true, .maildrop_quota = {.octets = 7}};
    tenants.by_domain["closed.example"] = {
        .tenant = TenantId(5), .name = "closed", .enabled = false, .maildrop_quota = {}};
    board_.Publish(std::make_shared<TenantPolicies>(std::move(tenants)));
    Write(
        "a@acme.example:{PLAIN}x\nb@closed.example:{PLAIN}x\nc@other.example:{PLAIN}x\n"
        "d@acme.example:!x\ne@acme.example:\n");
  }
  void Write(const std::string& text) { std::ofstream(path_, std::ios::trunc) << text; }
  std::unique_ptr<PasswdFileBackend> Open() {
    auto backend = PasswdFileBackend::Open(
        {.name = "old", .path = path_, .default_domain = "", .weak_schemes = true}, board_);
    EXPECT_TRUE(backend.ok()) << backend.status();
    return std::move(*backend);
  }

  // After as many looks as it takes.
  static StatusOr<BackendChanges> Settled(PasswdFileBackend& backend) {
    for (uint32_t look = 1; look < kSettledLooks; ++look) {
      EXPECT_FALSE(backend.TakeChanges()->everything);
    }
    return backend.TakeChanges();
  }
  static bool TakesChanges(PasswdFileBackend& backend) { return Settled(backend)->everything; }
  static std::string WhyNotTaken(PasswdFileBackend& backend) {
    return std::string(Message(Settled(backend).status()));
  }

  TempDir dir_;
  const std::string path_ = dir_.File("users");
  PolicyBoard board_;
};

TEST_F(PasswdFileBackendTest, TheTenantIsTheDomains) {
  const auto backend = Open();
  const BackendAnswer answer = backend->VerifyPassword("a@acme.example", base::Secret("?"), "");
  EXPECT_EQ(answer.outcome, BackendOutcome::kOk);
  EXPECT_EQ(answer.principal.tenant, TenantId(4));
  EXPECT_EQ(answer.principal.quota.octets, 7U);
  EXPECT_EQ(answer.stored_password.Reveal(), "{PLAIN}x");
  EXPECT_TRUE(answer.weak_schemes);
  EXPECT_EQ(backend->Resolve("b@closed.example").outcome, BackendOutcome::kDisabled);
  EXPECT_NE(backend->Resolve("b@closed.example").principal.account, "");
  EXPECT_EQ(backend->Resolve("c@other.example").outcome, BackendOutcome::kUnknown);
  EXPECT_EQ(backend->Resolve("nobody@acme.example").outcome, BackendOutcome::kUnknown);
  EXPECT_EQ(backend->Resolve("d@acme.example").outcome, BackendOutcome::kOk) << "mail goes on";
  for (const char* locked : {"d@acme.example", "e@acme.example"}) {
    EXPECT_EQ(backend->VerifyPassword(locked, base::Secret("x"), "").outcome,
              BackendOutcome::kRefused);
  }
}

TEST_F(PasswdFileBackendTest, ChangesAreReadAndAMissingFileChangesNothing) {
  const auto backend = Open();
  EXPECT_FALSE(backend->TakeChanges()->everything);
  Write("new@acme.example:{PLAIN}y\n");
  EXPECT_TRUE(TakesChanges(*backend));
  EXPECT_EQ(backend->Resolve("new@acme.example").outcome, BackendOutcome::kOk);
  EXPECT_EQ(backend->Resolve("a@acme.example").outcome, BackendOutcome::kUnknown);
  EXPECT_FALSE(TakesChanges(*backend));
  std::filesystem::remove(path_);
  EXPECT_FALSE(backend->TakeChanges().ok());
  EXPECT_EQ(backend->Resolve("new@acme.example").outcome, BackendOutcome::kOk);
}

TEST_F(PasswdFileBackendTest, OneThatIsBeingWrittenIsNotTaken) {
  const auto backend = Open();
  std::string text;
  for (int i = 0; i < 5; ++i) {
    text += "user" + std::to_string(i) + "@acme.example:{PLAIN}y\n";
    Write(text);
    for (uint32_t look = 1; look < kSettledLooks; ++look) {
      EXPECT_FALSE(backend->TakeChanges()->everything);
      EXPECT_EQ(backend->Resolve("a@acme.example").outcome, BackendOutcome::kOk);
    }
  }
  EXPECT_TRUE(backend->TakeChanges()->everything);
  EXPECT_EQ(backend->Resolve("a@acme.example").outcome, BackendOutcome::kUnknown);
  EXPECT_EQ(backend->Resolve("user4@acme.example").outcome, BackendOutcome::kOk);
}

TEST_F(PasswdFileBackendTest, WhatLooksLikeAHalfKeepsTheUsersThatWere) {
  const auto backend = Open();
  for (const char* half : {"", "# users\n", "no address\n", "b@acme.example:{PLAI"}) {
    Write(half);
    EXPECT_THAT(WhyNotTaken(*backend), HasSubstr("the users that it had before stay")) << half;
    EXPECT_EQ(backend->Resolve("a@acme.example").outcome, BackendOutcome::kOk) << half;
  }
  Write("b@acme.example:{PLAIN}x\n");
  EXPECT_TRUE(TakesChanges(*backend));
  EXPECT_EQ(backend->Resolve("a@acme.example").outcome, BackendOutcome::kUnknown);
}

TEST_F(PasswdFileBackendTest, WhoNeverEndsTheLastLineNeedNot) {
  Write("a@acme.example:{PLAIN}x");
  const auto backend = Open();
  Write("bob@acme.example:{PLAIN}x");
  EXPECT_TRUE(TakesChanges(*backend));
  EXPECT_EQ(backend->Resolve("bob@acme.example").outcome, BackendOutcome::kOk);
}

TEST_F(PasswdFileBackendTest, WhatCannotBeReadKeepsTheUsersThatWere) {
  const auto backend = Open();
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);
  EXPECT_THAT(WhyNotTaken(*backend), HasSubstr("users: cannot read it: Is a directory"));
  EXPECT_EQ(backend->Resolve("a@acme.example").outcome, BackendOutcome::kOk);
  EXPECT_EQ(PasswdFileBackend::Open(
                {.name = "x", .path = path_, .default_domain = "", .weak_schemes = false}, board_)
                .status()
                .code(),
            StatusCode::kInvalidArgument);
}

TEST_F(PasswdFileBackendTest, WithoutItsFileItDoesNotStart) {
  EXPECT_EQ(PasswdFileBackend::Open(
                {.name = "x", .path = path_ + ".not", .default_domain = "", .weak_schemes = false},
                board_)
                .status()
                .code(),
            StatusCode::kNotFound);
}

TEST_F(PasswdFileBackendTest, WithoutAPassword) {
  const auto backend = Open();
  EXPECT_TRUE(backend->capabilities().verifiers);
  EXPECT_TRUE(backend->capabilities().clear_text);
  const BackendAnswer answer = backend->FetchVerifier("a@acme.example", "APOP", "");
  EXPECT_EQ(answer.outcome, BackendOutcome::kOk);
  EXPECT_EQ(answer.stored_verifier.Reveal(), "{PLAIN}x");
  EXPECT_TRUE(answer.weak_schemes);
  EXPECT_EQ(answer.principal.tenant, TenantId(4));
  EXPECT_EQ(backend->FetchVerifier("b@closed.example", "APOP", "").outcome,
            BackendOutcome::kDisabled);
  EXPECT_EQ(backend->FetchVerifier("nobody@acme.example", "APOP", "").outcome,
            BackendOutcome::kUnknown);
  EXPECT_EQ(backend->ResolveLogin("a@acme.example", "").outcome, BackendOutcome::kOk);
  EXPECT_EQ(backend->ResolveLogin("d@acme.example", "").outcome, BackendOutcome::kDisabled)
      << "locked";
  EXPECT_EQ(backend->ResolveLogin("nobody@acme.example", "").outcome, BackendOutcome::kUnknown);
}

// Of whom it is told after the right password only, by whatever mechanism.
TEST_F(PasswdFileBackendTest, WhoMayNotLogIn) {
  Write("a@acme.example:{PLAIN}x::::::nologin\nb@closed.example:{PLAIN}x\n");
  const auto backend = Open();
  for (const char* disabled : {"a@acme.example", "b@closed.example"}) {
    const BackendAnswer answer = backend->VerifyPassword(disabled, base::Secret("?"), "192.0.2.1");
    EXPECT_EQ(answer.outcome, BackendOutcome::kDisabled);
    EXPECT_EQ(answer.stored_password.Reveal(), "{PLAIN}x");
    const BackendAnswer verifier = backend->FetchVerifier(disabled, "APOP", "192.0.2.1");
    EXPECT_EQ(verifier.outcome, BackendOutcome::kDisabled);
    EXPECT_EQ(verifier.stored_verifier.Reveal(), "{PLAIN}x");
    EXPECT_EQ(backend->ResolveLogin(disabled, "192.0.2.1").outcome, BackendOutcome::kDisabled);
  }
  const BackendAnswer mail = backend->Resolve("a@acme.example");
  EXPECT_EQ(mail.outcome, BackendOutcome::kOk);
  EXPECT_FALSE(mail.principal.may_log_in);
}

TEST_F(PasswdFileBackendTest, FromElsewhereNothingOfHisIsHandedOut) {
  Write("a@acme.example:{PLAIN}x::::::allow_nets=192.0.2.0/24,local\n");
  const auto backend = Open();
  const std::string user = "a@acme.example";
  for (const char* from : {"192.0.2.9", ""}) {
    const BackendAnswer answer = backend->VerifyPassword(user, base::Secret("?"), from);
    EXPECT_EQ(answer.outcome, BackendOutcome::kOk) << from;
    EXPECT_EQ(answer.from_networks, "192.0.2.0/24,local");
    EXPECT_EQ(backend->FetchVerifier(user, "APOP", from).outcome, BackendOutcome::kOk);
    EXPECT_EQ(backend->ResolveLogin(user, from).outcome, BackendOutcome::kOk);
  }
  for (const char* from : {"198.51.100.1", "::1", "a name"}) {
    const BackendAnswer answer = backend->VerifyPassword(user, base::Secret("?"), from);
    EXPECT_EQ(answer.outcome, BackendOutcome::kRefused) << from;
    EXPECT_TRUE(answer.stored_password.empty());
    EXPECT_THAT(answer.reason, HasSubstr("allow_nets"));
    const BackendAnswer verifier = backend->FetchVerifier(user, "APOP", from);
    EXPECT_EQ(verifier.outcome, BackendOutcome::kRefused) << from;
    EXPECT_TRUE(verifier.stored_verifier.empty());
    EXPECT_EQ(backend->ResolveLogin(user, from).outcome, BackendOutcome::kRefused) << from;
  }
  EXPECT_EQ(backend->Resolve(user).outcome, BackendOutcome::kOk);
}

}  // namespace
}  // namespace poplar::auth
