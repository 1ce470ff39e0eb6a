// The OAuth plug-in's entry. auth/OAUTH.md tells how to configure it.

#include <curl/curl.h>

#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "auth/plugin.h"
#include "auth/plugins/oauth/issuer.h"
#include "auth/plugins/oauth/settings.h"

namespace {

using poplar::oauth::Issuer;

// The answer has to travel as well.
constexpr std::chrono::milliseconds kSpare{200};

struct Instance {
  Instance(poplar::oauth::Settings settings, const poplar_host* h)
      : issuer(std::move(settings)), host(h) {}

  Issuer issuer;
  const poplar_host* const host;
};

void* Open(const poplar_host* host, const poplar_setting* settings, char* fault,
           size_t fault_bytes) {
  std::string why;
  try {
    std::optional<poplar::oauth::Settings> read = poplar::oauth::ReadSettings(settings, why);
    if (read.has_value()) return std::make_unique<Instance>(std::move(*read), host).release();
  } catch (const std::exception& error) {
    why = error.what();
  }
  if (fault_bytes > 0) fault[why.copy(fault, fault_bytes - 1)] = '\0';
  return nullptr;
}

poplar_outcome Ask(void* given, const poplar_question* question, poplar_answer* answer) {
  if (question->operation != POPLAR_VERIFY_TOKEN) return POPLAR_UNSUPPORTED;
  auto& instance = *static_cast<Instance*>(given);
  try {
    const auto deadline = std::chrono::steady_clock::now() +
                          std::chrono::milliseconds(question->deadline_ms) - kSpare;
    const poplar::oauth::Verdict verdict = instance.issuer.Verify(
        {question->secret, question->secret_bytes}, question->login, deadline);
    instance.host->set(answer, POPLAR_REASON, verdict.reason.data(), verdict.reason.size());
    return verdict.outcome;
  } catch (const std::exception&) {  // No memory.
    return POPLAR_TEMPORARY;
  }
}

void Close(void* given) { std::unique_ptr<Instance>(static_cast<Instance*>(given)).reset(); }

}  // namespace

extern "C" const poplar_plugin* poplar_plugin_entry() {
  static const poplar_plugin plugin = {
      .version = POPLAR_PLUGIN_VERSION,
      .struct_bytes = sizeof(poplar_plugin),
      .name = "oauth",
      .operations = POPLAR_VERIFY_TOKEN,
      .open = &Open,
      .ask = &Ask,
      .close = &Close,
  };
  // Before the process has a second thread.
  static const CURLcode once = curl_global_init(CURL_GLOBAL_DEFAULT);
  return once == CURLE_OK ? &plugin : nullptr;
}
