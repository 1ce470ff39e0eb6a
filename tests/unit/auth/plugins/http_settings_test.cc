// What an API's section may say, and the sentence for each mistake.

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "auth/plugins/http/settings.h"
#include "tests/unit/auth/plugins/setting_lines.h"
#include "tests/unit/auth/temp_dir.h"

namespace poplar::http {
namespace {

using plugins::Lines;
using plugins::With;

std::optional<Settings> Read(const Lines& lines, std::string& fault) {
  return ReadSettings(plugins::SettingList(lines).data(), fault);
}
Settings Good(const Lines& lines) {
  std::string fault;
  const std::optional<Settings> read = Read(lines, fault);
  EXPECT_TRUE(read.has_value()) << fault;
  return read.value_or(Settings());
}
std::string FaultOf(const Lines& lines) {
  std::string fault;
  EXPECT_FALSE(Read(lines, fault).has_value());
  return fault;
}

TEST(HttpSettings, Urls) {
  for (const char* url :
       {"https://api.example.net/mail-users", "https://api.example.net:8443/a?b=c",
        "http://127.0.0.1:8080/", "http://localhost/x", "http://[::1]:8080/x"}) {
    EXPECT_EQ(Good({{"url", url}}).urls, std::vector<std::string>{url});
  }
  for (const char* wrong :
       {"", "api.example.net", "ftp://api.example.net", "https://u:p@api.example",
        "https://api.example.net/#x", "https://", "file:///etc/passwd"}) {
    EXPECT_NE(FaultOf({{"url", wrong}}).find("is not as \"https://"), std::string::npos) << wrong;
  }
  EXPECT_EQ(FaultOf({{"url", "http://api.example.net/"}}),
            "url: secrets would travel to http://api.example.net/ in clear: write https://");
  EXPECT_EQ(FaultOf({}), "url is missing: as \"https://api.example.net/mail-users\"");
}

TEST(HttpSettings, TheRest) {
  const Lines url = {{"url", "http://127.0.0.1/"}};
  auth::TempDir directory;
  const std::string path = directory.File("token");
  std::ofstream(path) << "t0ken\n";
  EXPECT_EQ(Good(With(url, {{"token_file", path}})).token, "t0ken");
  EXPECT_EQ(Good(With(url, {{"token", "x"}})).token, "x");
  EXPECT_EQ(FaultOf(With(url, {{"token", "two words"}})), "token is one word of printable ASCII");
  EXPECT_EQ(FaultOf(With(url, {{"token", "x\r\ny"}})), "token is one word of printable ASCII");
  EXPECT_EQ(FaultOf(With(url, {{"uri", "x"}})),
            "there is no setting \"uri\"; auth/HTTP.md lists them");
  EXPECT_EQ(FaultOf({{"url", "https://a.example"}, {"ca_file", "/nowhere"}}),
            "ca_file: /nowhere cannot be read");
}

}  // namespace
}  // namespace poplar::http
