#include "core/app/doctor/mailbox.h"

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "core/app/commands/ask_server.h"
#include "core/app/commands/user_records.h"
#include "core/app/doctor/login.h"
#include "core/app/table.h"
#include "core/setup/domain_name.h"
#include "core/setup/mail_settings.h"

namespace poplar::app {
namespace {

using nlohmann::json;

constexpr double kNearlyFull = 0.9;

// In the words of mail programs, by what those are told that set themselves up.
std::string_view AuthenticationText(setup::Authentication authentication) {
  switch (authentication) {
    case setup::Authentication::kPassword:
      return "authentication: normal password";
    case setup::Authentication::kApop:
      return "authentication: encrypted password (APOP), not the normal one";
    case setup::Authentication::kOAuth:
      return "authentication: by OAuth (OAuth2), not by a password";
    case setup::Authentication::kCertificate:
      return "authentication: by a client certificate, not by a password";
    case setup::Authentication::kScram:
      break;
  }
  return "authentication: by SCRAM, which few mail programs have";
}

class MailboxLook {
 public:
  MailboxLook(const tenant::Config& config, const Patient& patient, Findings& findings)
      : config_(config), patient_(patient), findings_(findings) {}

  // False: there is nothing behind it to look at.
  bool LookAtDomain();
  void LookAtContent();
  void LookAtSessions();
  void TellSettings();

 private:
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
                   .says = patient_.user_name + " is no whole address",
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

void MailboxLook::Full(const std::string& step, const json& use, const json& quota, Mover mover,
                       const std::string& mend, const std::string& to_customer) {
  if (!use.is_object()) return;  // Nobody knows.
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
  if (const std::string why = shown->value("why", ""); !why.empty()) {
    findings_.OurFault("mailbox", why, "core/OPERATIONS.md, \"A damaged disk\"");
  } else {
    const auto messages = use.value("messages", uint64_t{0});
    findings_.Good("mailbox", std::to_string(messages) +
                                  (messages == 1 ? " message, " : " messages, ") +
                                  SizeText(use.value("octets", uint64_t{0})));
  }
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
    if (patient_.user_name != patient_.address) {
      findings_.Good("sessions", who + ": it has the mailbox, which is nothing to a recent: one");
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
  const std::string authentication(AuthenticationText(settings_->authentication));
  findings_.Add({.step = "settings",
                 .says = text + "; " + authentication,
                 .to_customer = "These are the settings for fetching mail (POP3): " + text +
                                "; the user name is " + patient_.user_name + "; " + authentication +
                                "."});
}

}  // namespace

void LookAtMailbox(const tenant::Config& config, const Patient& patient, bool runs,
                   Findings& findings) {
  MailboxLook look(config, patient, findings);
  if (!look.LookAtDomain()) return;
  if (!runs) return findings.Skip("log-in", "no server answers");
  if (LookAtLogin(config, patient, findings)) {
    look.LookAtContent();
    look.LookAtSessions();
  }
  look.TellSettings();
}

}  // namespace poplar::app
