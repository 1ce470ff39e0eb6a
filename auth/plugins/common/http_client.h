// Asks one URL by libcurl, again and again on the same connection where it can be kept. No call
// waits longer than its deadline.
//
// One thread at a time.

#pragma once

#include <curl/curl.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "auth/plugins/common/deadline.h"
#include "auth/plugins/common/pool.h"
#include "auth/plugins/common/secret_text.h"

namespace poplar::plugins {

struct HttpOptions {
  std::string ca_file;                   // Whose certificates of servers count.
  std::vector<SecretText> headers = {};  // As "Name: value".
  std::string user = {};                 // By "Basic"; empty: nobody says who asks.
  std::string password = {};
  uint32_t connect_timeout_ms = Limits().connect_timeout_ms;
  size_t answer_bytes_max = size_t{64} * 1024;
};

struct HttpReply {
  Tried tried;
  // Where it was answered: why the answer cannot be used, or else its body.
  std::string fault;
  SecretText body;
};

class HttpClient {
 public:
  // Connects with the first question. Null: `fault` says why.
  static std::unique_ptr<HttpClient> Make(const HttpOptions& options, const std::string& url,
                                          std::string& fault);
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  ~HttpClient();

  // Redirects are not followed; any status but 200 is no answer that can be used.
  HttpReply Get(Deadline deadline);
  HttpReply Post(const SecretText& body, Deadline deadline);
  bool Usable() const { return usable_; }

 private:
  HttpClient() = default;
  bool SetOptions(const HttpOptions& options, const std::string& url);
  HttpReply Perform(Deadline deadline);

  CURL* handle_ = nullptr;
  curl_slist* headers_ = nullptr;
  size_t answer_bytes_max_ = 0;
  std::array<char, CURL_ERROR_SIZE> error_{};
  bool usable_ = true;
};

// For the process, before it has a second thread. False: there is no memory.
bool PrepareHttp();

}  // namespace poplar::plugins
