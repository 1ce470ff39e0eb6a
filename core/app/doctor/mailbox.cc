#include "core/app/doctor/mailbox.h"

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "core/app/commands/ask_server.h"
#include "core/app/commands/auth.h"
#include "core/app/commands/user_records.h"
#include "core/app/table.h"
#include "core/setup/domain_name.h"
#include "core/setup/mail_settings.h"

namespace poplar::app {
namespace {

using nlohmann::json;

constexpr uint32_t kAuthTimeoutMs = 60'000;
constexpr double kNearlyFull = 0.9;

StatusOr<TenantPolicies> PoliciesOf(const tenant::Config& config) {
  POP_ASSIGN_OR_RETURN(const auto users, OpenUsers(config));
  POP_ASSIGN_OR_RETURN(std::optional<TenantPolicies> policies, users->TakePolicies());
  return policies ? std::move(*policies) : TenantPolicies();
}

class MailboxLook {
 public:
  MailboxLook(const tenant::Config& config, const Patient& patient, Findings& findings)
      : config_(config), patient_(patient), findings_(findings) {}

  // False: there is nothing behind it to look at. Here and below.
  bool LookAtDomain();
  bool LookAtLogin();
  void LookAtPenalties(const json& penalties);
  void LookAtContent();
  void LookAtSessions();
  void TellSettings();

 private:
  bool Judge(const json& link);
  void Full(const std::string& step, const json& use, const json& quota, Mover mover,
            const std::string& mend, const std::string& to_customer);

