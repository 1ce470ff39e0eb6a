// The OAuth plug-in's entry. auth/OAUTH.md tells how to configure it.

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "auth/plugin.h"
#include "auth/plugins/common/entry.h"
#include "auth/plugins/common/http_client.h"
#include "auth/plugins/common/secret_file.h"
#include "auth/plugins/oauth/issuer.h"
#include "auth/plugins/oauth/settings.h"

namespace poplar::oauth {
namespace {

std::unique_ptr<Issuer> MakeIssuer(const poplar_setting* settings, const poplar_host& host,
                                   std::string& fault) {
  std::optional<Settings> read = ReadSettings(settings, fault);
  if (!read.has_value()) return nullptr;
  if (!read->jwks_file.empty() &&
      !plugins::ReadSecretFile(read->jwks_file, kReplyBytesMax, fault).has_value()) {
    fault = "jwks_file: " + fault;
    return nullptr;
  }
  return std::make_unique<Issuer>(std::move(*read), host);
}

}  // namespace
}  // namespace poplar::oauth

extern "C" const poplar_plugin* poplar_plugin_entry() {
  static const bool prepared = poplar::plugins::PrepareHttp();
  static const poplar_plugin plugin =
      poplar::plugins::PluginOf<poplar::oauth::Issuer, &poplar::oauth::MakeIssuer>(
          "oauth", POPLAR_VERIFY_TOKEN);
  return prepared ? &plugin : nullptr;
}
