#include "auth/plugins/oauth/endpoint.h"

#include <utility>

namespace poplar::oauth {

using plugins::Deadline;
using plugins::HttpClient;
using plugins::HttpReply;
using plugins::SecretText;

Endpoint::Endpoint(const std::string& url, const Settings& settings, const poplar_host& host)
    : servers_({url}, plugins::Servers::Order::kListed, host),
      pool_(servers_, settings.limits, [this, &settings](size_t, Deadline, std::string& fault) {
        return HttpClient::Make({.ca_file = settings.ca_file,
                                 .user = settings.client_id,
                                 .password = settings.client_secret,
                                 .connect_timeout_ms = settings.limits.connect_timeout_ms,
                                 .answer_bytes_max = kReplyBytesMax},
                                servers_.name(0), fault);
      }) {}

template <typename AskOne>
std::optional<SecretText> Endpoint::Ask(Deadline deadline, plugins::Tried& fault, AskOne ask) {
  HttpReply reply;
  plugins::Tried tried = pool_.Run(deadline, [&](HttpClient& client, Deadline until) {
    reply = ask(client, until);
    return reply.tried;
  });
  if (tried.answered() && reply.fault.empty()) return std::move(reply.body);
  if (tried.answered()) {
    tried = {.result = plugins::Tried::Result::kFaulted,
             .why = servers_.name(0) + ": " + reply.fault};
  }
  fault = std::move(tried);
  return std::nullopt;
}

std::optional<SecretText> Endpoint::Get(Deadline deadline, std::string& fault) {
  plugins::Tried tried;
  auto body =
      Ask(deadline, tried, [](HttpClient& client, Deadline until) { return client.Get(until); });
  if (!body.has_value()) fault = tried.why;
  return body;
}

std::optional<SecretText> Endpoint::Post(const SecretText& form, Deadline deadline,
                                         plugins::Tried& fault) {
  return Ask(deadline, fault,
             [&form](HttpClient& client, Deadline until) { return client.Post(form, until); });
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
