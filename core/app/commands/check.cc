#include "core/app/commands/check.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string_view>
#include <tuple>
#include <vector>

#include "auth/users/address.h"
#include "auth/users/user_database.h"
#include "core/app/certificate.h"
#include "core/app/certificate_check.h"
#include "core/app/commands/check_places.h"
#include "core/app/commands/user_records.h"
#include "core/app/tenant_files.h"
#include "core/app/tenant_sources.h"
#include "core/base/clock.h"
#include "core/base/login_domain.h"
#include "core/setup/mail_settings.h"
#include "core/tenant/config.h"
#include "core/tenant/login_ways.h"

namespace poplar::app {
namespace {

constexpr uint64_t kIdleTimeoutMinS = 600;  // RFC 1939 section 3.
constexpr uint16_t kSmtpPort = 25;          // RFC 2033 section 5.

// As they will be once a server has read what files say of tenants.
TenantPolicies AsFilesSay(TenantPolicies policies, const std::vector<TenantSpec>& specs) {
  std::map<std::string, uint64_t> ids;
  uint64_t newest = 0;
  for (const auto& [id, policy] : policies.by_tenant) {
    ids[policy.name] = id;
    newest = std::max(newest, id);
  }
  for (const TenantSpec& spec : specs) {
    const auto [known, is_new] = ids.try_emplace(spec.name, newest + 1);
    if (is_new) ++newest;
    TenantPolicy& policy = policies.by_tenant[known->second] = spec.policy;
    policy.name = spec.name;
    for (const std::string& domain : spec.domains) {
      policies.by_domain.try_emplace(
          auth::LookupKey(domain),
          TenantPolicies::Domain{.tenant = TenantId(known->second), .name = spec.name});
    }
  }
  return policies;
}

// Looks at what the settings name, once the file itself is right.
class Checker {
 public:
  Checker(const std::string& path, const Wiring& wiring, tenant::ParsedConfig& parsed)
      : path_(path), wiring_(wiring), parsed_(parsed) {}

  std::vector<tenant::ConfigFault> Warnings() && {
    if (!parsed_.faults.empty()) return {};
    CheckTls();
    CheckCongestionControl();
    CheckStandards();
    CheckWhereItListens();
    CheckStore();
    CheckBackends();
    CheckMechanisms();
    CheckPenalties();
    CheckSetup();
    CheckUsers();
    CheckTenants();
    CheckHostsOfTenants();
    std::ranges::sort(parsed_.faults, {}, [](const tenant::ConfigFault& fault) {
      return std::tie(fault.file, fault.line, fault.message);
    });
    return std::move(warnings_);
  }

 private:
  tenant::ConfigFault About(const std::string& setting, const std::string& message) const {
    const auto line = parsed_.lines.find(setting);
    return {path_, line == parsed_.lines.end() ? 0 : line->second, setting + ": " + message};
  }
  void Fault(const std::string& setting, const std::string& message) {
    parsed_.faults.push_back(About(setting, message));
  }

  void CheckTls() {
    const tenant::TlsConfig& tls = parsed_.config.tls;
    if (!tls.enabled()) return;
    const int64_t now_s = base::SystemClock().WallUs() / 1'000'000;
    const CertificateFaults faults = CheckCertificate(tls.certificate, tls.key, now_s);
    if (!faults.certificate.empty()) Fault("tls.certificate", faults.certificate);
    if (!faults.key.empty()) Fault("tls.key", faults.key);
    const std::string authorities = tls.client_ca.empty() ? "" : CheckAuthorities(tls.client_ca);
    if (!authorities.empty()) Fault("tls.client_ca", authorities);
    for (const std::string& warning : faults.warnings)
      warnings_.push_back(About("tls.certificate", warning));
    CheckHosts(tls.certificates, now_s);
  }

