// Asks one URL, again and again on the same connection where it can be kept. No call waits longer
// than its deadline.
//
// One thread at a time.

#pragma once

#include <curl/curl.h>

#include <array>
#include <memory>
#include <string>

#include "auth/plugins/common/deadline.h"
#include "auth/plugins/common/pool.h"
#include "auth/plugins/http/secret_text.h"
#include "auth/plugins/http/settings.h"

namespace poplar::http {

// What an API may say has some hundred octets.
inline constexpr size_t kAnswerBytesMax = 64 * 1024;

struct Reply {
  plugins::Tried tried;
  // Where it was answered: why the answer cannot be used, or else its body.
  std::string fault;
  SecretText body;
};

class Client {
 public:
  // Connects with the first question. Null: `fault` says why. `settings` outlives it.
  static std::unique_ptr<Client> Make(const Settings& settings, const std::string& url,
                                      std::string& fault);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  // Redirects are not followed; any status but 200 is no answer that can be used.
  Reply Post(const SecretText& body, plugins::Deadline deadline);
  bool Usable() const { return usable_; }

 private:
  Client() = default;
  bool SetOptions(const Settings& settings, const std::string& url);

  CURL* handle_ = nullptr;
  curl_slist* headers_ = nullptr;
  std::array<char, CURL_ERROR_SIZE> error_{};
  bool usable_ = true;
};

}  // namespace poplar::http
