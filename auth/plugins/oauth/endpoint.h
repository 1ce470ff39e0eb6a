// A URL of the issuer's, asked again and again over connections that are kept. Any thread; a call
// blocks until its deadline at most.

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "auth/plugin.h"
#include "auth/plugins/common/deadline.h"
#include "auth/plugins/common/http_client.h"
#include "auth/plugins/common/pool.h"
#include "auth/plugins/common/secret_text.h"
#include "auth/plugins/common/servers.h"
#include "auth/plugins/oauth/settings.h"

namespace poplar::oauth {

inline constexpr size_t kReplyBytesMax = 1 << 20;

class Endpoint {
 public:
  // `settings` and `host` outlive this.
  Endpoint(const std::string& url, const Settings& settings, const poplar_host& host);

  // The body of a reply of status 200; nothing, and why.
  std::optional<plugins::SecretText> Get(plugins::Deadline deadline, std::string& fault);
  // The same; `form` in "x-www-form-urlencoded". `fault` tells a reply that is no good (kFaulted)
  // from none.
  std::optional<plugins::SecretText> Post(const plugins::SecretText& form,
                                          plugins::Deadline deadline, plugins::Tried& fault);

 private:
  // What `ask` makes of a connection, which is asked again where nothing was answered.
  template <typename AskOne>
  std::optional<plugins::SecretText> Ask(plugins::Deadline deadline, plugins::Tried& fault,
                                         AskOne ask);

  plugins::Servers servers_;
  plugins::Pool<plugins::HttpClient> pool_;
};

// For a form.
plugins::SecretText UrlEncode(std::string_view text);

}  // namespace poplar::oauth
