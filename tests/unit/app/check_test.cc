#include "auth/users/user_database.h"
#include "tests/unit/app/command_test.h"

namespace poplar::app {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class CheckTest : public CommandTest {
 protected:
  void SetUp() override {
    CommandTest::SetUp();
    ASSERT_EQ(Run({"init", folder_}), ExitCode::kOk) << err_;
  }
};

TEST_F(CheckTest, AFreshServerIsRight) {
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, StartsWith(config_path_ + " is right."));
}

TEST_F(CheckTest, SaysEveryFaultWithItsLine) {
  Write(config_path_, "[pop3]\nlisten = [\"x\"]\nidle = 3\n");
  EXPECT_EQ(RunHere({"check"}), ExitCode::kConfig);
  EXPECT_THAT(err_, AllOf(HasSubstr(config_path_ + ":2: pop3.listen"),
                          HasSubstr(config_path_ + ":3: pop3.idle: there is no such setting; did "
                                                   "you mean idle_timeout_s?\n")));
  EXPECT_EQ(out_, "");
}

TEST_F(CheckTest, NamesThatMailProgramsAreToldAreToBeFound) {
  const std::string text = "[setup]\npop3_host = \"mailhost\"\nhost = \"setup.example.org\"\n";
  Write(config_path_, text);
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk) << err_;
  EXPECT_THAT(err_, Not(HasSubstr("mailhost"))) << "nobody asks";
  Write(config_path_, text + "listen = [\"127.0.0.1:8080\"]\n");
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk) << err_;
  EXPECT_THAT(err_, HasSubstr("setup.pop3_host: mail programs elsewhere find nothing by the name "
                              "\"mailhost\""));
  EXPECT_THAT(err_, Not(HasSubstr("setup.host")));
}

TEST_F(CheckTest, LooksAtWhatTheSettingsName) {
  Write(config_path_,
        "[server]\ncongestion_control = \"nonesuch\"\n[store]\npath = \"nowhere\"\n[users]\n"
        "database = \"nobody.db\"\n[tls]\ncertificate = \"no.pem\"\nclient_ca = "
        "\"tls/key.pem\"\n");
  EXPECT_EQ(RunHere({"check"}), ExitCode::kConfig);
  EXPECT_THAT(
      err_,
      AllOf(HasSubstr(":2: server.congestion_control: this kernel does not offer"),
            HasSubstr(":4: store.path: there is no store at " + (folder_ / "nowhere").string()),
            HasSubstr(":6: users.database: there is no user database at"),
            HasSubstr(":8: tls.certificate: cannot read"), HasSubstr(":9: tls.client_ca: ")));
}

TEST_F(CheckTest, WhatStandsWhereItWouldListen) {
  Write(config_path_,
        "[lmtp]\nsocket = \"tls/cert.pem\"\n[pop3]\nlisten = [\"192.0.2.1:1110\", "
        "\"127.0.0.1:1110\"]\n[admin]\nsocket = \"users.db\"\n");
  EXPECT_EQ(RunHere({"check"}), ExitCode::kConfig);
  EXPECT_THAT(err_, AllOf(HasSubstr(":2: lmtp.socket: "), HasSubstr("is not a socket"),
                          HasSubstr(":6: admin.socket: "),
                          HasSubstr(":4: pop3.listen: this machine does not have the address "
                                    "192.0.2.1 now")));
  EXPECT_THAT(err_, Not(HasSubstr("127.0.0.1")));
}

TEST_F(CheckTest, PartitionsAreTheStores) {
  Write(config_path_, "[store]\npartitions = 7\n");
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk) << err_;
  EXPECT_EQ(err_, "") << "it has none that could be counted";
  for (const char* name : {"p000", "p001", "p-x", "peter"}) {
    std::filesystem::create_directories(folder_ / "store" / name);
  }
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk) << err_;
  EXPECT_THAT(err_, HasSubstr(":2: store.partitions: the store has 2, and keeps them"));
  Write(config_path_, "[store]\npartitions = 0\n");
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk) << err_;
  EXPECT_EQ(err_, "") << "it asks for none";
}

