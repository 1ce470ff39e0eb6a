// Each fault is told with its line and with what to write instead.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/tenant/config.h"

namespace poplar::tenant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::string> Faults(std::string_view text) {
  std::vector<std::string> faults;
  for (const ConfigFault& fault : ParseConfig(text, "/p/p.toml").faults)
    faults.push_back(fault.ToString());
  return faults;
}

TEST(ConfigFaults, UnknownSettingsSuggestTheNearest) {
  EXPECT_THAT(Faults("[pop3]\n\nidle_timeout = 5\n"),
              ElementsAre("/p/p.toml:3: pop3.idle_timeout: there is no such setting; did you mean "
                          "idle_timeout_s?"));
  EXPECT_THAT(Faults("[log]\ncolour = 1\n"),
              ElementsAre("/p/p.toml:2: log.colour: there is no such setting; [log] knows level "
                          "and format"));
  EXPECT_THAT(Faults("[pop3]\nworkers = 5\n"),
              ElementsAre("/p/p.toml:2: pop3.workers: there is no such setting; it belongs under "
                          "[server]"));
}

TEST(ConfigFaults, UnknownSections) {
  EXPECT_THAT(Faults("\n[pop]\nlisten = []\n"),
              ElementsAre("/p/p.toml:2: [pop]: there is no such section; did you mean [pop3]?"));
  EXPECT_THAT(Faults("[[imap]]\n"), ElementsAre(HasSubstr("the sections are server, log, ")));
  EXPECT_THAT(Faults("workers = 3\n"),
              ElementsAre("/p/p.toml:1: workers stands before any section: write it under "
                          "[server]"));
  EXPECT_THAT(Faults("wrkrs = 3\n"), ElementsAre(HasSubstr(":1: wrkrs: there is no such")));
  EXPECT_THAT(Faults("pop3 = 3\n"), ElementsAre(HasSubstr("write [pop3] on a line of its own")));
  EXPECT_THAT(Faults("[[pop3]]\n"), ElementsAre(HasSubstr("write [pop3] on a line of its own")));
}

TEST(ConfigFaults, WrongTypes) {
  EXPECT_THAT(Faults("[pop3]\nidle_timeout_s = \"600\"\n"),
              ElementsAre("/p/p.toml:2: pop3.idle_timeout_s is a text; write a number, like "
                          "idle_timeout_s = 600"));
  EXPECT_THAT(Faults("[pop3]\nidle_timeout_s = 1.5\n"),
              ElementsAre(HasSubstr("is a fraction; write a number")));
  EXPECT_THAT(Faults("[pop3]\nallow_cleartext = 1\n"),
              ElementsAre(HasSubstr("is a number; write true or false, like allow_cleartext = f")));
  EXPECT_THAT(Faults("[pop3]\nlisten = 110\n"),
              ElementsAre(HasSubstr("is a number; write a list of texts, like listen = [\"127.")));
  EXPECT_THAT(Faults("[pop3]\nlisten = [\n110,\n\"127.0.0.1:0\"]\n"),
              ElementsAre(HasSubstr(":3: pop3.listen is a number; write a text")));
  EXPECT_THAT(Faults("[store]\npath = []\n"), ElementsAre(HasSubstr("is a list; write a text")));
  EXPECT_THAT(Faults("[server]\nhostname = {a = 1}\n"), ElementsAre(HasSubstr("is a section")));
  EXPECT_THAT(Faults("[log]\nlevel = 2020-01-01\n"), ElementsAre(HasSubstr("is a date")));
  EXPECT_THAT(Faults("[http]\nlisten = 9110\n"), ElementsAre(HasSubstr("is a number")));
}

TEST(ConfigFaults, HostsAsDnsHasThem) {
  EXPECT_THAT(Faults("[setup]\npop3_host = \"mailhost\"\n"), IsEmpty());
  for (const std::string host : {"pop.example.", "Pop.example", "pop..example", "pop.example:995"})
    EXPECT_THAT(Faults("[setup]\npop3_host = \"" + host + "\"\n"),
                ElementsAre(HasSubstr("write a host's name in lower case")));
}

TEST(ConfigFaults, Ranges) {
  EXPECT_THAT(Faults("[users]\ncache_seconds = 61\n"),
              ElementsAre("/p/p.toml:2: users.cache_seconds: 61 is out of range; write a number "
                          "from 0 to 60"));
  EXPECT_THAT(Faults("[lmtp]\nmessage_mib_max = 1025\n"), SizeIs(1));
  EXPECT_THAT(Faults("[lmtp]\nmessage_mib_max = -9223372036854775808\n"), SizeIs(1));
  EXPECT_THAT(Faults("[server]\nworkers = 4294967297\n"), SizeIs(1));
  EXPECT_THAT(Faults("[store]\nsegment_mib = 8\nblob_threshold_kib = 2049\n"),
              ElementsAre(HasSubstr(":3: store.blob_threshold_kib: 2049 is more than a quarter of "
                                    "segment_mib; write at most 2048")));
  EXPECT_THAT(Faults("[store]\nsegment_mib = 8\nblob_threshold_kib = 2048\n"), IsEmpty());
}

