#include "auth/plugins/oauth/settings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <map>
#include <string_view>

namespace poplar::oauth {
namespace {

constexpr std::array<std::string_view, 10> kAlgorithms = {
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"};

using Values = std::map<std::string, std::vector<std::string>, std::less<>>;

class Reader {
 public:
  Reader(const poplar_setting* settings, std::string& fault) : fault_(fault) {
    for (; settings->name != nullptr; ++settings) {
      values_[settings->name].emplace_back(settings->value);
    }
  }

  void Fault(const std::string& sentence) {
    if (fault_.empty()) fault_ = sentence;
  }
  void List(std::string_view name, std::vector<std::string>& to) {
    const auto found = values_.find(name);
    if (found == values_.end()) return;
    to = std::move(found->second);
    values_.erase(found);
  }
  void Text(std::string_view name, std::string& to) {
    std::vector<std::string> all;
    List(name, all);
    if (all.size() > 1) Fault(std::string(name) + " is there twice");
    if (!all.empty()) to = all.front();
  }
  void Number(std::string_view name, uint32_t most, uint32_t& to) {
    std::string text;
    Text(name, text);
    if (text.empty()) return;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), to);
    if (end.ec != std::errc() || end.ptr != text.data() + text.size() || to > most) {
      Fault(std::string(name) + " is a number up to " + std::to_string(most));
    }
  }
  // In clear only to this machine: what comes back decides who is let in.
  void Url(std::string_view name, std::string& to) {
    Text(name, to);
    const std::string_view url = to;
    const bool local = url.starts_with("http://127.0.0.1:") || url.starts_with("http://[::1]:") ||
                       url.starts_with("http://localhost:");
    if (!url.empty() && !url.starts_with("https://") && !local) {
      Fault(std::string(name) + " begins with https:// (http:// is for this machine)");
    }
  }
  void FirstLine(std::string_view name, std::string& to) {
    std::string path;
    Text(name, path);
    if (path.empty()) return;
    std::ifstream file(path);
    if (!std::getline(file, to) || to.empty()) Fault(path + " cannot be read, or is empty");
  }
  void NothingElse() {
    if (values_.empty()) return;
    Fault("there is no setting \"" + values_.begin()->first + "\" (auth/OAUTH.md lists them)");
  }

 private:
  Values values_;
  std::string& fault_;
};

void Check(const Settings& settings, Reader& reader) {
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
  if (settings.algorithms.empty()) reader.Fault("algorithms is empty");
  for (const std::string& algorithm : settings.algorithms) {
    if (std::ranges::find(kAlgorithms, algorithm) == kAlgorithms.end()) {
      reader.Fault("algorithms has \"" + algorithm +
                   "\"; known are RS, PS and ES with 256, 384, 512, and EdDSA");
    }
  }
  if (settings.client_id.empty() != settings.client_secret.empty()) {
    reader.Fault("client_id and client_secret_file belong together");
  }
}

}  // namespace

std::optional<Settings> ReadSettings(const poplar_setting* settings, std::string& fault) {
  Reader reader(settings, fault);
  Settings read;
  reader.Text("issuer", read.issuer);
  reader.Url("jwks_url", read.jwks_url);
  reader.Text("jwks_file", read.jwks_file);
  reader.Url("introspection_url", read.introspection_url);
  reader.Text("client_id", read.client_id);
  reader.FirstLine("client_secret_file", read.client_secret);
  reader.Text("ca_file", read.ca_file);
  reader.List("audience", read.audience);
  reader.List("scope", read.scope);
  reader.Text("user_claim", read.user_claim);
  reader.Text("default_domain", read.default_domain);
  reader.List("algorithms", read.algorithms);
  reader.Number("leeway_s", 600, read.leeway_s);
  reader.NothingElse();
  Check(read, reader);
  return fault.empty() ? std::optional(std::move(read)) : std::nullopt;
}

}  // namespace poplar::oauth