TEST_F(CheckTest, BackEndsThatTheStartWouldRefuse) {
  Write(config_path_,
        "[auth]\nchain = [\"users\", \"flat\"]\n[backend.flat]\nplugin = \"flat.so\"\n");
  wiring_.check_backends = [](const tenant::Config& config) {
    EXPECT_EQ(config.backends.size(), 1U);
    return std::vector<BackendFault>{{"flat", "the plug-in is none"}};
  };
  EXPECT_EQ(RunHere({"check"}), ExitCode::kConfig);
  EXPECT_THAT(err_, HasSubstr(config_path_ + ":3: backend.flat: the plug-in is none\n"));
}

// Tokens say who somebody is; whose an address is they do not.
TEST_F(CheckTest, AChainThatKnowsNoAddressesIsAWarning) {
  Write(config_path_,
        "[auth]\nchain = [\"id\"]\n[backend.id]\nplugin = \"id.so\"\n"
        "[backend.ldap]\nplugin = \"ldap.so\"\n");
  int asked = 0;
  wiring_.knows_addresses = [&](const tenant::BackendConfig& backend) {
    ++asked;
    return backend.name == "ldap";
  };
  const std::string why = "mail for its users has to wait (451): no back end of its auth_chain";
  for (const char* tenant : {"one", "two", "three", "four"}) {
    ASSERT_EQ(RunHere({"tenant", "add", tenant}), ExitCode::kOk);
    EXPECT_EQ(err_, "");
  }
  ASSERT_EQ(RunHere({"tenant", "set", "one", "--auth-chain", "id"}), ExitCode::kOk);
  EXPECT_THAT(err_, HasSubstr("warning: tenant one: " + why));
  ASSERT_EQ(RunHere({"tenant", "set", "two", "--auth-chain", "id,ldap"}), ExitCode::kOk);
  EXPECT_EQ(err_, "");
  ASSERT_EQ(RunHere({"tenant", "set", "three", "--auth-chain", "id,users"}), ExitCode::kOk);
  EXPECT_EQ(err_, "");
  std::filesystem::create_directories(folder_ / "tenants.d");
  Write(folder_ / "tenants.d" / "five.toml",
        "domains = [\"five.example\"]\nauth_chain = [\"id\"]\n");
  asked = 0;
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk);
  EXPECT_THAT(
      err_, AllOf(HasSubstr(":2: auth.chain: mail for its users has to wait (451)"),
                  HasSubstr("users.database: tenant one: " + why), HasSubstr("five.toml: " + why)));
  EXPECT_THAT(err_, AllOf(Not(HasSubstr("tenant two")), Not(HasSubstr("tenant three"))));
  EXPECT_EQ(asked, 2);
}

TEST_F(CheckTest, NobodyWhoCouldLogInIsAWarning) {
  ASSERT_EQ(RunHere({"tenant", "add", "acme", "--domain", "acme.example"}), ExitCode::kOk);
  ASSERT_EQ(RunHere({"tenant", "set", "acme", "--mechanisms", "EXTERNAL"}), ExitCode::kOk);
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk);
  EXPECT_THAT(err_, HasSubstr("users.database: tenant acme: nobody can log in: auth.mechanisms "
                              "does not have EXTERNAL\n"));
  // What is meant is no mistake.
  ASSERT_EQ(RunHere({"tenant", "set", "acme", "--pop3", "false"}), ExitCode::kOk);
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk);
  EXPECT_EQ(err_, "");
  std::filesystem::create_directories(folder_ / "tenants.d");
  Write(folder_ / "tenants.d/beta.toml", "domains = [\"b.example\"]\nmechanisms = [\"APOP\"]\n");
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk);
  EXPECT_THAT(err_, HasSubstr("beta.toml: nobody can log in: auth.mechanisms does not have APOP"));
  std::filesystem::remove_all(folder_ / "tenants.d");
  Write(config_path_, "[auth]\nmechanisms = [\"APOP\"]\n");
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk);
  EXPECT_THAT(err_, HasSubstr(":2: auth.mechanisms: nobody can log in: no back end of auth.chain "
                              "can serve APOP\n"));
}