TEST(ConfigFaults, WordsAndForms) {
  EXPECT_THAT(Faults("[log]\nlevel = \"warn\"\n"),
              ElementsAre("/p/p.toml:2: log.level: \"warn\" cannot be; write \"debug\", \"info\", "
                          "\"warning\" or \"error\""));
  EXPECT_THAT(Faults("[tls]\nminimum = \"1.1\"\n"), ElementsAre(HasSubstr("\"1.2\" or \"1.3\"")));
  EXPECT_THAT(Faults("[server]\nhostname = \"a b\"\n"), ElementsAre(HasSubstr("mail.example")));
  EXPECT_THAT(Faults("[lmtp]\nsubaddress_delimiter = \"@\"\n"), SizeIs(1));
  EXPECT_THAT(Faults("[lmtp]\nsubaddress_delimiter = \"++\"\n"), SizeIs(1));
  EXPECT_THAT(Faults("[users]\nhash = \"md5\"\n"),
              ElementsAre(HasSubstr("\"yescrypt\", \"argon2id\"")));
  EXPECT_THAT(Faults("[pop3]\nlisten = [\"localhost:110\"]\n"),
              ElementsAre(HasSubstr("pop3.listen: \"localhost:110\" is not an address")));
  EXPECT_THAT(Faults("[http]\nlisten = \"9110\"\n"), ElementsAre(HasSubstr("\"127.0.0.1:1110\"")));
}

TEST(ConfigFaults, Mechanisms) {
  EXPECT_THAT(Faults("[auth]\nmechanisms = []\n"), ElementsAre(HasSubstr("nobody could log in")));
  EXPECT_THAT(Faults("[auth]\nmechanisms = [\"CRAM-MD5\"]\n"),
              ElementsAre(HasSubstr("\"CRAM-MD5\" is none; write some of USER, APOP, PLAIN")));
  EXPECT_THAT(Faults("[auth]\nmechanisms = [\"PLAIN\", \"PLAIN\"]\n"),
              ElementsAre(HasSubstr("is there twice")));
  EXPECT_THAT(Faults("[auth]\nmechanisms = [\"EXTERNAL\"]\n"),
              ElementsAre(HasSubstr("client_ca = \"FILE\" under [tls]")));
  // A proxy in front may have verified them.
  EXPECT_THAT(Faults("[auth]\nmechanisms = [\"EXTERNAL\"]\n[pop3]\nproxy_networks = \"::1\"\n"),
              IsEmpty());
}

TEST(ConfigFaults, Networks) {
  EXPECT_THAT(Faults("[pop3]\nproxy_networks = [\"10.0.0.0/8\",\n\"10.1.2.3/8\", \"x\"]\n"),
              ElementsAre(AllOf(HasSubstr(":3: pop3.proxy_networks: \"10.1.2.3/8\""),
                                HasSubstr("write \"10.0.0.0/8\"")),
                          HasSubstr("pop3.proxy_networks: \"x\" is no network")));
  EXPECT_THAT(
      Faults("[lmtp]\nxclient_networks = 10\n"),
      ElementsAre(HasSubstr("is a number; write a list of texts, like xclient_networks =")));
  EXPECT_THAT(Faults("[pop3s]\nproxy_networks = []\n"),
              ElementsAre(HasSubstr("it belongs under [pop3]")));
}

TEST(ConfigFaults, Paths) {
  EXPECT_THAT(Faults("[store]\npath = \"\"\n"), ElementsAre(HasSubstr("store.path is empty")));
  EXPECT_THAT(Faults("[store]\npath = \"a\\u0000b\"\n"), ElementsAre(HasSubstr("NUL")));
  const std::string socket = "[lmtp]\nsocket = \"/" + std::string(106, 'a');
  EXPECT_THAT(Faults(socket + "\"\n"), IsEmpty());
  EXPECT_THAT(Faults(socket + "a\"\n"),
              ElementsAre(AllOf(HasSubstr("has 108 octets and a socket's path may have 107"),
                                HasSubstr("\"/run/poplar/lmtp.sock\""))));
  // import.sock and export.sock stand beside the admin socket, whatever that is called.
  const std::string folder = "[admin]\nsocket = \"/" + std::string(94, 'a');
  EXPECT_THAT(Faults(folder + "/a\"\n"), IsEmpty());
  EXPECT_THAT(Faults(folder + "a/a\"\n"),
              ElementsAre(HasSubstr("/import.sock has 108 octets and a socket's path may have")));
}

