#include "auth/plugins/oauth/http.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>

namespace poplar::oauth {
namespace {

struct FreeCurl {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
};
struct FreeText {
  void operator()(char* text) const { curl_free(text); }
};

size_t Append(char* bytes, size_t, size_t count, void* to) {
  auto& body = *static_cast<std::string*>(to);
  if (body.size() + count > kReplyBytesMax) return 0;  // Ends it as a failure.
  body.append(bytes, count);
  return count;
}

}  // namespace

std::optional<std::string> Fetch(const Request& request, const Settings& settings,
                                 Deadline deadline, std::string& fault) {
  const std::unique_ptr<CURL, FreeCurl> curl(curl_easy_init());
  if (curl == nullptr) {
    fault = "there is no memory";
    return std::nullopt;
  }
  std::string body;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline - std::chrono::steady_clock::now());
  CURL* const c = curl.get();
  curl_easy_setopt(c, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, static_cast<long>(std::max<int64_t>(left.count(), 1)));
  curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, &Append);
  curl_easy_setopt(c, CURLOPT_WRITEDATA, &body);
  if (!settings.ca_file.empty()) curl_easy_setopt(c, CURLOPT_CAINFO, settings.ca_file.c_str());
  if (request.form.has_value()) {
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, static_cast<long>(request.form->size()));
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, request.form->c_str());
  }
  if (!settings.client_id.empty()) {
    curl_easy_setopt(c, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(c, CURLOPT_USERNAME, settings.client_id.c_str());
    curl_easy_setopt(c, CURLOPT_PASSWORD, settings.client_secret.c_str());
  }
  const CURLcode code = curl_easy_perform(c);
  long status = 0;
  curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
  if (code == CURLE_OK && status == 200) return body;
  fault = request.url + ": " +
          (code == CURLE_OK ? "the answer is " + std::to_string(status) : curl_easy_strerror(code));
  return std::nullopt;
}

std::string UrlEncode(const std::string& text) {
  const std::unique_ptr<char, FreeText> encoded(
      curl_easy_escape(nullptr, text.data(), static_cast<int>(text.size())));
  return encoded == nullptr ? "" : encoded.get();
}

}  // namespace poplar::oauth
