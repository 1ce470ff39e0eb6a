#include "auth/plugins/oauth/fetch.h"

#include <memory>
#include <utility>

#include "auth/plugins/common/http_client.h"

namespace poplar::oauth {

using plugins::SecretText;

std::optional<SecretText> Fetch(const Request& request, const Settings& settings,
                                plugins::Deadline deadline, std::string& fault) {
  std::string why;
  const std::unique_ptr<plugins::HttpClient> client =
      plugins::HttpClient::Make({.ca_file = settings.ca_file,
                                 .user = settings.client_id,
                                 .password = settings.client_secret,
                                 .answer_bytes_max = kReplyBytesMax},
                                request.url, why);
  if (client != nullptr) {
    plugins::HttpReply reply =
        request.form ? client->Post(*request.form, deadline) : client->Get(deadline);
    why = reply.tried.answered() ? reply.fault : reply.tried.why;
    if (why.empty()) return std::move(reply.body);
  }
  fault = request.url + ": " + why;
  return std::nullopt;
}

SecretText UrlEncode(std::string_view text) {
  constexpr std::string_view kUnreserved =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  SecretText encoded;
  for (const char c : text) {
    if (kUnreserved.find(c) != std::string_view::npos) {
      encoded += c;
    } else {
      const auto octet = static_cast<unsigned char>(c);
      encoded += '%';
      encoded += kDigits[octet >> 4];
      encoded += kDigits[octet & 15];
    }
  }
  return encoded;
}

}  // namespace poplar::oauth