TEST(ConfigFaults, RulesBetweenSettings) {
  EXPECT_THAT(Faults("[tls]\nkey = \"\"\n"), ElementsAre(HasSubstr(":2: tls.certificate and")));
  EXPECT_THAT(Faults("[tls]\ncertificate = \"\"\n"), ElementsAre(HasSubstr("belong together")));
  EXPECT_THAT(Faults("[tls]\ncertificate = \"\"\nkey = \"\"\n"),
              ElementsAre(HasSubstr(":2: pop3s.listen needs a certificate")));
  EXPECT_THAT(Faults("[pop3]\nlisten = [\"[::1]:7\"]\n[pop3s]\nlisten = [\"[0::1]:7\"]\n"),
              ElementsAre("/p/p.toml:4: pop3s.listen: [::1]:7 is already listened on "
                          "(pop3.listen); write another, or remove one of the two"));
  EXPECT_THAT(Faults("[lmtp]\nsocket = \"run/admin.sock\"\n"),
              ElementsAre(HasSubstr("/p/run/admin.sock is already listened on")));
  EXPECT_THAT(Faults("[lmtp]\nsocket = \"run/export.sock\"\n"),
              ElementsAre(HasSubstr("/p/run/export.sock is already listened on")));
}

TEST(ConfigFaults, Syntax) {
  EXPECT_THAT(Faults("[pop3]\nidle_timeout_s = 1\nidle_timeout_s = 2\n"),
              ElementsAre("/p/p.toml:3: idle_timeout_s is written twice; remove one of the two"));
  EXPECT_THAT(Faults("[pop3]\n[log]\n[pop3]\n"), ElementsAre(HasSubstr(":3: pop3 is written tw")));
  EXPECT_THAT(Faults("[pop3]\nlisten = [\n"), ElementsAre(HasSubstr("p.toml:")));
  EXPECT_THAT(Faults("[log]\nlevel = info\n"), ElementsAre(HasSubstr("p.toml:2: ")));
  EXPECT_THAT(Faults("\xff\xfe"), ElementsAre(HasSubstr("p.toml:1: ")));
  EXPECT_THAT(Faults(std::string_view("[log]\n\0", 7)), ElementsAre(HasSubstr("p.toml:2: ")));
}

TEST(ConfigFaults, BackEnds) {
  const auto fault = [](const std::string& line) {
    const std::string head = "[backend.b]\nplugin = \"x.so\"\n";
    const std::vector<std::string> faults = Faults(head + line + "\n");
    return faults.empty() ? "" : faults.front();
  };
  for (const char* fine : {"", "cache_seconds = 0", "cache_seconds = 60", "weak_schemes = true",
                           "next_after = [\"refused\", \"failed\"]", "anything = [1, \"b\"]"}) {
    EXPECT_EQ(fault(fine), "") << fine;
  }
  for (const char* wrong : {"cache_seconds = -1", "cache_seconds = 61", "cache_seconds = \"5\"",
                            "cache_seconds = 1.5"}) {
    EXPECT_EQ(fault(wrong), "/p/p.toml:3: backend.b.cache_seconds: write a number from 0 to 60");
  }
  EXPECT_EQ(fault("weak_schemes = 1"), "/p/p.toml:3: backend.b.weak_schemes: write true or false");
  EXPECT_THAT(fault("next_after = [\"never\"]"), HasSubstr(":3: backend.b.next_after: "));
  EXPECT_THAT(fault("next_after = \"failed\""), HasSubstr(":3: backend.b.next_after: "));
  EXPECT_THAT(fault("anything = {a = 1}"), HasSubstr(":3: backend.b.anything: write a text"));
  EXPECT_THAT(Faults("[backend.b]\ndriver = \"sql\"\n"),
              ElementsAre(HasSubstr("backend.b.driver: write \"plugin\", \"passwd-file\"")));
  EXPECT_THAT(Faults("[backend.b]\n"), ElementsAre(HasSubstr("names no plug-in")));
  EXPECT_THAT(Faults("[backend.b]\ndriver = \"passwd-file\"\n"),
              ElementsAre(HasSubstr("names no file")));
  EXPECT_THAT(Faults("[backend.b]\ndriver = \"static\"\naddress = \"a\"\n"),
              ElementsAre(HasSubstr("names no user"), HasSubstr("a static back end has address")));
}

TEST(ConfigFaults, AllAreTold) {
  EXPECT_THAT(
      Faults("[server]\nworkers = -1\n[pop4]\n[log]\nlevel = 3\nformat = \"xml\"\n"),
      ElementsAre(HasSubstr(":2: "), HasSubstr(":3: "), HasSubstr(":5: "), HasSubstr(":6: ")));
}

}  // namespace
}  // namespace poplar::tenant
