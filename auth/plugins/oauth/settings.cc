#include "auth/plugins/oauth/settings.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "auth/plugins/common/http_url.h"
#include "auth/plugins/common/settings_reader.h"

namespace poplar::oauth {
namespace {

constexpr std::array<std::string_view, 10> kAlgorithms = {
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", kEdDsa};

using plugins::SettingsReader;

bool IsHttps(const std::string& url) { return url.starts_with("https:"); }

void Check(const Settings& settings, SettingsReader& reader) {
  const int sources = static_cast<int>(!settings.jwks_url.empty()) +
                      static_cast<int>(!settings.jwks_file.empty()) +
                      static_cast<int>(!settings.introspection_url.empty());
  if (sources != 1) {
    reader.Fault("write one of jwks_url, jwks_file and introspection_url");
  }
  if (settings.introspection_url.empty() && settings.issuer.empty()) {
    reader.Fault("write issuer = \"https://…\", as it stands in the tokens (\"iss\")");
  }
  if (settings.audience.empty()) {
    reader.Fault(
        "write audience = \"…\": whom the tokens are for (\"aud\"); those for others are "
        "none of ours");
  }
  if (settings.user_claim.empty()) reader.Fault("user_claim is empty");
  for (const std::string& algorithm : settings.algorithms) {
    if (std::ranges::find(kAlgorithms, algorithm) == kAlgorithms.end()) {
      reader.Fault("algorithms has \"" + algorithm +
                   "\"; known are RS, PS and ES with 256, 384, 512, EdDSA, and Ed25519");
    }
  }
  if (settings.client_id.empty() != settings.client_secret.empty()) {
    reader.Fault("client_id and client_secret (or client_secret_file) belong together");
  }
}

}  // namespace

std::string AlgorithmOf(std::string name) {
  return name == "Ed25519" ? std::string(kEdDsa) : std::move(name);
}

std::optional<Settings> ReadSettings(const poplar_setting* settings, std::string& fault) {
  SettingsReader reader(settings, "auth/OAUTH.md", fault);
  Settings read;
  reader.Text("issuer", read.issuer);
  reader.Text("jwks_url", read.jwks_url);
  reader.Text("jwks_file", read.jwks_file);
  reader.Text("introspection_url", read.introspection_url);
  for (const auto& [name, url] : {std::pair("jwks_url", read.jwks_url),
                                  std::pair("introspection_url", read.introspection_url)}) {
    if (!url.empty()) plugins::CheckUrl(name, url, reader);
  }
  reader.Text("client_id", read.client_id);
  reader.Secret("client_secret", read.client_secret);
  reader.CaFile(IsHttps(read.jwks_url) || IsHttps(read.introspection_url), read.ca_file);
  read.audience = reader.List("audience");
  read.scope = reader.List("scope");
  reader.Text("user_claim", read.user_claim);
  reader.Text("default_domain", read.default_domain);
  std::vector<std::string> algorithms = reader.List("algorithms");
  if (!algorithms.empty()) read.algorithms = std::move(algorithms);
  for (std::string& algorithm : read.algorithms) algorithm = AlgorithmOf(std::move(algorithm));
  reader.Number("leeway_s", 0, 600, read.leeway_s);
  reader.Times(read.limits);
  reader.NothingElse();
  Check(read, reader);
  if (!reader.ok()) return std::nullopt;
  return read;
}

}  // namespace poplar::oauth
