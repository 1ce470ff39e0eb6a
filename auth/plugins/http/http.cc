// The HTTP plug-in's entry. auth/HTTP.md tells how to configure it.

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "auth/plugin.h"
#include "auth/plugins/common/entry.h"
#include "auth/plugins/common/http_client.h"
#include "auth/plugins/http/api.h"
#include "auth/plugins/http/settings.h"

namespace poplar::http {
namespace {

std::unique_ptr<Api> MakeApi(const poplar_setting* settings, const poplar_host& host,
                             std::string& fault) {
  std::optional<Settings> read = ReadSettings(settings, fault);
  if (!read.has_value()) return nullptr;
  return std::make_unique<Api>(std::move(*read), host);
}

}  // namespace
}  // namespace poplar::http

extern "C" const poplar_plugin* poplar_plugin_entry() {
  static const bool prepared = poplar::plugins::PrepareHttp();
  static const poplar_plugin plugin =
      poplar::plugins::PluginOf<poplar::http::Api, &poplar::http::MakeApi>(
          "http", POPLAR_RESOLVE | POPLAR_VERIFY_PASSWORD | POPLAR_FETCH_VERIFIER);
  return prepared ? &plugin : nullptr;
}
