#include "auth/plugins/common/http_url.h"

#include <curl/curl.h>

#include <memory>
#include <optional>

#include "auth/plugins/common/dial.h"

namespace poplar::plugins {
namespace {

// A part of a URL; nullopt: it has none.
std::optional<std::string> PartOf(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return std::nullopt;
  const std::unique_ptr<char, void (*)(void*)> owned(text, curl_free);
  return std::string(text);
}

}  // namespace

void CheckUrl(const std::string& name, const std::string& url, SettingsReader& reader) {
  const std::unique_ptr<CURLU, void (*)(CURLU*)> parsed(curl_url(), curl_url_cleanup);
  const bool is_url =
      parsed != nullptr && curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) == CURLUE_OK;
  const std::string scheme =
      is_url ? PartOf(parsed.get(), CURLUPART_SCHEME).value_or("") : std::string();
  if ((scheme != "https" && scheme != "http") || PartOf(parsed.get(), CURLUPART_USER).has_value() ||
      PartOf(parsed.get(), CURLUPART_FRAGMENT).has_value()) {
    return reader.Fault(name + ": \"" + url +
                        "\" is not as \"https://api.example.net/mail-users\"");
  }
  std::string host = PartOf(parsed.get(), CURLUPART_HOST).value_or("");
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  if (scheme == "http" && !IsLoopback(host)) {
    reader.Fault(name + ": secrets would travel to " + url + " in clear: write https://");
  }
}

}  // namespace poplar::plugins
