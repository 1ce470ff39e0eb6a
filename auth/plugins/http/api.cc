#include "auth/plugins/http/api.h"

#include <optional>
#include <utility>

#include "auth/plugins/common/placeholders.h"

namespace poplar::http {

using plugins::Deadline;
using plugins::HttpClient;
using plugins::SecretText;

namespace {

plugins::HttpOptions OptionsOf(const Settings& settings) {
  plugins::HttpOptions options{
      .ca_file = settings.ca_file,
      .headers = {"Content-Type: application/json", "Accept: application/json"},
      .connect_timeout_ms = settings.limits.connect_timeout_ms};
  if (!settings.token.empty()) {
    options.headers.emplace_back("Authorization: Bearer ").append(settings.token);
  }
  return options;
}

}  // namespace

Api::Api(Settings settings, const poplar_host& host)
    : settings_(std::move(settings)),
      host_(host),
      servers_(settings_.urls, plugins::Servers::Order::kListed, host),
      pool_(servers_, settings_.limits, [this](size_t server, Deadline, std::string& fault) {
        return HttpClient::Make(OptionsOf(settings_), settings_.urls[server], fault);
      }) {}

poplar_outcome Api::Ask(const poplar_question& question, poplar_answer* answer) {
  const Question asked(host_, question, answer);
  if (asked.operation() == POPLAR_VERIFY_TOKEN) return POPLAR_UNSUPPORTED;
  // JSON has no other text.
  if (!plugins::IsUtf8(asked.login())) return asked.Say(POPLAR_UNKNOWN, "the name is not UTF-8");
  if (!plugins::IsUtf8(asked.secret())) {
    return asked.Say(POPLAR_REFUSED, "the password is not UTF-8");
  }
  const SecretText body = Encode({.operation = asked.operation(),
                                  .login = asked.login(),
                                  .password = asked.secret(),
                                  .mechanism = asked.mechanism(),
                                  .client_address = asked.client_address()});
  plugins::HttpReply reply;
  const plugins::Tried tried =
      pool_.Run(asked.deadline(), [&](HttpClient& client, Deadline deadline) {
        reply = client.Post(body, deadline);
        return reply.tried;
      });
  if (!tried.answered()) return asked.Say(tried.outcome(), tried.why);
  std::optional<Answer> said;
  if (reply.fault.empty()) said = Decode(reply.body, asked.operation(), reply.fault);
  if (!said.has_value()) return asked.Say(POPLAR_TEMPORARY, "the API: " + reply.fault);
  return Tell(asked, *said);
}

poplar_outcome Api::Tell(const Question& asked, const Answer& answer) const {
  const auto set = [&asked](poplar_field field, std::string_view value) {
    return value.empty() || asked.Set(field, value);
  };
  if (!set(POPLAR_ACCOUNT, answer.account) || !set(POPLAR_ADDRESS, answer.address) ||
      !set(POPLAR_QUOTA_OCTETS, answer.quota_octets) ||
      !set(POPLAR_QUOTA_MESSAGES, answer.quota_messages) ||
      !set(POPLAR_STORED_PASSWORD, answer.stored_password) ||
      !set(POPLAR_VERIFIER, answer.verifier)) {
    return asked.Say(POPLAR_TEMPORARY, "the API: a field of its answer is too long");
  }
  if (answer.outcome == POPLAR_TEMPORARY && answer.reason.empty()) {
    return asked.Say(POPLAR_TEMPORARY, "the API: it says temporary, and not why");
  }
  return asked.Say(answer.outcome, answer.reason);
}

}  // namespace poplar::http
