// The command line of `poplar auth` and of `poplar user flush`.

#include <memory>

#include "core/app/cli_accounts.h"
#include "core/app/commands/auth.h"

namespace poplar::app {

using tenant::Config;

void AddAuthCommands(CLI::App& app, Console& console,
                     const RunWithConfigFunction& run_with_config) {
  CLI::App* group = AddGroup(app, "auth", "Authentication as the running server does it");
  CLI::App* test = AddLeaf(
      group, "test",
      "Asks every back end of the chain about an address, and about its password or a token, and "
      "says what each answers and how long it takes",
      "  poplar auth test alice@example.org\n"
      "  poplar auth test alice@example.org --password\n"
      "  poplar auth test alice@example.org --password-stdin --json < secret\n"
      "  poplar auth test alice@example.org --token-stdin < token");
  auto options = std::make_shared<AuthTestOptions>();
  test->add_option("ADDRESS", options->address, "The login name or address")->required();
  CLI::App* secret = test->add_option_group("at most one of these");
  const auto add = [&](const char* name, TestedSecret tested, bool from_stdin, const char* help) {
    secret->add_flag_callback(
        name,
        [options, tested, from_stdin] {
          options->secret = tested;
          options->from_stdin = from_stdin;
        },
        help);
  };
  add("--password", TestedSecret::kPassword, false, "Ask for a password and try it");
  add("--password-stdin", TestedSecret::kPassword, true,
      "Try the password on the first line of standard input");
  add("--token", TestedSecret::kToken, false, "Ask for a bearer token and try it");
  add("--token-stdin", TestedSecret::kToken, true,
      "Try the token on the first line of standard input");
  secret->require_option(0, 1);
  test->add_flag("--json", options->json, "As JSON");
  run_with_config(test, [options, &console](const Config& config) {
    return AuthTest(*options, config, console);
  });
}

void AddUserFlush(CLI::App* user, Console& console, const RunWithConfigFunction& run_with_config) {
  CLI::App* flush = AddLeaf(user, "flush",
                            "Makes the running server forget what it remembers of a user, or of "
                            "all: passwords and addresses are asked for anew",
                            "  poplar user flush alice@example.org --end-sessions\n"
                            "  poplar user flush --all");
  auto options = std::make_shared<UserFlushOptions>();
  CLI::App* which = flush->add_option_group("one of these");
  auto everybody = std::make_shared<bool>(false);
  CLI::Option* const address = which->add_option("ADDRESS", options->address, "The user");
  which->add_flag("--all", *everybody, "Of everybody");
  which->require_option(1);
  flush->add_flag("--end-sessions", options->end_sessions, "End the user's sessions too")
      ->needs(address);
  run_with_config(flush, [options, everybody, &console](const Config& config) {
    return UserFlush(*options, config, console);
  });
}

}  // namespace poplar::app
