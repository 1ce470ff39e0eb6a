#include "auth/plugins/common/http_client.h"

#include <algorithm>
#include <cstdlib>

namespace poplar::plugins {
namespace {

struct Body {
  SecretText text;
  size_t bytes_max;
};

size_t Receive(char* bytes, size_t size, size_t n, void* to) {
  Body& body = *static_cast<Body*>(to);
  if (size * n > body.bytes_max - body.text.size()) return CURL_WRITEFUNC_ERROR;
  body.text.append(bytes, size * n);
  return size * n;
}

}  // namespace

std::unique_ptr<HttpClient> HttpClient::Make(const HttpOptions& options, const std::string& url,
                                             std::string& fault) {
  std::unique_ptr<HttpClient> made(new HttpClient);
  made->handle_ = curl_easy_init();
  if (made->handle_ != nullptr && made->SetOptions(options, url)) return made;
  fault = "libcurl refuses an option";
  return nullptr;
}

HttpClient::~HttpClient() {
  curl_easy_cleanup(handle_);
  curl_slist_free_all(headers_);
}

bool HttpClient::SetOptions(const HttpOptions& options, const std::string& url) {
  answer_bytes_max_ = options.answer_bytes_max;
  headers_ = curl_slist_append(headers_, "Expect:");  // No "100 Continue" to wait for.
  for (const SecretText& header : options.headers) {
    if (headers_ != nullptr) headers_ = curl_slist_append(headers_, header.c_str());
  }
  bool done = headers_ != nullptr;
  const auto set = [this, &done](CURLoption option, auto value) {
    done = done && curl_easy_setopt(handle_, option, value) == CURLE_OK;
  };
  set(CURLOPT_ERRORBUFFER, error_.data());
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "https,http");  // The settings allow no other http than to loopback.
  set(CURLOPT_HTTPHEADER, headers_);
  set(CURLOPT_WRITEFUNCTION, &Receive);
  set(CURLOPT_FOLLOWLOCATION, 0L);
  // Nothing of the environment's counts: no proxies, no .netrc.
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(CURLOPT_CAINFO, options.ca_file.c_str());
  set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout_ms));
  set(CURLOPT_NOSIGNAL, 1L);
  // Its resolver's thread is left behind where it is late.
  set(CURLOPT_QUICK_EXIT, 1L);
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  // Below what servers and firewalls usually allow.
  set(CURLOPT_MAXAGE_CONN, 60L);
  if (options.user.empty()) return done;
  set(CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
  set(CURLOPT_USERNAME, options.user.c_str());
  set(CURLOPT_PASSWORD, options.password.c_str());
  return done;
}

HttpReply HttpClient::Get(Deadline deadline) {
  curl_easy_setopt(handle_, CURLOPT_HTTPGET, 1L);
  return Perform(deadline);
}

HttpReply HttpClient::Post(const SecretText& body, Deadline deadline) {
  curl_easy_setopt(handle_, CURLOPT_POST, 1L);
  curl_easy_setopt(handle_, CURLOPT_POSTFIELDS, body.data());
  curl_easy_setopt(handle_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  return Perform(deadline);
}

HttpReply HttpClient::Perform(Deadline deadline) {
  HttpReply reply;
  Body body{.text = {}, .bytes_max = answer_bytes_max_};
  const long left_ms = std::max(1, MillisecondsUntil(deadline));
  error_[0] = '\0';
  curl_easy_setopt(handle_, CURLOPT_TIMEOUT_MS, left_ms);
  curl_easy_setopt(handle_, CURLOPT_WRITEDATA, &body);
  const CURLcode code = curl_easy_perform(handle_);
  usable_ = code == CURLE_OK;
  long status = 0;
  curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
  if (code == CURLE_WRITE_ERROR) {
    reply.fault = "the answer has more than " + std::to_string(answer_bytes_max_) + " octets";
  } else if (code != CURLE_OK) {
    const char* const why = error_[0] != '\0' ? error_.data() : curl_easy_strerror(code);
    reply.tried = {.result = Tried::Result::kNoAnswer, .why = why};
  } else if (status == 429 || status >= 500) {
    // 500 and those that are no gateway's may come of one account that it cannot cope with.
    const bool unfit = status == 429 || (status >= 502 && status <= 504);
    reply.tried = {.result = unfit ? Tried::Result::kUnfit : Tried::Result::kFaulted,
                   .why = "status " + std::to_string(status)};
  } else if (status != 200) {
    reply.fault = "status " + std::to_string(status);
  }
  reply.body = std::move(body.text);
  return reply;
}

bool PrepareHttp() {
  ::unsetenv("SSLKEYLOGFILE");  // libcurl would write the keys of its connections there.
  return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

}  // namespace poplar::plugins
