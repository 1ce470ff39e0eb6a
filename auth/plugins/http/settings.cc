#include "auth/plugins/http/settings.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>

#include "auth/plugins/common/dial.h"

namespace poplar::http {
namespace {

using plugins::SettingsReader;

// A part of a URL; nullopt: it has none.
std::optional<std::string> PartOf(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return std::nullopt;
  const std::unique_ptr<char, void (*)(void*)> owned(text, curl_free);
  return std::string(text);
}

void CheckUrl(SettingsReader& reader, const std::string& text) {
  const std::unique_ptr<CURLU, void (*)(CURLU*)> url(curl_url(), curl_url_cleanup);
  const bool parsed =
      url != nullptr && curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) == CURLUE_OK;
  const std::string scheme =
      parsed ? PartOf(url.get(), CURLUPART_SCHEME).value_or("") : std::string();
  if ((scheme != "https" && scheme != "http") || PartOf(url.get(), CURLUPART_USER).has_value() ||
      PartOf(url.get(), CURLUPART_FRAGMENT).has_value()) {
    return reader.Fault("url: \"" + text + "\" is not as \"https://api.example.net/mail-users\"");
  }
  std::string host = PartOf(url.get(), CURLUPART_HOST).value_or("");
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  if (scheme == "http" && !plugins::IsLoopback(host)) {
    reader.Fault("url: passwords would travel to " + text + " in clear: write https://");
  }
}

bool IsPrintable(char octet) { return octet > ' ' && octet < '\x7f'; }

}  // namespace

std::optional<Settings> ReadSettings(const poplar_setting* settings, std::string& fault) {
  SettingsReader reader(settings, "auth/HTTP.md", fault);
  Settings read;
  read.urls = reader.List("url");
  for (const std::string& url : read.urls) CheckUrl(reader, url);
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
