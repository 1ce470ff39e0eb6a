#include "auth/plugins/http/client.h"

#include <algorithm>
#include <string_view>

namespace poplar::http {
namespace {

using plugins::Tried;

size_t Receive(char* bytes, size_t size, size_t n, void* to) {
  SecretText& body = *static_cast<SecretText*>(to);
  if (size * n > kAnswerBytesMax - body.size()) return CURL_WRITEFUNC_ERROR;
  body.append(bytes, size * n);
  return size * n;
}

}  // namespace

std::unique_ptr<Client> Client::Make(const Settings& settings, const std::string& url,
                                     std::string& fault) {
  std::unique_ptr<Client> made(new Client);
  made->handle_ = curl_easy_init();
  if (made->handle_ != nullptr && made->SetOptions(settings, url)) return made;
  fault = "libcurl refuses an option";
  return nullptr;
}

Client::~Client() {
  curl_easy_cleanup(handle_);
  curl_slist_free_all(headers_);
}

bool Client::SetOptions(const Settings& settings, const std::string& url) {
  std::string authorization = "Authorization: Bearer " + settings.token;
  for (const char* header : {"Content-Type: application/json", "Accept: application/json",
                             // No "100 Continue" to wait for.
                             "Expect:", settings.token.empty() ? nullptr : authorization.c_str()}) {
    if (header != nullptr) headers_ = curl_slist_append(headers_, header);
  }
  ::explicit_bzero(authorization.data(), authorization.size());
  bool done = headers_ != nullptr;
  const auto set = [this, &done](CURLoption option, auto value) {
    done = done && curl_easy_setopt(handle_, option, value) == CURLE_OK;
  };
  set(CURLOPT_ERRORBUFFER, error_.data());
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "https,http");  // The settings allow no other http than to loopback.
  set(CURLOPT_POST, 1L);
  set(CURLOPT_HTTPHEADER, headers_);
  set(CURLOPT_WRITEFUNCTION, &Receive);
  set(CURLOPT_FOLLOWLOCATION, 0L);
  // Nothing of the environment's counts: no proxies, no .netrc.
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(CURLOPT_CAINFO, settings.ca_file.c_str());
  set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(settings.limits.connect_timeout_ms));
  set(CURLOPT_NOSIGNAL, 1L);
  // Its resolver's thread is left behind where it is late.
  set(CURLOPT_QUICK_EXIT, 1L);
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  // Below what servers and firewalls usually allow.
  set(CURLOPT_MAXAGE_CONN, 60L);
  return done;
}

Reply Client::Post(const SecretText& body, plugins::Deadline deadline) {
  Reply reply;
  const long left_ms = std::max(1, plugins::MillisecondsUntil(deadline));
  error_[0] = '\0';
  curl_easy_setopt(handle_, CURLOPT_TIMEOUT_MS, left_ms);
  curl_easy_setopt(handle_, CURLOPT_POSTFIELDS, body.data());
  curl_easy_setopt(handle_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(handle_, CURLOPT_WRITEDATA, &reply.body);
  const CURLcode code = curl_easy_perform(handle_);
  usable_ = code == CURLE_OK;
  long status = 0;
  curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
  if (code == CURLE_WRITE_ERROR) {
    reply.fault = "the answer has more than " + std::to_string(kAnswerBytesMax) + " octets";
  } else if (code != CURLE_OK) {
    const char* const why = error_[0] != '\0' ? error_.data() : curl_easy_strerror(code);
    reply.tried = {.result = Tried::Result::kNoAnswer, .why = why};
  } else if (status == 429 || status >= 500) {
    reply.tried = {.result = Tried::Result::kUnfit, .why = "status " + std::to_string(status)};
  } else if (status != 200) {
    reply.fault = "status " + std::to_string(status);
  }
  return reply;
}

}  // namespace poplar::http
