#include "auth/plugins/http/settings.h"

#include <algorithm>

#include "auth/plugins/common/http_url.h"

namespace poplar::http {
namespace {

using plugins::SettingsReader;

bool IsPrintable(char octet) { return octet > ' ' && octet < '\x7f'; }

}  // namespace

std::optional<Settings> ReadSettings(const poplar_setting* settings, std::string& fault) {
  SettingsReader reader(settings, "auth/HTTP.md", fault);
  Settings read;
  read.urls = reader.List("url");
  for (const std::string& url : read.urls) plugins::CheckUrl("url", url, reader);
  if (read.urls.empty()) {
    reader.Fault("url is missing: as \"https://api.example.net/mail-users\"");
  }
  reader.CaFile(std::ranges::any_of(read.urls, [](auto& url) { return url.starts_with("https:"); }),
                read.ca_file);
  reader.Secret("token", read.token);
  if (!std::ranges::all_of(read.token, IsPrintable)) {
    reader.Fault("token is one word of printable ASCII");
  }
  reader.Times(read.limits);
  reader.NothingElse();
  if (!reader.ok()) return std::nullopt;
  return read;
}

}  // namespace poplar::http
