#include "core/app/doctor/login.h"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "auth/users/networks.h"
#include "auth/users/refusals.h"
#include "core/app/commands/ask_server.h"
#include "core/app/commands/auth.h"

namespace poplar::app {
namespace {

using nlohmann::json;

constexpr uint32_t kAuthTimeoutMs = 60'000;

class LoginLook {
 public:
  LoginLook(const tenant::Config& config, const Patient& patient, Findings& findings)
      : config_(config), patient_(patient), findings_(findings) {}

  bool Look();

 private:
  void LookAtPenalties(const json& penalties);
  // Here and below: what the one that decides says of the user.
  bool Judge(const json& link);
  bool LetIn(const json& link);
  bool Known(const json& link);
  Finding KeptOut(const json& link) const;
  Finding CannotTell(const std::string& backend, const std::string& reason) const;
  Finding Refused(const std::string& backend, const std::string& reason) const;
  // Whom to ask to change something of the account.
  Mover OwnerOf(const std::string& backend) const {
    return backend == tenant::kUsersBackend ? Mover::kOperator : Mover::kDirectory;
  }

  const tenant::Config& config_;
  const Patient& patient_;
  Findings& findings_;
};

std::string WhoRuns(const std::string& backend) {
  return "whoever runs what [backend." + backend + "] names";
}

// From where an app password that is right may be used; the server, which is asked from here, does
// not know where the customer is.
bool LoginLook::LetIn(const json& link) {
  const std::string networks = link.value("from_networks", "");
  if (networks.empty()) return true;
  if (auth::InNetworks(networks, patient_.from)) {
    findings_.Good("app password", "it may be used from " + patient_.from);
    return true;
  }
  const std::string list = "`poplar user app-password list " + patient_.address + "` has each";
  const std::string to_customer = "The password that you use is for " + networks +
                                  " alone: from elsewhere our server refuses it.";
  if (patient_.from.empty()) {
    findings_.Note("app password", "it is taken from " + networks + " alone",
                   "does he come from there? (--from ADDRESS looks, the `peer` of `login` in the "
                   "log.) " +
                       list,
                   to_customer);
    return true;
  }
  findings_.Add({.step = "app password",
                 .health = Health::kFault,
                 .says = "it is taken from " + networks + " alone, not from " + patient_.from,
                 .mover = Mover::kOperator,
                 .mend = list + "; another one: `poplar user app-password add`",
                 .to_customer = to_customer,
                 .code = ExitCode::kNoPermission});
  return false;
}

bool LoginLook::Known(const json& link) {
  findings_.Good("log-in", std::string(patient_.password ? "the password is right" : "known") +
                               ", says " + link.value("backend", ""));
  return LetIn(link);
}

Finding LoginLook::KeptOut(const json& link) const {
  const std::string backend = link.value("backend", ""), refused = link.value("refused", "");
  return {.step = "log-in",
          .health = Health::kFault,
          .says = "known to " + backend + ", but not let in: " + refused,
          .mover = Mover::kOperator,
          .mend =
              "the settings of the tenant or the user (`poplar tenant show`, `poplar user "
              "show`)",
          .to_customer =
              "Fetching mail this way is not part of your account. Your mail program "
              "hears: " +
              link.value("client_hears", ""),
          .code = ExitCode::kNoPermission};
}

Finding LoginLook::CannotTell(const std::string& backend, const std::string& reason) const {
  const bool ours = backend == tenant::kUsersBackend;
  return {.step = "log-in",
          .health = Health::kFault,
          .says = backend + " cannot tell now: " + reason,
          .mover = OwnerOf(backend),
          .mend = ours ? "the user database cannot be read: the log says why" : WhoRuns(backend),
          .to_customer =
              "The directory that knows your password cannot be reached just now. "
              "Please try again later: your mail is kept.",
          .code = ExitCode::kTemporary};
}

// By the reason: not each is that of a wrong password.
Finding LoginLook::Refused(const std::string& backend, const std::string& reason) const {
  const std::string& address = patient_.address;
  Finding finding{.step = "log-in",
                  .health = Health::kFault,
                  .says = backend + " refuses the password" + (reason.empty() ? "" : ": " + reason),
                  .mover = Mover::kCustomer,
                  .mend = "the right password, in every device; a new one: `poplar user passwd " +
                          address + "`",
                  .to_customer =
                      "The password is not the one that we know. Please type it again in your mail "
                      "program, on every device; we can give you a new one.",
                  .code = ExitCode::kNoPermission};
  const std::string one =
      "an app password in every device; a new one: `poplar user app-password "
      "add " +
      address + " LABEL`";
  if (reason == auth::kOnlyAppPasswords) {
    finding.mend =
        one + ". Or his own again: `poplar user set " + address + " --require-app-password false`";
    finding.to_customer =
        "Mail programs need an app password of yours, one for each device; the "
        "password of the mailbox is not taken. We can make you one.";
  } else if (reason.starts_with(auth::kTheAppPassword)) {
    finding.mend = one;
    finding.to_customer =
        "The app password of this device is no longer taken. We can make you a "
        "new one.";
  } else if (reason == auth::kNoPasswordIsSet) {
    finding.mover = OwnerOf(backend);
    finding.mend = finding.mover == Mover::kOperator
                       ? "`poplar user passwd " + address + "` sets one"
                       : WhoRuns(backend);
    finding.to_customer = "Your mailbox has no password yet. We can give you one.";
  } else if (reason.find(auth::kLocked) != std::string::npos) {
    finding.mover = OwnerOf(backend);
    finding.mend = "unlock it: " + WhoRuns(backend);
    finding.to_customer = "Your account is locked; please ask your administrator.";
  }
  return finding;
}

bool LoginLook::Judge(const json& link) {
  const std::string says = link.value("says", ""), backend = link.value("backend", "");
  const std::string reason = link.value("reason", "");
  if (says == "ok" && link.value("refused", "").empty()) return Known(link);
  if (says == "ok") {
    findings_.Add(KeptOut(link));
  } else if (says == "temporary") {
    findings_.Add(CannotTell(backend, reason));
  } else if (says == "disabled") {
    findings_.Add({.step = "log-in",
                   .health = Health::kFault,
                   .says = "the account is disabled, says " + backend,
                   .mover = Mover::kOperator,
                   .mend = "`poplar user enable " + patient_.address + "`, or in the directory",
                   .to_customer = "Your account is switched off; please ask your administrator.",
                   .code = ExitCode::kNoPermission});
  } else {
    findings_.Add(Refused(backend, reason));
  }
  return false;
}

// A right password that has to wait looks to a mail program like a server that hangs.
void LoginLook::LookAtPenalties(const json& penalties) {
  for (const json& penalty : penalties) {
    findings_.Note(
        "penalty", PenaltyText(penalty),
        "find who tries: each `login` in the log has its peer. Nothing has to be lifted",
        "Wrong passwords were tried for your account, most likely by a device that still "
        "has an old one. Until that ends, each log-in waits for some seconds. Please "
        "correct the password on every device; some minutes later it is as before.");
  }
}

bool LoginLook::Look() {
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

}  // namespace

bool LookAtLogin(const tenant::Config& config, const Patient& patient, Findings& findings) {
  return LoginLook(config, patient, findings).Look();
}

}  // namespace poplar::app
