#include "core/tenant/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <regex>

#include "core/tenant/settings.h"

namespace poplar::tenant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kFile = "/etc/poplar/poplar.toml";

Config MustParse(std::string_view text) {
  ParsedConfig parsed = ParseConfig(text, kFile);
  for (const ConfigFault& fault : parsed.faults) ADD_FAILURE() << fault.ToString();
  return parsed.config;
}

std::vector<std::string> AllValues(const Config& config) {
  std::vector<std::string> values;
  for (const Setting& setting : Settings())
    values.push_back(setting.Name() + " = " + ValueText(setting, config));
  return values;
}

TEST(Config, AnEmptyFileGivesTheDefaults) {
  const Config config = MustParse("");
  EXPECT_EQ(config.pop3.idle_timeout_s, 600U);
  EXPECT_THAT(config.pop3.listen,
              ElementsAre(ListenAddress{"127.0.0.1", 1110}, ListenAddress{"::1", 1110}));
  EXPECT_EQ(config.http.listen, (ListenAddress{"127.0.0.1", 9110}));
  EXPECT_EQ(config.lmtp.subaddress_delimiter, "+");
  EXPECT_TRUE(config.tls.enabled());
}

TEST(Config, PathsAreRelativeToTheFile) {
  const Config config = MustParse("[store]\npath = \"../mail\"\n[users]\ndatabase = \"/db/u\"\n");
  EXPECT_EQ(config.store.path, "/etc/mail");
  EXPECT_EQ(config.users.database, "/db/u");
  EXPECT_EQ(config.tls.key, "/etc/poplar/tls/key.pem");
  EXPECT_EQ(config.lmtp.socket, "/etc/poplar/run/lmtp.sock");

  const ParsedConfig here = ParseConfig("", "poplar.toml");
  EXPECT_EQ(here.config.store.path, std::filesystem::current_path() / "store");
}

// Each of them, and none as it is by default.
constexpr std::string_view kEverySetting = R"(
[server]
hostname = "mail.example.org"
workers = 4
drain_limit_s = 5
refusal_pause_ms = 250
congestion_control = "cubic"
sandbox = "required"
sandbox_reads = ["/etc/letsencrypt"]
[log]
level = "debug"
format = "json"
[store]
path = "s"
snapshots = "copies"
partitions = 8
segment_mib = 128
checkpoint_interval_s = 60
checkpoint_changes_max = 5000
body_memory_mib = 512
blob_threshold_kib = 2048
index_cache_mib = 64
compaction = false
compaction_mib_per_second = 9
compaction_cpu_percent = 12
scrub_kib_per_s = 128
[users]
database = "u"
tenants = "customers"
usage = "used"
tenants_backend = "flat"
tenants_period_s = 60
cache_seconds = 0
hash = "bcrypt"
rehash = false
password_min_length = 12
password_min_strength = 3
[auth]
chain = ["flat", "users"]
mechanisms = ["SCRAM-SHA-256", "EXTERNAL"]
scram_iterations = 4096
penalty_after = 6
penalty_after_network = 60
penalty_after_user = 16
penalty_after_tenant = 600
penalty_forget_s = 66
penalty_delay_max_ms = 6000
penalty_known_days = 6
penalty_known_max = 66666
penalty_waiting_max = 666
refusal_step_ms = 600
host_threads = 3
host_memory_mib = 99
host_reads = ["/etc/krb5"]
[backend.flat]
plugin = "flat.so"
cache_seconds = 7
file = "lists/../users.txt"
ca_file = "/etc/ca.pem"
profile = "x"
[tls]
certificate = "c"
key = "k"
certificates = "hosts"
certificates_loaded_max = 10
client_ca = "ca"
client_name = "cn"
minimum = "1.3"
ktls = "off"
tickets = false
[pop3]
listen = "0.0.0.0:110"
allow_cleartext = true
utf8_headers_for_all = false
idle_timeout_s = 1200
login_timeout_s = 30
session_age_max_s = 3600
recent_days = 7
recent_sessions_max = 3
auth_failures_max = 3
connections_max = 7
connections_per_address_max = 6
output_buffer_kib = 32
proxy_networks = ["10.0.0.0/8", "::1"]
xclient_networks = ["192.0.2.7"]
[pop3s]
listen = ["[::]:995", "127.0.0.1:0", "127.0.0.1:0"]
[lmtp]
listen = []
socket = ""
message_mib_max = 1024
recipients_max = 100
idle_timeout_s = 20
connections_max = 9
subaddress_delimiter = ""
over_quota = "refuse"
proxy_networks = ["2001:db8::/32"]
xclient_networks = ["::ffff:10.0.0.0/104"]
[tenant_limits]
sessions_max = 50
sessions_per_address_max = 5
logins_per_minute = 600
deliveries_per_minute = 6000
egress_kib_per_s = 10240
[http]
listen = ""
tenant_metrics_max = 5
[admin]
socket = "a.sock"
[setup]
listen = ["127.0.0.1:8080"]
host = "autoconfig.example.org"
pop3_host = "pop.example.org"
pop3s_port = 995
pop3_port = 110
smtp_host = "smtp.example.org"
smtp_port = 587
smtp_starttls = true
)";