TEST_F(CheckTest, FilesOfTenantsThatCannotHaveWhatTheyWant) {
  ASSERT_EQ(RunHere({"tenant", "add", "made", "--domain", "made.example"}), ExitCode::kOk) << err_;
  const std::filesystem::path folder = folder_ / "tenants.d";
  std::filesystem::create_directories(folder);
  Write(folder / "a.toml", "domains = [\"a.example\", \"shared.example\"]\n");
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk) << err_;
  Write(folder / "b.toml", "domains = [\"shared.example\"]\n");
  Write(folder / "c.toml", "domains = [\"made.example\"]\n");
  Write(folder / "d.toml", "domains = [\"no domain!\"]\n");
  Write(folder / "made.toml", "domains = [\"other.example\"]\n");
  Write(folder / "no name.toml", "domains = [\"e.example\"]\n");
  EXPECT_EQ(RunHere({"check"}), ExitCode::kConfig);
  const std::string in = folder.string();
  EXPECT_THAT(err_,
              AllOf(HasSubstr(in + "/b.toml: the domain shared.example belongs to"),
                    HasSubstr(in + "/c.toml: the domain made.example belongs to"),
                    HasSubstr(in + "/d.toml: that is no domain"),
                    HasSubstr(in + "/made.toml: `poplar tenant` has made"),
                    HasSubstr(in + "/no name.toml: a tenant's name"), Not(HasSubstr("a.toml"))));
  // And nobody has got anything.
  ASSERT_EQ(RunHere({"tenant", "list"}), ExitCode::kOk);
  EXPECT_THAT(out_, Not(HasSubstr("a.example")));
}

TEST_F(CheckTest, HostsThatATenantNamesInVain) {
  ASSERT_EQ(RunHere({"tenant", "add", "acme", "--domain", "acme.example"}), ExitCode::kOk) << err_;
  ASSERT_EQ(RunHere({"tenant", "add", "beta", "--domain", "beta.example", "--hosts",
                     "pop.provider.example,pop.acme.example"}),
            ExitCode::kOk);
  const std::string below =
      "tenant beta names the host pop.acme.example in vain: tenant acme has it";
  EXPECT_THAT(err_, HasSubstr("poplar: warning: " + below));
  ASSERT_EQ(RunHere({"tenant", "set", "acme", "--hosts", "pop.provider.example"}), ExitCode::kOk);
  const std::string same =
      "tenant beta names the host pop.provider.example in vain: tenant acme has it";
  EXPECT_THAT(err_, AllOf(HasSubstr("poplar: warning: " + same), HasSubstr(below)));
  ASSERT_EQ(RunHere({"tenant", "add", "gamma"}), ExitCode::kOk);
  EXPECT_EQ(err_, "") << "what others do is none of its";
  ASSERT_EQ(RunHere({"tenant", "set", "gamma", "--hosts", "x.example"}), ExitCode::kOk);
  ASSERT_EQ(RunHere({"tenant", "domain", "add", "gamma", "provider.example"}), ExitCode::kOk);
  EXPECT_THAT(err_, AllOf(HasSubstr("tenant acme names the host pop.provider.example in vain: "
                                    "tenant gamma has it, as its domain is provider.example"),
                          HasSubstr("tenant beta names the host pop.provider.example in vain"),
                          Not(HasSubstr("pop.acme.example"))));
  // Files that no server has read yet.
  const std::filesystem::path folder = folder_ / "tenants.d";
  std::filesystem::create_directories(folder);
  Write(folder / "delta.toml", "domains = [\"delta.example\"]\nhosts = [\"x.example\"]\n");
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk);
  EXPECT_THAT(err_, AllOf(HasSubstr("warning: "), HasSubstr(below),
                          HasSubstr("tenant delta names the host x.example in vain: tenant gamma "
                                    "has it, which is older and names it, too")));
}

