#include "auth/plugins/http/messages.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

namespace poplar::http {
namespace {

using SecretJson = nlohmann::basic_json<std::map, std::vector, SecretText, bool, int64_t, uint64_t,
                                        double, plugins::WipingAllocator>;

constexpr std::array<std::pair<std::string_view, poplar_outcome>, 6> kOutcomes = {
    {{"ok", POPLAR_OK},
     {"unknown", POPLAR_UNKNOWN},
     {"refused", POPLAR_REFUSED},
     {"disabled", POPLAR_DISABLED},
     {"temporary", POPLAR_TEMPORARY},
     {"unsupported", POPLAR_UNSUPPORTED}}};

bool Fits(poplar_outcome outcome, poplar_operation operation) {
  if (outcome == POPLAR_REFUSED) return operation == POPLAR_VERIFY_PASSWORD;
  if (outcome == POPLAR_UNSUPPORTED) return operation == POPLAR_FETCH_VERIFIER;
  return true;
}

SecretJson TextOf(std::string_view text) { return SecretText(text); }

// Takes fields of an answer, and keeps the first fault.
class Fields {
 public:
  Fields(const SecretJson& object, std::string& fault) : object_(object), fault_(fault) {}

  // Empty: it is missing, or null.
  SecretText Text(const char* name) {
    const auto found = object_.find(name);
    if (found == object_.end() || found->is_null()) return {};
    if (!found->is_string()) {
      Fault(std::string(name) + " is no text");
      return {};
    }
    return found->get_ref<const SecretText&>();
  }
  std::string PlainText(const char* name) {
    const SecretText text = Text(name);
    return {text.begin(), text.end()};
  }
  // In decimal.
  std::string Number(const char* name) {
    const auto found = object_.find(name);
    if (found == object_.end() || found->is_null()) return {};
    if (!found->is_number_unsigned()) {
      Fault(std::string(name) + " is no whole number");
      return {};
    }
    return std::to_string(found->get<uint64_t>());
  }
  void Fault(std::string sentence) {
    if (fault_.empty()) fault_ = std::move(sentence);
  }

 private:
  const SecretJson& object_;
  std::string& fault_;
};

}  // namespace

SecretText Encode(const Request& request) {
  SecretJson body = {{"login", TextOf(request.login)},
                     {"client_address", TextOf(request.client_address)}};
  switch (request.operation) {
    case POPLAR_VERIFY_PASSWORD:
      body["operation"] = "verify_password";
      body["password"] = TextOf(request.password);
      break;
    case POPLAR_FETCH_VERIFIER:
      body["operation"] = "fetch_verifier";
      body["mechanism"] = TextOf(request.mechanism);
      break;
    default:
      body["operation"] = "resolve";
      if (!request.mechanism.empty()) body["mechanism"] = TextOf(request.mechanism);
  }
  return body.dump();
}

std::optional<Answer> Decode(std::string_view body, poplar_operation operation,
                             std::string& fault) {
  const SecretJson object = SecretJson::parse(body.begin(), body.end(), nullptr, false);
  if (!object.is_object()) {
    fault = "the answer is no JSON object";
    return std::nullopt;
  }
  Fields fields(object, fault);
  const std::string word = fields.PlainText("outcome");
  const auto* const outcome =
      std::ranges::find(kOutcomes, word, &std::pair<std::string_view, poplar_outcome>::first);
  Answer answer;
  if (outcome == kOutcomes.end() || !Fits(outcome->second, operation)) {
    fields.Fault("the answer has no outcome that fits the question");
  } else {
    answer.outcome = outcome->second;
  }
  answer.account = fields.PlainText("account");
  answer.address = fields.PlainText("address");
  answer.quota_octets = fields.Number("quota_octets");
  answer.quota_messages = fields.Number("quota_messages");
  answer.reason = fields.PlainText("reason");
  if (operation == POPLAR_VERIFY_PASSWORD) answer.stored_password = fields.Text("stored_password");
  if (operation == POPLAR_FETCH_VERIFIER) answer.verifier = fields.Text("verifier");
  if (answer.outcome == POPLAR_OK && answer.account.empty()) {
    fields.Fault("the answer names no account");
  }
  if (!fault.empty()) return std::nullopt;
  return answer;
}

}  // namespace poplar::http