  const tenant::Config& config_;
  const Patient& patient_;
  Findings& findings_;
  std::optional<setup::MailSettings> settings_;
};

bool MailboxLook::LookAtDomain() {
  const std::string domain(setup::SplitAddress(patient_.address).domain);
  if (domain.empty()) {
    findings_.Add({.step = "address",
                   .health = Health::kFault,
                   .says = patient_.address + " is no whole address",
                   .mover = Mover::kCustomer,
                   .mend = "the user name is the whole address, like alice@example.org",
                   .to_customer =
                       "Please write your whole mail address as the user name, with what "
                       "stands behind the @.",
                   .code = ExitCode::kDataError});
    return false;
  }
  const auto policies = PoliciesOf(config_);
  if (!policies.ok()) {
    findings_.OurFault("tenant", std::string(Message(policies.status())), "see users.database");
    return false;
  }
  const TenantPolicies::Domain* const owner = setup::OwnerOf(*policies, domain);
  if (owner == nullptr) {
    findings_.Add({.step = "tenant",
                   .health = Health::kFault,
                   .says = "no tenant has the domain " + domain,
                   .mover = Mover::kCustomer,
                   .mend = "is it spelled rightly? If it shall be here: `poplar tenant domain add`",
                   .to_customer = "We keep no mail for " + domain +
                                  ": please look whether the "
                                  "address is spelled rightly.",
                   .code = ExitCode::kNoUser});
    return false;
  }
  settings_ = setup::SettingsOfDomain(setup::FactsOf(config_), *policies, domain);
  if (!owner->enabled) {
    findings_.Add({.step = "tenant",
                   .health = Health::kFault,
                   .says = owner->name + " is disabled: no log-ins, no mail",
                   .mover = Mover::kOperator,
                   .mend = "`poplar tenant enable " + owner->name + "`",
                   .to_customer = "The mail of " + domain +
                                  " is switched off at present; please ask "
                                  "whoever has the contract for it.",
                   .code = ExitCode::kNoPermission});
    return false;
  }
  findings_.Good("tenant", domain + " is of " + owner->name);
  return true;
}

// What the one that decides says of the user.
bool MailboxLook::Judge(const json& link) {
  const std::string says = link.value("says", ""), backend = link.value("backend", "");
  const std::string reason = link.value("reason", "");
  Finding finding{.step = "log-in", .health = Health::kFault};
  if (says == "ok" && link.value("refused", "").empty()) {
    findings_.Good("log-in", std::string(patient_.password ? "the password is right" : "known") +
                                 ", says " + backend);
    return true;
  }
  if (says == "ok") {
    finding.says = "known to " + backend + ", but not let in: " + link.value("refused", "");
    finding.mover = Mover::kOperator;
    finding.mend =
        "the settings of the tenant or the user (`poplar tenant show`, `poplar user show`)";
    finding.to_customer =
        "Fetching mail this way is not part of your account. Your mail program "
        "hears: " +
        link.value("client_hears", "");
    finding.code = ExitCode::kNoPermission;
  } else if (says == "temporary") {
    const bool ours = backend == tenant::kUsersBackend;
    finding.says = backend + " cannot tell now: " + reason;
    finding.mover = ours ? Mover::kOperator : Mover::kDirectory;
    finding.mend = ours ? "the user database cannot be read: the log says why"
                        : "whoever runs what [backend." + backend + "] names";
    finding.to_customer =
        "The directory that knows your password cannot be reached just now. Please "
        "try again later: your mail is kept.";
    finding.code = ExitCode::kTemporary;
  } else if (says == "disabled") {
    finding.says = "the account is disabled, says " + backend;
    finding.mover = Mover::kOperator;
    finding.mend = "`poplar user enable " + patient_.address + "`, or in the directory";
    finding.to_customer = "Your account is switched off; please ask your administrator.";
    finding.code = ExitCode::kNoPermission;
  } else {
    finding.says = backend + " refuses the password" + (reason.empty() ? "" : ": " + reason);
    finding.mover = Mover::kCustomer;
    finding.mend = "the right password, in every device; a new one: `poplar user passwd " +
                   patient_.address + "`";
    finding.to_customer =
        "The password is not the one that we know. Please type it again in your mail "
        "program, on every device; we can give you a new one.";
    finding.code = ExitCode::kNoPermission;
  }
  findings_.Add(std::move(finding));
  return false;
}

bool MailboxLook::LookAtLogin() {
  json arguments = {{"address", patient_.address}};
  if (patient_.password) arguments["password"] = patient_.password->Reveal();
  const auto tested = AskServer(config_, "auth.test", std::move(arguments), kAuthTimeoutMs);
  if (!tested.ok()) {
    findings_.OurFault("log-in", std::string(Message(tested.status())), "see the server's log");
    return false;
  }
  LookAtPenalties(tested->value("penalties", json::array()));
  const json links = tested->value("links", json::array());
  const json* const link = Decider(links, patient_.password ? "password" : "address");
  if (link == nullptr) {
    findings_.OurFault("log-in", "no back end of the chain can be asked so",
                       "`poplar auth test " + patient_.address + "` shows the chain");
    return false;
  }
  if (link->value("says", "") != "unknown") return Judge(*link);
  findings_.Add({.step = "log-in",
                 .health = Health::kFault,
                 .says = "nobody is called " + patient_.address,
                 .mover = Mover::kCustomer,
                 .mend = "is it spelled rightly? If it shall be here: `poplar user add`, or the "
                         "directory",
                 .to_customer = "We know no mailbox " + patient_.address +
                                ": please look whether the "
                                "address is spelled rightly, in your mail program too.",
                 .code = ExitCode::kNoUser});
  return false;
}

// A right password that has to wait looks to a mail program like a server that hangs.
void MailboxLook::LookAtPenalties(const json& penalties) {
  for (const json& penalty : penalties) {
    findings_.Note(
        "penalty", PenaltyText(penalty),
        "find who tries: each `login` in the log has its peer. Nothing has to be lifted",
        "Wrong passwords were tried for your account, most likely by a device that still "
        "has an old one. Until that ends, each log-in waits for some seconds. Please "
        "correct the password on every device; some minutes later it is as before.");
  }
}

void MailboxLook::Full(const std::string& step, const json& use, const json& quota, Mover mover,
                       const std::string& mend, const std::string& to_customer) {
  double share = 0;
  for (const char* const what : {"octets", "messages"}) {
    const auto most = quota.value(what, uint64_t{0});
    if (most == 0) continue;
    share = std::max(share,
                     static_cast<double>(use.value(what, uint64_t{0})) / static_cast<double>(most));
  }
  if (share < kNearlyFull) return;
  const bool full = share >= 1;
  findings_.Add({.step = step,
                 .health = full ? Health::kFault : Health::kNote,
                 .says = full ? "it is full: new mail waits or is refused" : "it is nearly full",
                 .mover = full ? mover : Mover::kNobody,
                 .mend = mend,
                 .to_customer = to_customer,
                 .code = full ? ExitCode::kNoPermission : ExitCode::kOk});
}

void MailboxLook::LookAtContent() {
  const auto shown = AskServer(config_, "mailbox.show", json{{"address", patient_.address}});
  if (!shown.ok()) {
    findings_.OurFault("mailbox", std::string(Message(shown.status())),
                       "core/OPERATIONS.md, \"A damaged disk\", if the log has store_… errors");
    return;
  }
  const json use = shown->value("use", json::object());
  const json tenant = shown->value("tenant", json::object());
  const auto messages = use.value("messages", uint64_t{0});
  findings_.Good("mailbox", std::to_string(messages) +
                                (messages == 1 ? " message, " : " messages, ") +
                                SizeText(use.value("octets", uint64_t{0})));
  Full("quota", use, shown->value("quota", json::object()), Mover::kCustomer,
       "fetch and delete mail, or `poplar user set " + patient_.address + " --quota …`",
       "Your mailbox is full, or nearly. Please let your mail program delete from the server what "
       "it has fetched (\"leave messages on server\"), or ask for more room.");
  Full("tenant quota", tenant.value("use", json::object()), tenant.value("quota", json::object()),
       Mover::kOperator, "`poplar tenant set " + tenant.value("name", "") + " --quota …`",
       "The mailboxes of your organisation have used up their room together.");
}

void MailboxLook::LookAtSessions() {
  const auto listed = AskServer(config_, "session.list", json{{"user", patient_.address}});
  if (!listed.ok()) return;
  for (const json& session : listed->value("sessions", json::array())) {
    const std::string who = "session " + session.value("id", "") + " from " +
                            session.value("peer", "") + ", for " +
                            std::to_string(session.value("age_s", uint64_t{0})) + " s, idle for " +
                            std::to_string(session.value("idle_s", uint64_t{0})) + " s";
    if (session.value("recent", false)) {
      findings_.Good("sessions", who + "; it reads along (recent:)");
      continue;
    }
    findings_.Note("sessions", who + ": it has the mailbox, and others hear [IN-USE]",
                   "it ends by itself, or `poplar session kick " + session.value("id", "") + "`",
                   "Another device is fetching your mail just now; only one can at a time. Where "
                   "several shall, write recent:" +
                       patient_.address +
                       " as the user name in all but "
                       "one of them.");
  }
}

void MailboxLook::TellSettings() {
  if (!settings_) return;
  std::string text;
  for (const setup::MailServer& pop3 : settings_->pop3) {
    text += (text.empty() ? "" : ", or ") + std::string("server ") + pop3.host + ", port " +
            std::to_string(pop3.port) + " with " + (pop3.starttls ? "STARTTLS" : "SSL/TLS");
  }
  findings_.Add({.step = "settings",
                 .says = text,
                 .to_customer = "These are the settings for fetching mail (POP3): " + text +
                                "; the user name is " + patient_.address +
                                "; the normal password."});
}

}  // namespace

std::string Pop3HostOf(const tenant::Config& config, const std::string& address) {
  const setup::SetupFacts facts = setup::FactsOf(config);
  const auto policies = PoliciesOf(config);
  if (!policies.ok()) return facts.pop3_host;
  const auto* const owner = setup::OwnerOf(*policies, setup::SplitAddress(address).domain);
  if (owner == nullptr) return facts.pop3_host;
  const std::string& own = policies->Of(owner->tenant).rules.pop3_host;
  return own.empty() ? facts.pop3_host : own;
}

void LookAtMailbox(const tenant::Config& config, const Patient& patient, bool runs,
                   Findings& findings) {
  MailboxLook look(config, patient, findings);
  if (!look.LookAtDomain()) return;
  if (!runs) return findings.Skip("log-in", "no server answers");
  if (look.LookAtLogin()) {
    look.LookAtContent();
    look.LookAtSessions();
  }
  look.TellSettings();
}

}  // namespace poplar::app
