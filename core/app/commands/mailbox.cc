#include "core/app/commands/mailbox.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "core/app/commands/ask_server.h"
#include "core/app/commands/limits_text.h"
#include "core/app/table.h"
#include "core/ops/admin_client.h"

namespace poplar::app {
namespace {

using nlohmann::json;

// A maildrop of a million kept messages takes its time.
constexpr uint32_t kMailboxTimeoutMs = 600'000;
constexpr int64_t kUsPerSecond = 1'000'000;

Status NotUnderstood() {
  return MakeStatus(StatusCode::kInternal,
                    "the server's answer on the admin socket is not understood");
}

uint64_t Number(const json& object, const char* key) { return object.at(key).get<uint64_t>(); }

std::string MessagesText(uint64_t messages) {
  return std::to_string(messages) + (messages == 1 ? " message" : " messages");
}

// "1.4 MiB of 2.0 GiB (0 %)".
std::string Of(const std::string& used, const std::string& allowed, uint64_t part, uint64_t whole) {
  if (whole == 0) return used + ", no limit";
  const double share = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  return used + " of " + allowed + " (" + std::to_string(static_cast<uint64_t>(share)) + " %)";
}

void PrintUse(const json& use, const json& quota, Console& console) {
  if (use.is_null()) {
    console.out << "  use       is not known\n";
    return;
  }
  const uint64_t octets = Number(use, "octets"), octets_max = Number(quota, "octets");
  const uint64_t messages = Number(use, "messages"), messages_max = Number(quota, "messages");
  console.out << "  size      " << Of(SizeText(octets), SizeText(octets_max), octets, octets_max)
              << "\n  messages  "
              << Of(std::to_string(messages), std::to_string(messages_max), messages, messages_max)
              << "\n  deleted   ";
  if (use.at("kept_messages").is_null()) {
    console.out << "is not known\n";
  } else {
    console.out << MessagesText(Number(use, "kept_messages")) << " kept, "
                << SizeText(Number(use, "kept_octets")) << '\n';
  }
}

// False: the answer has another shape than it should. Here and below.
bool PrintMailbox(const json& mailbox, Console& console) try {
  const json& tenant = mailbox.at("tenant");
  console.out << "maildrop of " << mailbox.at("address").get<std::string>() << '\n';
  PrintUse(mailbox.at("use"), mailbox.at("quota"), console);
  console.out << "tenant " << tenant.at("name").get<std::string>() << '\n';
  PrintUse(tenant.at("use"), tenant.at("quota"), console);
  const json& read_days = tenant.at("expire_read_days");
  TenantPolicy policy;
  policy.keep_deleted_days = tenant.at("keep_deleted_days").get<uint32_t>();
  policy.expire_days = tenant.at("expire_days").get<uint32_t>();
  if (!read_days.is_null()) policy.expire_read_days = read_days.get<uint32_t>();
  for (const auto& [name, text] : RetentionText(policy)) {
    console.out << "  " << name << "  " << text << '\n';
  }
  return true;
} catch (const json::exception&) {
  return false;
}

bool PrintDeleted(const json& messages, Console& console) try {
  Table table({"UIDL", "SIZE", "RECEIVED"});
  std::string group;
  const auto print = [&] {
    if (group.empty()) return;
    console.out << group << '\n';
    table.Print(console.out);
    console.out << '\n';
    table = Table({"UIDL", "SIZE", "RECEIVED"});
  };
  for (const json& message : messages) {
    const int64_t deleted_us = message.at("deleted_us").get<int64_t>();
    const std::string session = message.at("session").get<std::string>();
    std::string head = session == "0" ? "expired" : "deleted by session " + session;
    head += ", " + TimeText(deleted_us / kUsPerSecond) + ":";
    if (head != group) {
      print();
      group = std::move(head);
    }
    table.Add({message.at("uidl").get<std::string>(), SizeText(Number(message, "octets")),
               TimeText(message.at("received_us").get<int64_t>() / kUsPerSecond)});
  }
  print();
  return true;
} catch (const json::exception&) {
  return false;
}

// All pages in one list.
StatusOr<json> AllDeleted(const std::string& address, const tenant::Config& config) {
  json all = json::array();
  json arguments = {{"address", address}};
  for (bool is_last = false; !is_last;) {
    POP_ASSIGN_OR_RETURN(json page,
                         AskServer(config, "mailbox.deleted", arguments, kMailboxTimeoutMs));
    const auto messages = page.find("messages");
    const auto more = page.find("more");
    if (messages == page.end() || !messages->is_array() || more == page.end() ||
        !more->is_boolean()) {
      return NotUnderstood();
    }
    is_last = !more->get<bool>() || messages->empty();
    if (!is_last) arguments["after"] = messages->back();
    for (json& message : *messages) all.push_back(std::move(message));
  }
  return all;
}

}  // namespace

ExitCode MailboxShow(const MailboxShowOptions& options, const tenant::Config& config,
                     Console& console) {
  const auto mailbox =
      AskServer(config, "mailbox.show", {{"address", options.address}}, kMailboxTimeoutMs);
  if (!mailbox.ok()) return Fail(console, mailbox.status());
  if (options.json) {
    console.out << mailbox->dump(2) << '\n';
  } else if (!PrintMailbox(*mailbox, console)) {
    return Fail(console, NotUnderstood());
  }
  const std::string why = mailbox->value("why", "");
  if (why.empty()) return ExitCode::kOk;
  return Fail(console, ExitCode::kIoError,
              "not all is known of what the maildrop of " + options.address + " holds: " + why +
                  " (core/OPERATIONS.md, \"A damaged disk\")");
}

ExitCode MailboxDeleted(const MailboxDeletedOptions& options, const tenant::Config& config,
                        Console& console) {
  const auto messages = AllDeleted(options.address, config);
  if (!messages.ok()) return Fail(console, messages.status());
  if (options.json) {
    console.out << messages->dump(2) << '\n';
  } else if (messages->empty()) {
    console.out << "No deleted mail of " << options.address << " is kept. (`poplar tenant set NAME "
                << "--keep-deleted DAYS` keeps what is deleted from then on.)\n";
  } else if (!PrintDeleted(*messages, console)) {
    return Fail(console, NotUnderstood());
  }
  return ExitCode::kOk;
}

ExitCode MailboxUndelete(const MailboxUndeleteOptions& options, const tenant::Config& config,
                         Console& console) {
  json arguments = {{"address", options.address}};
  if (!options.uidl.empty()) arguments["uidl"] = options.uidl;
  if (!options.session.empty()) arguments["session"] = options.session;
  if (options.since_s.has_value()) arguments["since_us"] = *options.since_s * kUsPerSecond;
  if (options.all) arguments["all"] = true;
  // So many messages take their time, and the server ends what it began whoever waits for it.
  const auto result =
      AskServer(config, "mailbox.undelete", std::move(arguments), ops::kNoTimeLimit);
  if (!result.ok()) return Fail(console, result.status());
  const auto undeleted = result->find("undeleted");
  if (undeleted == result->end() || !undeleted->is_number_unsigned()) {
    return Fail(console, NotUnderstood());
  }
  const auto count = undeleted->get<uint64_t>();
  console.out << MessagesText(count) << (count == 1 ? " is" : " are") << " back in the maildrop of "
              << options.address << ", with " << (count == 1 ? "a new UIDL" : "new UIDLs")
              << ": clients fetch " << (count == 1 ? "it" : "them") << " again.\n";
  return ExitCode::kOk;
}

}  // namespace poplar::app