  // The folder need not be there, unless the file says that it is.
  void CheckHosts(const std::string& folder, int64_t now_s) {
    std::error_code error;
    const bool named = parsed_.lines.contains("tls.certificates");
    if (folder.empty() || (!named && !std::filesystem::exists(folder, error))) return;
    const FolderFindings findings = CheckCertificates(folder, now_s);
    for (const std::string& fault : findings.faults) Fault("tls.certificates", fault);
    for (const std::string& warning : findings.warnings)
      warnings_.push_back(About("tls.certificates", warning));
  }

  void CheckCongestionControl() {
    const std::string& wanted = parsed_.config.server.congestion_control;
    if (wanted.empty()) return;
    std::ifstream file("/proc/sys/net/ipv4/tcp_available_congestion_control");
    std::string line;
    std::getline(file, line);
    std::istringstream words(line);
    for (std::string word; words >> word;)
      if (word == wanted) return;
    Fault("server.congestion_control", "this kernel does not offer \"" + wanted +
                                           "\"; write one of: " + line + " (or load tcp_" + wanted +
                                           ")");
  }

  // What may be wanted, in a test or for a client that is what it is, and no standard allows.
  void CheckStandards() {
    if (parsed_.config.pop3.idle_timeout_s < kIdleTimeoutMinS) {
      warnings_.push_back(About("pop3.idle_timeout_s",
                                "RFC 1939 asks for 600 at least; people who read a long message "
                                "lose their session"));
    }
    for (const tenant::ListenAddress& address : parsed_.config.lmtp.listen) {
      if (address.port != kSmtpPort) continue;
      warnings_.push_back(About(
          "lmtp.listen", address.ToString() + " is the port of SMTP: RFC 2033 forbids LMTP "
                                              "there, and other servers will speak SMTP to it"));
    }
  }

  void CheckWhereItListens() {
    for (const PlaceFinding& found : CheckPlaces(parsed_.config)) {
      if (found.fault) {
        Fault(found.setting, found.message);
      } else {
        warnings_.push_back(About(found.setting, found.message));
      }
    }
  }

  void CheckStore() {
    const Status found = wiring_.look_at_store(parsed_.config);
    if (found.ok()) return CheckPartitions();
    if (found.code() != StatusCode::kNotFound) {
      return Fault("store.path", std::string(Message(found)));
    }
    const std::string& store = parsed_.config.store.path;
    std::error_code error;
    const bool has_users = std::filesystem::exists(parsed_.config.users.database, error);
    Fault("store.path", "there is no store at " + store +
                            (has_users ? ", though there are users: is its file system mounted?"
                                       : "; make one with `poplar init " + Folder() + "`"));
  }

  void CheckPartitions() {
    if (!parsed_.lines.contains("store.partitions")) return;
    const std::string why = WhyPartitionsDoNotCount(parsed_.config.store);
    if (!why.empty()) warnings_.push_back(About("store.partitions", why));
  }

  // As the start does: it ends where one of them does not work.
  void CheckBackends() {
    for (const BackendFault& fault : wiring_.check_backends(parsed_.config)) {
      Fault("backend." + fault.backend, fault.message);
    }
    const std::string waits = WhyMailWaits(parsed_.config, {}, knows_addresses_);
    if (!waits.empty()) warnings_.push_back(About("auth.chain", waits));
    const std::string threads = wiring_.warn_of_host_threads(parsed_.config);
    if (!threads.empty()) warnings_.push_back(About("auth.host_threads", threads));
  }

  void CheckMechanisms() {
    const std::string why = tenant::WhyNobodyLogsIn(parsed_.config, {});
    if (!why.empty()) warnings_.push_back(About("auth.mechanisms", why));
  }

  void CheckPenalties() {
    const std::string why = wiring_.warn_of_penalties(parsed_.config);
    if (!why.empty()) warnings_.push_back(About("auth.penalty_delay_max_ms", why));
  }

