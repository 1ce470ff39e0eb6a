// The command line of `poplar user app-password`.

#include <memory>

#include "core/app/cli_accounts.h"
#include "core/app/cli_numbers.h"
#include "core/app/commands/app_password.h"
#include "core/app/quantities.h"
#include "core/base/clock.h"

namespace poplar::app {
namespace {

using tenant::Config;

// The last day on which it works, since 1970.
StatusOr<uint32_t> ParseLastDay(std::string_view text) {
  constexpr int64_t kSecondsADay = 86'400;
  POP_ASSIGN_OR_RETURN(const uint32_t day, ParseDay(text));
  if (day >= base::SystemClock().WallUs() / 1'000'000 / kSecondsADay) return day;
  return MakeStatus(StatusCode::kInvalidArgument,
                    "that day is over, so it would never work; write today or a later day");
}

void AddAppPasswordAdd(CLI::App* group, Console& console,
                       const RunWithConfigFunction& run_with_config) {
  CLI::App* add =
      AddLeaf(group, "add", "Makes one more password for a user, and shows it once",
              "  poplar user app-password add alice@example.org phone\n"
              "  poplar user app-password add alice@example.org scanner --from 192.0.2.0/24 "
              "--expires 2027-12-31");
  auto options = std::make_shared<AppPasswordAddOptions>();
  add->add_option("ADDRESS", options->address, "The user")->required();
  add->add_option("LABEL", options->label, "Whose it is: a program or a device")->required();
  add->add_option("--from", options->networks, "It works from this network only; may be repeated")
      ->type_name("NETWORK")
      ->allow_extra_args(false);
  AddNumber<uint32_t>(add, "--expires", "DATE", "The last day (UTC) on which it works",
                      &ParseLastDay, [options](uint32_t day) { options->expires_day = day; });
  add->add_flag("--json", options->json, "As JSON");
  run_with_config(add, [options, &console](const Config& config) {
    return AppPasswordAdd(*options, config, console);
  });
}

}  // namespace

void AddAppPasswordCommands(CLI::App* user, Console& console,
                            const RunWithConfigFunction& run_with_config) {
  CLI::App* group =
      AddGroup(*user, "app-password", "Passwords of a user's, one for each program or device");
  group->footer("Each has examples: `poplar user app-password COMMAND --help`.");
  AddAppPasswordAdd(group, console, run_with_config);

  CLI::App* list = AddLeaf(group, "list", "Lists them, and when each was used last",
                           "  poplar user app-password list alice@example.org --json");
  auto list_options = std::make_shared<AppPasswordListOptions>();
  list->add_option("ADDRESS", list_options->address, "The user")->required();
  list->add_flag("--json", list_options->json, "As JSON");
  run_with_config(list, [list_options, &console](const Config& config) {
    return AppPasswordList(*list_options, config, console);
  });

  CLI::App* remove = AddLeaf(group, "remove", "Takes one away",
                             "  poplar user app-password remove alice@example.org phone "
                             "--end-sessions");
  auto remove_options = std::make_shared<AppPasswordRemoveOptions>();
  remove->add_option("ADDRESS", remove_options->address, "The user")->required();
  remove->add_option("LABEL", remove_options->label, "Which one")->required();
  remove->add_flag("--end-sessions", remove_options->end_sessions, "End the user's sessions, too");
  run_with_config(remove, [remove_options, &console](const Config& config) {
    return AppPasswordRemove(*remove_options, config, console);
  });
}

}  // namespace poplar::app
