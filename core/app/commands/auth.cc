#include "core/app/commands/auth.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "core/app/commands/ask_server.h"
#include "core/app/table.h"
#include "core/base/recent_name.h"

namespace poplar::app {
namespace {

using nlohmann::json;

// Each link has its own deadline of ten seconds or so.
constexpr uint32_t kChainTimeoutMs = 300'000;
// Of what the server would notice by itself.
constexpr uint32_t kHintTimeoutMs = 5'000;

std::string TimeTaken(uint64_t us) {
  return us < 1000 ? std::to_string(us) + " us" : std::to_string(us / 1000) + " ms";
}

std::string Remark(const json& link) {
  std::string remark = link.value("reason", "");
  if (link.value("says", "") != "ok") return remark;
  const std::string account = link.value("account", "");
  if (!remark.empty()) remark += "; ";
  if (account.empty()) return remark + "whose account it is, the others are asked";
  return remark + "tenant " + link.value("tenant", "") + ", account " + account;
}

void Print(const json& links, Console& console) {
  Table table({"BACK END", "ASKED", "SAYS", "TOOK", "REMARK"});
  for (const json& link : links) {
    table.Add({link.value("backend", ""), link.value("asked", ""), link.value("says", ""),
               TimeTaken(link.value("took_us", uint64_t{0})), Remark(link)});
  }
  table.Print(console.out);
}

using Verdict = std::pair<ExitCode, std::string>;

// The way in that a link's tenant leaves, where it does not leave all.
std::string MechanismsOf(const json& link) {
  const std::string mechanisms = link.value("mechanisms", "");
  return mechanisms.empty() ? "" : " The tenant allows " + mechanisms + " alone.";
}

// Of somebody whom `decider` knows: what he would hear who came to fetch his mail.
Verdict AdmissionOf(const json& decider, TestedSecret tested, const std::string& found) {
  const std::string refused = decider.value("refused", "");
  if (refused.empty()) return {ExitCode::kOk, found + MechanismsOf(decider)};
  // Without a secret it was asked whose mail it is, and that goes on coming in.
  return {tested == TestedSecret::kNone ? ExitCode::kOk : ExitCode::kNoPermission,
          found + " But clients are not let in: " + refused + "; they hear \"" +
              decider.value("client_hears", "") + "\"." + MechanismsOf(decider)};
}

// `found` is what there is to say where it is well.
Verdict VerdictOf(const json* decider, TestedSecret tested, const std::string& found) {
  if (decider == nullptr) {
    return tested == TestedSecret::kPassword
               ? Verdict{ExitCode::kNoPermission, "No back end of the chain verifies passwords."}
               : Verdict{ExitCode::kTemporary, "No back end of the chain looks up addresses."};
  }
  const std::string says = decider->value("says", "");
  const std::string backend = decider->value("backend", "");
  if (says == "unknown") return {ExitCode::kNoUser, "Nobody of that name is known."};
  if (says == "ok") return AdmissionOf(*decider, tested, found + backend + ".");
  if (says == "temporary") {
    return {ExitCode::kTemporary,
            backend + " cannot tell now: clients are asked to come back later."};
  }
  return {ExitCode::kNoPermission, "Not let in, says " + backend + "."};
}

Verdict VerdictOf(const json& links, TestedSecret tested) {
  switch (tested) {
    case TestedSecret::kNone:
      return VerdictOf(Decider(links, "address"), tested, "Found by ");
    case TestedSecret::kPassword:
      return VerdictOf(Decider(links, "password"), tested, "The password is right, says ");
    case TestedSecret::kToken:
      break;
  }
  const json* const token = Decider(links, "token");
  if (token == nullptr || token->value("says", "") == "unknown") {
    return {ExitCode::kNoPermission, "The token is nobody's of the chain."};
  }
  const bool needs_owner = token->value("says", "") == "ok" && token->value("account", "").empty();
  return needs_owner ? VerdictOf(Decider(links, "account"), tested,
                                 "The token is good, and the account is known to ")
                     : VerdictOf(token, tested, "The token is good, says ");
}

StatusOr<base::Secret> SecretOf(const AuthTestOptions& options, Console& console) {
  switch (options.secret) {
    case TestedSecret::kNone:
      return base::Secret();
    case TestedSecret::kPassword:
      return options.from_stdin ? ReadPassword(console.in)
                                : console.ask_password("Password of " + options.address + ": ");
    case TestedSecret::kToken:
      break;
  }
  auto token = options.from_stdin ? ReadPassword(console.in, "token", kTokenBytesMax)
                                  : console.ask_token("Token of " + options.address + ": ");
  if (token.ok() && token->Reveal().size() > kTokenBytesMax) {
    return MakeStatus(StatusCode::kInvalidArgument, "no client can send a token that long");
  }
  return token;
}

ExitCode EndSessions(const std::string& address, const tenant::Config& config, Console& console) {
  const auto running = AskServer(config, "session.list", json{{"user", address}});
  if (running.status().code() == StatusCode::kFailedPrecondition) {
    console.out << "No server runs, so no sessions had to end.\n";
    return ExitCode::kOk;
  }
  return UserFlush({.address = address, .end_sessions = true}, config, console);
}

}  // namespace

const json* Decider(const json& links, std::string_view asked) {
  for (const json& link : links) {
    if (link.value("asked", "") == asked && link.value("decides", false)) return &link;
  }
  return nullptr;
}

std::string PenaltyText(const json& penalty) {
  const std::string by = penalty.value("by", ""), place = penalty.value("place", "");
  const auto delay_ms = penalty.value("delay_ms", uint64_t{0});
  const std::string who = by == "user"     ? "log-ins by this name"
                          : by == "tenant" ? "log-ins of the domain"
                          : place.empty()  ? "log-ins from where its last one failed"
                                           : "log-ins from " + place;
  const std::string delay =
      delay_ms < 1000 ? std::to_string(delay_ms) + " ms" : DurationText(delay_ms / 1000);
  return who + " wait " + delay + ", after failures (penalty by " + by + "); that ends in " +
         DurationText(penalty.value("lasts_s", uint64_t{0})) + " if none is added" +
         (place.empty() ? "; who logged in lately from where he is does not wait" : "");
}

ExitCode AuthTest(const AuthTestOptions& options, const tenant::Config& config, Console& console) {
  const auto secret = SecretOf(options, console);
  if (!secret.ok()) return Fail(console, secret.status());
  if (options.secret != TestedSecret::kNone && secret->empty()) {
    return Fail(console, ExitCode::kUsage, "nothing was given to be tried");
  }
  // As at a log-in, it is no part of the name.
  std::string_view login = options.address;
  if (config.pop3.recent_days > 0) TakeRecentPrefix(login);
  json arguments = {{"address", login}};
  if (options.secret == TestedSecret::kPassword) arguments["password"] = secret->Reveal();
  if (options.secret == TestedSecret::kToken) arguments["token"] = secret->Reveal();
  const auto result = AskServer(config, "auth.test", std::move(arguments), kChainTimeoutMs);
  if (!result.ok()) return Fail(console, result.status());
  const json links = result->value("links", json::array());
  const auto [code, sentence] = VerdictOf(links, options.secret);
  if (options.json) {
    console.out << links.dump(2) << '\n';
  } else {
    Print(links, console);
    console.out << sentence << '\n';
    for (const json& penalty : result->value("penalties", json::array())) {
      console.out << "But " << PenaltyText(penalty) << ".\n";
    }
  }
  return code;
}

ExitCode AfterChange(const std::string& address, bool ends_sessions, const tenant::Config& config,
                     Console& console) {
  if (ends_sessions) return EndSessions(address, config, console);
  const Status told =
      AskServer(config, "auth.flush", json{{"address", address}}, kHintTimeoutMs).status();
  if (!told.ok() && told.code() != StatusCode::kFailedPrecondition) {
    console.err << "poplar: the change is made; a server that runs goes by it within about a "
                   "second, as it could not be told at once ("
                << Message(told) << ")\n";
  }
  return ExitCode::kOk;
}

ExitCode UserFlush(const UserFlushOptions& options, const tenant::Config& config,
                   Console& console) {
  json arguments = json::object();
  if (!options.address.empty()) arguments = {{"address", options.address}, {"by_account", true}};
  const auto flushed = AskServer(config, "auth.flush", std::move(arguments), kChainTimeoutMs);
  if (!flushed.ok()) return Fail(console, flushed.status());
  if (const std::string why = flushed->value("not_asked", ""); !why.empty()) {
    console.err
        << "poplar: " << options.address
        << " is forgotten by that name; whose account it is cannot be asked now (" << why
        << "), so what is remembered of it by other names still counts, and sessions by them "
           "may go on\n";
  }
  if (!options.end_sessions) return ExitCode::kOk;
  json whose = {{"user", options.address}};
  for (const char* part : {"tenant", "account"}) {
    if (flushed->contains(part)) whose[part] = flushed->at(part);
  }
  const auto kicked = AskServer(config, "session.kick", std::move(whose));
  // That there was none is as good.
  if (!kicked.ok() && kicked.status().code() != StatusCode::kNotFound) {
    return Fail(console, kicked.status());
  }
  const uint64_t ended = kicked.ok() ? kicked->value("kicked", uint64_t{0}) : 0;
  console.out << "Ended " << ended << " of its sessions.\n";
  return ExitCode::kOk;
}

}  // namespace poplar::app