  // A server that tells nobody may be called as it likes.
  void CheckSetup() {
    if (parsed_.config.setup.listen.empty()) return;
    for (const setup::LostHost& lost : setup::LostHostsOf(setup::FactsOf(parsed_.config))) {
      warnings_.push_back(About(std::string(lost.setting), lost.Why()));
    }
  }

  void CheckUsers() {
    const std::string& database = parsed_.config.users.database;
    auto opened = auth::UserDatabase::Open(database);
    if (opened.ok()) {
      users_ = std::move(*opened);
      return CheckTenantsOf(*users_);
    }
    std::string message(Message(opened.status()));
    if (opened.status().code() == StatusCode::kNotFound)
      message = "there is no user database at " + database + "; make one with `poplar init " +
                Folder() + "`";
    Fault("users.database", message);
  }

  void CheckTenantsOf(auth::UserDatabase& users) {
    const auto tenants = users.ListTenants();
    if (!tenants.ok()) return Fault("users.database", std::string(Message(tenants.status())));
    CheckSourcesOf(*tenants);
    for (const auth::TenantRecord& tenant : *tenants) {
      const std::string missing =
          tenant::MissingBackend(parsed_.config, tenant.policy.rules.auth_chain);
      if (!missing.empty()) {
        Fault("users.database", "auth_chain of tenant " + tenant.name + " names [backend." +
                                    missing + "], which is not there: its users cannot log in");
        continue;
      }
      // What is wrong with all of them is said once.
      if (tenant.policy.rules == TenantRules()) continue;
      const auto why = WhyNobodyLogsIn(parsed_.config, tenant, users);
      if (!why.ok()) return Fault("users.database", std::string(Message(why.status())));
      for (const std::string& warning : {*why, MailOf(tenant.policy.rules)}) {
        if (warning.empty()) continue;
        warnings_.push_back(About("users.database", "tenant " + tenant.name + ": " + warning));
      }
    }
  }

  // What a tenant is, somebody says; where that is nobody any more, it stays as it is for ever.
  void CheckSourcesOf(const std::vector<auth::TenantRecord>& tenants) {
    const tenant::UsersConfig& users = parsed_.config.users;
    std::map<std::string, std::vector<std::string>> names;  // By kind.
    for (const auth::TenantRecord& tenant : tenants) {
      if (!tenant.source.empty()) names[KindOfSource(tenant.source)].push_back(tenant.name);
    }
    for (const auto& [kind, of_kind] : names) {
      if (kind == KindOfFiles(users.tenants) || kind == KindOfBackend(users.tenants_backend)) {
        continue;
      }
      const size_t more = of_kind.size() - 1;
      warnings_.push_back(
          About("users.database",
                "tenant " + of_kind.front() +
                    (more == 0 ? "" : " (and " + std::to_string(more) + " more)") + " comes from " +
                    kind +
                    ", which this configuration does not name: it stays as it is, until a "
                    "file or a back end names it or `poplar tenant set NAME --source` hands it "
                    "over"));
    }
  }

  void CheckTenants() {
    const std::string& folder = parsed_.config.users.tenants;
    if (folder.empty()) return;
    const auto paths = TenantFilesIn(folder);
    if (!paths.ok()) return Fault("users.tenants", std::string(Message(paths.status())));
    std::set<std::string> untouched;
    for (const std::string& path : *paths) {
      tenant::ParsedTenant parsed = tenant::ReadTenant(path);
      if (parsed.faults.empty()) {
        of_files_.push_back(parsed.tenant);
      } else {
        untouched.insert(parsed.tenant.source);
      }
      for (tenant::ConfigFault& fault : parsed.faults) parsed_.faults.push_back(std::move(fault));
      const std::string missing =
          tenant::MissingBackend(parsed_.config, parsed.tenant.policy.rules.auth_chain);
      if (!missing.empty()) {
        parsed_.faults.push_back({path, 0, "auth_chain: there is no [backend." + missing + "]"});
        continue;
      }
      const TenantRules& rules = parsed.tenant.policy.rules;
      const std::string why =
          rules.pop3 ? tenant::WhyNobodyLogsIn(parsed_.config, rules) : std::string();
      if (!why.empty() && rules != TenantRules()) warnings_.push_back({path, 0, why});
      const std::string waits = MailOf(rules);
      if (!waits.empty()) warnings_.push_back({path, 0, waits});
    }
    std::ranges::sort(of_files_, {}, &TenantSpec::source);  // As the server takes them.
    JudgeTenants(untouched);
  }

