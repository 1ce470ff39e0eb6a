#include <ctime>
#include <memory>
#include <string>

#include "core/app/cli_accounts.h"
#include "core/app/commands/mailbox.h"
#include "core/app/quantities.h"

namespace poplar::app {

using tenant::Config;

namespace {

void AddShow(CLI::App* group, Console& console, const RunWithConfigFunction& run_with_config) {
  CLI::App* show = AddLeaf(group, "show", "What a maildrop holds, and what it may hold",
                           "  poplar mailbox show alice@example.org\n"
                           "  poplar mailbox show alice@example.org --json | jq .use.octets");
  auto options = std::make_shared<MailboxShowOptions>();
  show->add_option("ADDRESS", options->address, "Whose")->required();
  show->add_flag("--json", options->json, "As JSON");
  run_with_config(show, [options, &console](const Config& config) {
    return MailboxShow(*options, config, console);
  });
}

void AddDeleted(CLI::App* group, Console& console, const RunWithConfigFunction& run_with_config) {
  CLI::App* deleted = AddLeaf(
      group, "deleted", "Lists deleted mail that is kept, by session and time, the latest first",
      "  poplar mailbox deleted alice@example.org\n"
      "  poplar mailbox deleted alice@example.org --json | jq -r '.[].uidl'");
  auto options = std::make_shared<MailboxDeletedOptions>();
  deleted->add_option("ADDRESS", options->address, "Whose")->required();
  deleted->add_flag("--json", options->json, "As JSON");
  run_with_config(deleted, [options, &console](const Config& config) {
    return MailboxDeleted(*options, config, console);
  });
}

void AddUndelete(CLI::App* group, Console& console, const RunWithConfigFunction& run_with_config) {
  CLI::App* undelete = AddLeaf(
      group, "undelete",
      "Brings deleted mail back as new messages: with new UIDLs, so that clients fetch them, and "
      "the dates they had",
      "  poplar mailbox undelete alice@example.org --uidl kq3vx7daaab2dkqz4aaaad\n"
      "  poplar mailbox undelete alice@example.org --session 1914123456789504\n"
      "  poplar mailbox undelete alice@example.org --since 2h\n"
      "  poplar mailbox undelete alice@example.org --since 2026-11-24T10:00Z");
  auto options = std::make_shared<MailboxUndeleteOptions>();
  undelete->add_option("ADDRESS", options->address, "Whose")->required();
  CLI::App* which = undelete->add_option_group("one of these");
  which->add_option("--uidl", options->uidl, "One message, as `mailbox deleted` shows it");
  which->add_option("--session", options->session, "All that this session deleted; 0: by expiry");
  const auto since = [](const std::string& text) { return ParseSince(text, std::time(nullptr)); };
  which
      ->add_option_function<std::string>(
          "--since", [options, since](const std::string& text) { options->since_s = *since(text); },
          "All deleted since then: a day, a day and a time (UTC), or so long ago")
      ->type_name("TIME")
      ->check([since](const std::string& text) { return FaultIn(since(text)); }, "");
  which->add_flag("--all", options->all, "All that is kept");
  which->require_option(1);
  run_with_config(undelete, [options, &console](const Config& config) {
    return MailboxUndelete(*options, config, console);
  });
}

}  // namespace

void AddMailboxCommands(CLI::App& app, Console& console,
                        const RunWithConfigFunction& run_with_config) {
  CLI::App* group = AddGroup(app, "mailbox", "Maildrops of the running server: use, deleted mail");
  AddShow(group, console, run_with_config);
  AddDeleted(group, console, run_with_config);
  AddUndelete(group, console, run_with_config);
}

}  // namespace poplar::app
