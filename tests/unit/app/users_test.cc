#include <sys/wait.h>
#include <unistd.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "auth/schemes/password_hasher.h"
#include "auth/users/address.h"
#include "auth/users/user_database.h"
#include "core/app/table.h"
#include "tests/unit/app/command_test.h"

namespace poplar::app {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Passwords as they come; the policy has tests of its own.
const std::string kUsers =
    "[users]\nhash = \"sha512crypt\"\npassword_min_length = 1\npassword_min_strength = 0\n";

class UsersTest : public CommandTest {
 protected:
  void SetUp() override {
    CommandTest::SetUp();
    Write(config_path_, kUsers);
    ASSERT_EQ(Run({"init", folder_}), ExitCode::kOk) << err_;
  }
  void AddTenant() {
    ASSERT_EQ(RunHere({"tenant", "add", "acme", "--domain", "acme.example", "--domain", "a.test"}),
              ExitCode::kOk)
        << err_;
  }
  // Whether this password is the user's, by the database's own word.
  bool Fits(const std::string& address, const std::string& password) {
    auto users = auth::UserDatabase::Open(folder_ / "users.db");
    const auto login = (*users)->FindLogin(auth::LookupKey(address));
    return login.ok() && login->has_value() &&
           auth::PasswordHasher().Verify((*login)->hash, base::Secret(password)) ==
               auth::HashVerdict::kMatch;
  }
};

TEST_F(UsersTest, Tenants) {
  EXPECT_EQ(RunHere({"tenant", "list"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("No tenants yet"));
  EXPECT_EQ(RunHere({"tenant", "list", "--json"}), ExitCode::kOk);
  EXPECT_EQ(json::parse(out_), json::array());

  AddTenant();
  EXPECT_THAT(out_, HasSubstr("poplar user add NAME@"));
  EXPECT_EQ(RunHere({"tenant", "list"}), ExitCode::kOk);
  EXPECT_THAT(out_, AllOf(HasSubstr("TENANT  STATE"), HasSubstr("\nacme    enabled")));
  EXPECT_EQ(RunHere({"tenant", "show", "acme", "--json"}), ExitCode::kOk);
  EXPECT_EQ(json::parse(out_)["domains"].size(), 2U);
  EXPECT_EQ(RunHere({"tenant", "show", "acme"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("acme.example"));

  EXPECT_EQ(RunHere({"tenant", "add", "acme"}), ExitCode::kCannotCreate);
  EXPECT_EQ(RunHere({"tenant", "add", "a b"}), ExitCode::kDataError);
  EXPECT_EQ(RunHere({"tenant", "show", "nobody"}), ExitCode::kNoUser);
  EXPECT_THAT(err_, AllOf(HasSubstr("poplar: "), HasSubstr("nobody")));
}

TEST_F(UsersTest, ATenantIsHandedOver) {
  AddTenant();
  EXPECT_EQ(RunHere({"tenant", "set", "acme", "--source", "file"}), ExitCode::kDataError);
  EXPECT_THAT(err_, HasSubstr("tenants.d/acme.toml"));
  std::filesystem::create_directories(folder_ / "tenants.d");
  Write(folder_ / "tenants.d/acme.toml", "domains = [\"acme.example\"]\nrequire_tls = true\n");
  EXPECT_EQ(RunHere({"tenant", "set", "acme", "--source", "file"}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("require_tls = true"), HasSubstr("tenants.d/acme.toml"),
                          Not(HasSubstr("a.test"))));
  EXPECT_EQ(RunHere({"tenant", "set", "acme", "--source", "command", "--sessions-max", "5"}),
            ExitCode::kOk);
  EXPECT_EQ(err_, "");
  EXPECT_THAT(out_, AllOf(HasSubstr("sessions_max = 5"), Not(HasSubstr("tenants.d"))));
  EXPECT_EQ(RunHere({"tenant", "set", "acme", "--source", "backend"}), ExitCode::kDataError);
  EXPECT_THAT(err_, HasSubstr("users.tenants_backend names no back end"));
  EXPECT_EQ(RunHere({"tenant", "set", "nobody", "--source", "command"}), ExitCode::kNoUser);
  EXPECT_EQ(RunHere({"tenant", "set", "acme", "--source", "moon"}), ExitCode::kUsage);
}

TEST_F(UsersTest, ATenantWithUsersIsOnlyRemovedWithThem) {
  AddTenant();
  ASSERT_EQ(RunHere({"user", "add", "a@acme.example", "--no-password"}), ExitCode::kOk) << err_;
  EXPECT_EQ(RunHere({"tenant", "remove", "acme"}), ExitCode::kUnavailable);
  EXPECT_THAT(err_, HasSubstr("--with-users"));
  EXPECT_EQ(RunHere({"tenant", "remove", "acme", "--with-users"}), ExitCode::kOk) << err_;
  EXPECT_EQ(RunHere({"tenant", "show", "acme"}), ExitCode::kNoUser);
}

TEST_F(UsersTest, PasswordsFromStandardInput) {
  AddTenant();
  EXPECT_EQ(RunHere({"user", "add", "Alice@acme.example", "--password-stdin"}, "s3cret word\r\nx"),
            ExitCode::kOk)
      << err_;
  EXPECT_TRUE(Fits("alice@acme.example", "s3cret word"));
  EXPECT_EQ(RunHere({"user", "passwd", "alice@acme.example", "--password-stdin", "--scheme",
                     "scram-sha-256"},
                    "keyed"),
            ExitCode::kOk)
      << err_;
  EXPECT_TRUE(Fits("alice@acme.example", "keyed"));
  EXPECT_EQ(RunHere({"user", "show", "alice@acme.example", "--json"}), ExitCode::kOk);
  EXPECT_EQ(json::parse(out_)["hash"], "scram-sha-256");
  EXPECT_EQ(RunHere({"user", "passwd", "alice@acme.example", "--password-stdin"}, "new"),
            ExitCode::kOk)
      << err_;
  EXPECT_TRUE(Fits("alice@acme.example", "new"));
  EXPECT_THAT(out_ + err_, Not(HasSubstr("new\n")));

  EXPECT_EQ(RunHere({"user", "passwd", "alice@acme.example", "--password-stdin"}, ""),
            ExitCode::kDataError);
  EXPECT_EQ(
      RunHere({"user", "passwd", "alice@acme.example", "--password-stdin"}, std::string(1025, 'x')),
      ExitCode::kDataError);
  EXPECT_TRUE(Fits("alice@acme.example", "new"));
}

TEST_F(UsersTest, AWeakPasswordIsRefusedAndWhatToChangeIsTold) {
  AddTenant();
  Write(config_path_, "[users]\nhash = \"sha512crypt\"\n");
  const std::vector<std::string> add = {"user", "add", "alice@acme.example", "--password-stdin"};
  EXPECT_EQ(RunHere(add, "tiny\n"), ExitCode::kDataError);
  EXPECT_THAT(err_, HasSubstr("poplar: the password has 4 characters, and needs 8 at least"));
  EXPECT_EQ(RunHere(add, "password1\n"), ExitCode::kDataError);
  EXPECT_THAT(err_, AllOf(HasSubstr("too easy to guess"), Not(HasSubstr("password1"))));
  EXPECT_EQ(RunHere(add, "alice@acme.example\n"), ExitCode::kDataError);
  EXPECT_EQ(RunHere({"user", "show", "alice@acme.example"}), ExitCode::kNoUser)
      << "nobody was made";
  EXPECT_EQ(RunHere(add, "kelp sofa drum\n"), ExitCode::kOk) << err_;
  EXPECT_EQ(err_, "");

  const std::vector<std::string> change = {"user", "passwd", "alice@acme.example",
                                           "--password-stdin"};
  EXPECT_EQ(RunHere(change, "12345678\n"), ExitCode::kDataError);
  EXPECT_TRUE(Fits("alice@acme.example", "kelp sofa drum"));
  std::vector<std::string> weak = change;
  weak.emplace_back("--weak-password");
  EXPECT_EQ(RunHere(weak, "12345678\n"), ExitCode::kOk);
  EXPECT_THAT(err_, AllOf(HasSubstr("warning: "), HasSubstr("too easy to guess"),
                          HasSubstr("--weak-password")));
  EXPECT_TRUE(Fits("alice@acme.example", "12345678"));
  Write(config_path_,
        "[users]\nhash = \"sha512crypt\"\npassword_min_length = 4\npassword_min_strength = 0\n");
  EXPECT_EQ(RunHere(change, "1234\n"), ExitCode::kOk) << err_;
  typed_passwords_ = {"123", "123"};
  EXPECT_EQ(RunHere({"user", "passwd", "alice@acme.example"}), ExitCode::kDataError);
  EXPECT_EQ(
      RunHere({"user", "passwd", "alice@acme.example", "--hash-stdin", "--weak-password"}, "x\n"),
      ExitCode::kUsage);
}

TEST_F(UsersTest, APasswordFitsIntoTheLineOfPass) {
  AddTenant();
  Write(config_path_, "[users]\nhash = \"sha512crypt\"\n");
  const std::vector<std::string> add = {"user", "add", "alice@acme.example", "--weak-password",
                                        "--password-stdin"};
  EXPECT_EQ(RunHere(add, std::string(506, 'x') + "\n"), ExitCode::kDataError);
  EXPECT_THAT(err_, HasSubstr("longer than 505 octets"));
  EXPECT_EQ(RunHere(add, std::string(505, 'x') + "\n"), ExitCode::kOk) << err_;
}

TEST_F(UsersTest, HashesOfAnotherSystemFromStandardInput) {
  AddTenant();
  // Of "Hello world!", from the specification of SHA-crypt; and of "secret", by OpenLDAP's scheme.
  const std::string sha256 = "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5";
  const std::string pbkdf2 =
      "{PBKDF2-SHA256}1200$....c2FsdHk$yJsT8EPFUTIHoW8SnHTTT/lNRxd3HXctkMV8MySKdgU";
  EXPECT_EQ(RunHere({"user", "add", "a@acme.example", "--hash-stdin"}, sha256 + "\r\nx"),
            ExitCode::kOk)
      << err_;
  EXPECT_TRUE(Fits("a@acme.example", "Hello world!"));
  EXPECT_EQ(RunHere({"user", "passwd", "a@acme.example", "--hash-stdin"}, pbkdf2), ExitCode::kOk)
      << err_;
  EXPECT_TRUE(Fits("a@acme.example", "secret"));
  EXPECT_EQ(RunHere({"user", "show", "a@acme.example"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("pbkdf2-sha256"));

  const std::vector<std::pair<std::string, std::string>> refused = {
      {"{SSHA}Z0zze/o2uMbUR7+pHjEGjXhYcCtOYUNsNGFsbA==", "too weak to be used (ssha)"},
      {"{PLAIN}secret", "too weak to be used (plain)"},
      {"secret", "no known scheme"},
      {"$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$", "too much memory or time"},
      {"", "there is no hash on the first line"}};
  for (const auto& [hash, told] : refused) {
    EXPECT_EQ(RunHere({"user", "passwd", "a@acme.example", "--hash-stdin"}, hash + "\n"),
              ExitCode::kDataError);
    EXPECT_THAT(err_, HasSubstr(told));
  }
  EXPECT_TRUE(Fits("a@acme.example", "secret"));
}

TEST_F(UsersTest, PasswordsFromTheTerminal) {
  AddTenant();
  typed_passwords_ = {"one", "two"};
  EXPECT_EQ(RunHere({"user", "add", "bob@acme.example"}), ExitCode::kDataError);
  EXPECT_THAT(err_, HasSubstr("differ"));
  typed_passwords_ = {"one", "one"};
  EXPECT_EQ(RunHere({"user", "add", "bob@acme.example"}), ExitCode::kOk) << err_;
  EXPECT_TRUE(Fits("bob@acme.example", "one"));
  EXPECT_EQ(RunHere({"user", "passwd", "bob@acme.example"}), ExitCode::kUnavailable);
  EXPECT_THAT(err_, HasSubstr("no terminal"));
  // Nobody types a password for what cannot be: there is no terminal here to ask on.
  EXPECT_EQ(RunHere({"user", "add", "bob@nowhere.example"}), ExitCode::kNoUser);
  EXPECT_THAT(err_, HasSubstr("no tenant has the domain"));
  EXPECT_EQ(RunHere({"user", "add", "Bob@acme.example"}), ExitCode::kCannotCreate);
  EXPECT_EQ(RunHere({"user", "add", "bob"}), ExitCode::kDataError);
}

TEST_F(UsersTest, TheConfiguredHashIsUsed) {
  AddTenant();
  RunHere({"user", "add", "a@acme.example", "--password-stdin"}, "x\n");
  RunHere({"user", "list", "--json"});
  EXPECT_EQ(json::parse(out_).at(0)["hash"], "sha512crypt");
  Write(config_path_, "");
  RunHere({"user", "passwd", "a@acme.example", "--password-stdin"}, "kelp sofa drum\n");
  RunHere({"user", "list", "--json"});
  EXPECT_EQ(json::parse(out_).at(0)["hash"], "yescrypt");
}

TEST_F(UsersTest, ListDisableEnableRemove) {
  AddTenant();
  EXPECT_EQ(RunHere({"user", "list"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("No users yet"));
  RunHere({"user", "add", "a@acme.example", "--no-password"});
  EXPECT_THAT(out_, HasSubstr("poplar user passwd a@acme.example"));
  EXPECT_EQ(RunHere({"user", "disable", "a@acme.example"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("poplar session kick --user a@acme.example"));
  RunHere({"user", "list", "--tenant", "acme"});
  EXPECT_THAT(out_, AllOf(HasSubstr("ADDRESS"), HasSubstr("a@acme.example  acme    disabled")));
  EXPECT_EQ(RunHere({"user", "enable", "a@acme.example"}), ExitCode::kOk);
  EXPECT_EQ(RunHere({"user", "remove", "a@acme.example"}), ExitCode::kOk);
  EXPECT_EQ(RunHere({"user", "remove", "a@acme.example"}), ExitCode::kNoUser);
  EXPECT_EQ(RunHere({"user", "list", "--tenant", "nobody"}), ExitCode::kNoUser);
  EXPECT_EQ(RunHere({"user", "add", "a@unknown.example", "--no-password"}), ExitCode::kNoUser);
  EXPECT_EQ(RunHere({"user", "add", "nonsense", "--no-password"}), ExitCode::kDataError);
}

TEST_F(UsersTest, ATenantWhoseUsersCannotLogInIsToldOf) {
  AddTenant();
  EXPECT_EQ(RunHere({"tenant", "set", "acme", "--mechanisms", "EXTERNAL"}), ExitCode::kOk);
  EXPECT_THAT(err_, HasSubstr("poplar: warning: tenant acme: nobody can log in: auth.mechanisms "
                              "does not have EXTERNAL\n"));
  EXPECT_EQ(RunHere({"tenant", "set", "acme", "--mechanisms", "EXTERNAL,PLAIN"}), ExitCode::kOk);
  EXPECT_EQ(err_, "");
  EXPECT_EQ(RunHere({"tenant", "add", "beta", "--mechanisms", "APOP"}), ExitCode::kOk);
  EXPECT_THAT(err_, HasSubstr("tenant beta: nobody can log in"));
}

TEST_F(UsersTest, ScramNeedsKeys) {
  Write(config_path_, kUsers + "[auth]\nmechanisms = [\"PLAIN\", \"SCRAM-SHA-256\"]\n");
  AddTenant();
  const std::vector<std::string> by_keys = {"tenant", "set", "acme", "--mechanisms",
                                            "SCRAM-SHA-256"};
  EXPECT_EQ(RunHere(by_keys), ExitCode::kOk);
  EXPECT_EQ(err_, "") << "there is nobody yet";
  RunHere({"user", "add", "a@acme.example", "--password-stdin"}, "x\n");
  EXPECT_EQ(RunHere(by_keys), ExitCode::kOk);
  EXPECT_THAT(err_, HasSubstr("nobody can log in: none of its users has keys for SCRAM-SHA-256"));
  RunHere({"user", "add", "b@acme.example", "--password-stdin", "--scheme", "scram-sha-256"},
          "x\n");
  EXPECT_EQ(RunHere(by_keys), ExitCode::kOk);
  EXPECT_EQ(err_, "");
}

TEST_F(UsersTest, AnAppPasswordThatWouldNeverWorkIsRefused) {
  AddTenant();
  RunHere({"user", "add", "a@acme.example", "--no-password"});
  const auto add = [&](const std::string& label, const std::string& expires) {
    return RunHere({"user", "app-password", "add", "a@acme.example", label, "--expires", expires});
  };
  for (const char* past : {"2026-01-31", "1970-01-01"}) {
    EXPECT_EQ(add("past", past), ExitCode::kUsage) << past;
    EXPECT_THAT(err_, HasSubstr("that day is over, so it would never work")) << past;
  }
  for (const char* no_day : {"2d", "2999-12-31T10:00Z", "soon"}) {
    EXPECT_EQ(add("no day", no_day), ExitCode::kUsage) << no_day;
    EXPECT_THAT(err_, AllOf(HasSubstr("write a day like 2026-11-24"), Not(HasSubstr("ago"))));
  }
  const std::string today = TimeText(std::time(nullptr)).substr(0, 10);
  EXPECT_EQ(add("today", today), ExitCode::kOk) << err_;
  EXPECT_EQ(add("later", "2999-12-31"), ExitCode::kOk) << err_;
  EXPECT_EQ(RunHere({"user", "app-password", "list", "a@acme.example", "--json"}), ExitCode::kOk);
  EXPECT_EQ(json::parse(out_).size(), 2U);
}

TEST_F(UsersTest, AnAppPasswordFromNoNetworkIsNotOneFromAnywhere) {
  AddTenant();
  RunHere({"user", "add", "a@acme.example", "--no-password"});
  const std::vector<std::string> add = {"user", "app-password", "add", "a@acme.example", "phone"};
  for (const std::vector<std::string>& from :
       {std::vector<std::string>{"--from", ""}, {"--from", "192.0.2.0/24", "--from", ""}}) {
    std::vector<std::string> words = add;
    words.insert(words.end(), from.begin(), from.end());
    EXPECT_EQ(RunHere(words), ExitCode::kUsage);
    EXPECT_THAT(err_, HasSubstr("--from is empty"));
  }
  EXPECT_EQ(RunHere({"user", "app-password", "list", "a@acme.example", "--json"}), ExitCode::kOk);
  EXPECT_EQ(json::parse(out_), json::array());
}

TEST_F(UsersTest, UsageOfNoDayAtAll) {
  AddTenant();
  EXPECT_EQ(RunHere({"tenant", "usage", "--since", "2026-11-30", "--until", "2026-11-01"}),
            ExitCode::kUsage);
  EXPECT_THAT(err_, HasSubstr("--since 2026-11-30 is after --until 2026-11-01"));
  EXPECT_EQ(RunHere({"tenant", "usage", "--since", "2026-11-29T10:00Z"}), ExitCode::kUsage);
  EXPECT_THAT(err_, HasSubstr("write a day like 2026-11-24"));
  EXPECT_EQ(RunHere({"tenant", "usage", "--since", "2026-11-30", "--until", "2026-11-30"}),
            ExitCode::kOk)
      << err_;
}

TEST_F(UsersTest, SettingsOfATenantThatCannotBeMeant) {
  AddTenant();
  EXPECT_EQ(RunHere({"tenant", "set", "acme", "--auth-chain", "users,users"}),
            ExitCode::kDataError);
  EXPECT_THAT(err_, HasSubstr("auth_chain: \"users\" is there twice"));
  EXPECT_EQ(RunHere({"tenant", "set", "acme", "--default-domain", "other.example"}),
            ExitCode::kDataError);
  EXPECT_THAT(err_, HasSubstr("the tenant acme has no domain other.example"));
  EXPECT_EQ(RunHere({"tenant", "set", "acme", "--default-domain", "acme.example"}), ExitCode::kOk);
  EXPECT_EQ(RunHere({"tenant", "add", "beta", "--domain", "Beta.example", "--default-domain",
                     "beta.test"}),
            ExitCode::kDataError);
  EXPECT_EQ(RunHere({"tenant", "add", "beta", "--domain", "Beta.example", "--default-domain",
                     "beta.example"}),
            ExitCode::kOk)
      << err_;
}

TEST_F(UsersTest, Pop3OfOneUser) {
  AddTenant();
  RunHere({"user", "add", "a@acme.example", "--no-password"});
  const auto shown = [&] {
    RunHere({"user", "show", "a@acme.example", "--json"});
    return json::parse(out_);
  };
  EXPECT_EQ(shown()["pop3"], true);
  EXPECT_EQ(RunHere({"user", "set", "a@acme.example", "--pop3", "false"}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("state     no POP3\n"),
                          HasSubstr("poplar session kick --user a@acme.example")));
  EXPECT_EQ(shown()["pop3"], false);
  EXPECT_EQ(shown()["enabled"], true);
  RunHere({"user", "list"});
  EXPECT_THAT(out_, HasSubstr("a@acme.example  acme    no POP3"));
  EXPECT_EQ(RunHere({"user", "set", "a@acme.example", "--pop3", "on"}), ExitCode::kOk);
  EXPECT_THAT(out_, AllOf(HasSubstr("state     enabled\n"), Not(HasSubstr("session kick"))));
  EXPECT_EQ(RunHere({"user", "set", "a@acme.example", "--pop3", "maybe"}), ExitCode::kUsage);
  EXPECT_THAT(err_, HasSubstr("write true or false"));
  EXPECT_EQ(RunHere({"user", "set", "b@acme.example", "--pop3", "off"}), ExitCode::kNoUser);
}

TEST_F(UsersTest, WithoutADatabaseItSaysHowToMakeOne) {
  std::filesystem::remove(folder_ / "users.db");
  EXPECT_EQ(RunHere({"user", "list"}), ExitCode::kConfig);
  EXPECT_THAT(err_, HasSubstr("poplar init"));
}

TEST_F(UsersTest, WhoMayNotOpenTheDatabaseIsToldWhoMay) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  AddTenant();
  namespace fs = std::filesystem;
  fs::permissions(folder_, fs::perms::owner_all | fs::perms::others_read | fs::perms::others_exec);
  // By the file's rights, then by the folder's, where SQLite makes files of its own.
  for (const fs::perms rights : {fs::perms::owner_all, fs::perms::all}) {
    fs::permissions(folder_ / "users.db", rights);
    const pid_t child = fork();
    if (child == 0) {
      constexpr uid_t kNobody = 65534;
      if (setgid(kNobody) != 0 || setuid(kNobody) != 0) _exit(1);
      const ExitCode code = RunHere({"user", "list"});
      if (err_.find("as the server's user or as root") == std::string::npos) {
        if (write(STDERR_FILENO, err_.data(), err_.size()) < 0) _exit(3);
        _exit(2);
      }
      _exit(static_cast<int>(code));
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), static_cast<int>(ExitCode::kNoPermission))
        << static_cast<int>(rights);
  }
  EXPECT_EQ(RunHere({"user", "list"}), ExitCode::kOk) << err_;
}

}  // namespace
}  // namespace poplar::app