  // By what only the database knows: whose a domain or a name is already.
  void JudgeTenants(const std::set<std::string>& untouched) {
    if (users_ == nullptr || of_files_.empty()) return;
    const tenant::UsersConfig& users = parsed_.config.users;
    const auto faults =
        users_->SyncTenants(KindOfFiles(users.tenants), of_files_, untouched,
                            {KindOfBackend(users.tenants_backend)}, auth::TenantSync::kJudge);
    if (!faults.ok()) return Fault("users.database", std::string(Message(faults.status())));
    for (const auth::TenantFault& fault : *faults) {
      const std::filesystem::path file = std::filesystem::path(fault.source).filename();
      parsed_.faults.push_back({std::filesystem::path(users.tenants) / file, 0, fault.reason});
    }
  }

  void CheckHostsOfTenants() {
    if (users_ == nullptr) return;
    auto policies = users_->TakePolicies();
    if (!policies.ok()) return Fault("users.database", std::string(Message(policies.status())));
    const TenantPolicies all =
        AsFilesSay(policies->has_value() ? std::move(**policies) : TenantPolicies(), of_files_);
    for (const HostClash& clash : HostClashesOf(all)) {
      warnings_.push_back(About("users.database", clash.Why()));
    }
  }

  // Of auth.chain it is said once.
  std::string MailOf(const TenantRules& rules) const {
    if (rules.auth_chain.empty()) return "";
    return WhyMailWaits(parsed_.config, rules, knows_addresses_);
  }

  std::string Folder() const {
    return std::filesystem::absolute(path_).parent_path().lexically_normal();
  }

  const std::string& path_;
  const Wiring& wiring_;
  tenant::ParsedConfig& parsed_;
  std::vector<tenant::ConfigFault> warnings_;
  std::unique_ptr<auth::UserDatabase> users_;  // Null: it cannot be opened.
  std::vector<TenantSpec> of_files_;           // Without those whose files are wrong.
  std::map<std::string, bool> plugins_know_;
  // Each plug-in is asked once, of however many tenants.
  const KnowsAddresses knows_addresses_ = [this](const tenant::BackendConfig& backend) {
    const auto known = plugins_know_.find(backend.plugin);
    if (known != plugins_know_.end()) return known->second;
    return plugins_know_[backend.plugin] = wiring_.knows_addresses(backend);
  };
};

}  // namespace

Checked CheckConfiguration(const std::string& path, const Wiring& wiring) {
  Checked checked;
  checked.parsed = tenant::ReadConfig(path);
  checked.can_be_used = checked.parsed.faults.empty();
  checked.warnings = Checker(path, wiring, checked.parsed).Warnings();
  return checked;
}

ExitCode Check(const CheckOptions& options, const Wiring& wiring, Console& console) {
  const auto [parsed, can_be_used, warnings] = CheckConfiguration(options.config_path, wiring);
  for (const tenant::ConfigFault& fault : parsed.faults) console.err << fault.ToString() << '\n';
  for (const tenant::ConfigFault& warning : warnings)
    console.err << "warning: " << warning.ToString() << '\n';
  if (!parsed.faults.empty()) return ExitCode::kConfig;
  console.out
      << options.config_path
      << " is right. A running server takes it at SIGHUP, but for what needs a restart: its "
         "log then names that.\n";
  return ExitCode::kOk;
}

}  // namespace poplar::app