TEST(Config, TakesEverySetting) {
  const Config config = MustParse(kEverySetting);
  for (const Setting& setting : Settings())
    EXPECT_NE(ValueText(setting, config), ValueText(setting, MustParse(""))) << setting.Name();
  EXPECT_EQ(config.server.congestion_control, "cubic");
  EXPECT_EQ(config.log.level, base::LogLevel::kDebug);
  EXPECT_EQ(config.log.format, base::LogFormat::kJson);
  ASSERT_EQ(config.backends.size(), 1U);
  EXPECT_EQ(config.backends[0].plugin, "/etc/poplar/flat.so");
  EXPECT_EQ(config.backends[0].cache_seconds, 7);
  EXPECT_THAT(config.backends[0].settings,
              ElementsAre(std::pair("ca_file", "/etc/ca.pem"),
                          std::pair("file", "/etc/poplar/users.txt"), std::pair("profile", "x")));
  EXPECT_EQ(config.tls.minimum, TlsVersion::k13);
  EXPECT_EQ(config.tls.ktls, KtlsMode::kOff);
  EXPECT_THAT(config.pop3.listen, ElementsAre(ListenAddress{"0.0.0.0", 110}));
  EXPECT_EQ(config.pop3s.listen.size(), 3U);
  EXPECT_THAT(config.pop3.proxy_networks, ElementsAre(*base::IpNetwork::Parse("10.0.0.0/8"),
                                                      *base::IpNetwork::Parse("::1/128")));
  EXPECT_THAT(config.lmtp.xclient_networks, ElementsAre(*base::IpNetwork::Parse("10.0.0.0/8")));
  EXPECT_THAT(config.lmtp.listen, IsEmpty());
  EXPECT_EQ(config.lmtp.socket, "");
  EXPECT_FALSE(config.http.listen.has_value());
  EXPECT_EQ(config.admin.socket, "/etc/poplar/a.sock");
}

TEST(Config, TlsCanBeOff) {
  const Config config = MustParse("[tls]\ncertificate = \"\"\nkey = \"\"\n[pop3s]\nlisten = []\n");
  EXPECT_FALSE(config.tls.enabled());
}

TEST(DefaultText, ParsesToTheDefaults) {
  EXPECT_EQ(AllValues(MustParse(DefaultConfigText())), AllValues(MustParse("")));
}

TEST(DefaultText, ParsesToTheDefaultsWithItsCommentedSettingsTakenIn) {
  const std::string all =
      std::regex_replace(DefaultConfigText(), std::regex("(^|\n)#([a-z])"), "$1$2");
  ASSERT_NE(all, DefaultConfigText());
  EXPECT_EQ(AllValues(MustParse(all)), AllValues(MustParse("")));
  for (const Setting& setting : Settings())
    EXPECT_THAT(all, HasSubstr("\n" + std::string(setting.key) + " = ")) << setting.Name();
}

TEST(DefaultText, FitsATerminal) {
  std::istringstream lines(DefaultConfigText());
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100U) << line;
}

TEST(Reload, NamesWhatNeedsARestart) {
  const Config running = MustParse("");
  EXPECT_THAT(SettingsThatNeedRestart(running, MustParse("[log]\nlevel = \"debug\"\n[pop3]\n"
                                                         "idle_timeout_s = 700\n")),
              IsEmpty());
  EXPECT_THAT(SettingsThatNeedRestart(
                  running, MustParse("[server]\nworkers = 2\n[pop3]\nlisten = []\n"
                                     "connections_max = 5\n[store]\npath = \"other\"\n")),
              ElementsAre("server.workers", "store.path", "pop3.listen"));
}

class ConfigOnDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/poplar-config-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& text) {
    const std::string path = folder_ / "poplar.toml";
    std::ofstream(path) << text;
    return path;
  }

  std::filesystem::path folder_;
};

TEST_F(ConfigOnDisk, LoadsAFile) {
  const auto config = LoadConfig(Write("[server]\nworkers = 3\n"));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->server.workers, 3U);
  EXPECT_EQ(config->store.path, folder_ / "store");
}

TEST_F(ConfigOnDisk, AMissingFileSaysHowToMakeOne) {
  const auto config = LoadConfig(folder_ / "none.toml");
  ASSERT_FALSE(config.ok());
  EXPECT_THAT(std::string(Message(config.status())),
              AllOf(HasSubstr("none.toml: cannot open it: No such file"), HasSubstr("init")));
}

TEST_F(ConfigOnDisk, AFolderOrAHugeFileIsRefused) {
  const auto folder = LoadConfig(folder_);
  ASSERT_FALSE(folder.ok());
  EXPECT_THAT(std::string(Message(folder.status())), HasSubstr("Is a directory"));
  const auto huge = LoadConfig(Write(std::string(2 * 1024 * 1024, '\n')));
  ASSERT_FALSE(huge.ok());
  EXPECT_THAT(std::string(Message(huge.status())), HasSubstr("larger than 1 MiB"));
}

TEST_F(ConfigOnDisk, EveryFaultIsToldOnALineOfItsOwn) {
  const std::string path = Write("[server]\nworkers = -1\nname = \"x\"\n");
  const auto config = LoadConfig(path);
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.status().code(), StatusCode::kInvalidArgument);
  const std::string message(Message(config.status()));
  EXPECT_THAT(message, HasSubstr(path + ":2: server.workers"));
  EXPECT_THAT(message, HasSubstr("\n" + path + ":3: server.name"));
}

}  // namespace
}  // namespace poplar::tenant