TEST_F(CheckTest, TenantsOfWhomNobodySpeaksAnyMore) {
  const std::string database = folder_ / "users.db";
  for (const char* name : {"acme", "beta"}) {
    ASSERT_EQ(RunHere({"tenant", "add", name}), ExitCode::kOk) << err_;
    ASSERT_TRUE((*auth::UserDatabase::Open(database))
                    ->SetTenantSource(name, "tenants.d/" + std::string(name) + ".toml")
                    .ok());
  }
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk);
  EXPECT_EQ(err_, "");
  Write(config_path_, "[users]\ntenants = \"customers.d\"\n");
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk);
  EXPECT_THAT(err_, HasSubstr("tenant acme (and 1 more) comes from tenants.d/, which this"));
  ASSERT_EQ(RunHere({"tenant", "set", "acme", "--source", "command"}), ExitCode::kOk) << err_;
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk);
  EXPECT_THAT(err_, HasSubstr("tenant beta comes from tenants.d/, which this"));
}

TEST_F(CheckTest, PenaltiesThatOutlastAClient) {
  wiring_.warn_of_penalties = [](const tenant::Config& config) {
    return std::to_string(config.auth.penalty_delay_max_ms) + " is long";
  };
  Write(config_path_, "[auth]\npenalty_delay_max_ms = 9000\n");
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk);
  EXPECT_THAT(err_, HasSubstr(":2: auth.penalty_delay_max_ms: 9000 is long\n"));
}

TEST_F(CheckTest, WarningsAreNotFaults) {
  std::filesystem::permissions(folder_ / "tls" / "key.pem", std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk);
  EXPECT_THAT(err_, AllOf(StartsWith("warning: "), HasSubstr("can be read by everybody")));
}

TEST_F(CheckTest, WarnsOfWhatStandardsForbid) {
  Write(config_path_, "[pop3]\nidle_timeout_s = 599\n[lmtp]\nlisten = [\"127.0.0.1:25\"]\n");
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk);
  EXPECT_THAT(err_, AllOf(HasSubstr(":2: pop3.idle_timeout_s: RFC 1939 asks for 600 at least"),
                          HasSubstr(":4: lmtp.listen: 127.0.0.1:25 is the port of SMTP")));
  Write(config_path_, "[pop3]\nidle_timeout_s = 600\n[lmtp]\nlisten = [\"127.0.0.1:24\"]\n");
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk);
  EXPECT_EQ(err_, "");
}

TEST_F(CheckTest, ReadsTheCertificatesOfHosts) {
  namespace fs = std::filesystem;
  const auto take = [&](const std::string& host) {
    fs::create_directories(folder_ / "certs" / host);
    fs::copy_file(folder_ / "tls" / "cert.pem", folder_ / "certs" / host / "fullchain.pem");
    fs::copy_file(folder_ / "tls" / "key.pem", folder_ / "certs" / host / "privkey.pem");
  };
  take("localhost");
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk) << err_;
  EXPECT_EQ(err_, "");
  take("pop.example.org");
  take("_.example.org");
  fs::create_directories(folder_ / "certs" / "Upper.example");
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk) << "these are warnings";
  EXPECT_THAT(err_, AllOf(HasSubstr("certs/pop.example.org: it is not for pop.example.org\n"),
                          HasSubstr("certs/_.example.org: it is not for all of *.example.org\n"),
                          HasSubstr("certs/Upper.example: no host is called so")));
  fs::remove(folder_ / "certs" / "localhost" / "privkey.pem");
  EXPECT_EQ(RunHere({"check"}), ExitCode::kConfig);
  EXPECT_THAT(err_, HasSubstr("certs/localhost/privkey.pem: there is no such file"));
}

TEST_F(CheckTest, AFolderOfCertificatesThatIsNamedIsThere) {
  Write(config_path_, "[tls]\ncertificates = \"nowhere\"\n");
  EXPECT_EQ(RunHere({"check"}), ExitCode::kConfig);
  EXPECT_THAT(err_, HasSubstr(":2: tls.certificates: cannot read the folder"));
}

TEST_F(CheckTest, AMissingFileSaysHowToMakeOne) {
  EXPECT_EQ(Run({"check", "--config", folder_ / "none.toml"}), ExitCode::kConfig);
  EXPECT_THAT(err_, HasSubstr("poplar init"));
}

}  // namespace
}  // namespace poplar::app
