#include "core/app/cli_accounts.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/app/cli_numbers.h"
#include "core/app/commands/tenant.h"
#include "core/app/commands/tenant_usage.h"
#include "core/app/commands/user.h"
#include "core/app/quantities.h"
#include "core/base/clock.h"
#include "core/base/tenant_rules.h"

namespace poplar::app {
namespace {

// Lives while the tree is built; what the commands capture is the console and the wiring.
class AccountCommands {
 public:
  AccountCommands(CLI::App& app, const Wiring& wiring, Console& console,
                  const RunWithConfigFunction& run_with_config)
      : app_(app), wiring_(wiring), console_(console), run_with_config_(run_with_config) {}

 private:
  using Config = tenant::Config;

 public:
  void AddTenant() {
    CLI::App* group = AddGroup(app_, "tenant", "Tenants of the built-in database");

    AddTenantDns(group, console_, run_with_config_);
    CLI::App* add = AddLeaf(group, "add", "Adds a tenant",
                            "  poplar tenant add acme --domain acme.example --domain acme.test\n"
                            "  poplar tenant add acme --domain acme.example --quota 500GB "
                            "--maildrop-quota 2GiB");
    auto add_options = std::make_shared<TenantAddOptions>();
    add->add_option("NAME", add_options->name, "Letters, digits, '.', '_', '-'")->required();
    add->add_option("--domain", add_options->domains,
                    "A mail domain of the tenant's; may be repeated")
        ->type_name("DOMAIN")
        ->allow_extra_args(false);
    AddLimitOptions(add, &add_options->limits, add_options);
    run_with_config_(add,
                     [&wiring = wiring_, &console = console_, add_options](const Config& config) {
                       return TenantAdd(*add_options, config, wiring, console);
                     });

    AddTenantSet(group);

    CLI::App* list = AddLeaf(group, "list", "Lists all tenants",
                             "  poplar tenant list\n  poplar tenant list --json | jq '.[].name'");
    auto list_options = std::make_shared<TenantListOptions>();
    list->add_flag("--json", list_options->json, "As JSON");
    run_with_config_(list, [&console = console_, list_options](const Config& config) {
      return TenantList(*list_options, config, console);
    });

    CLI::App* show = AddLeaf(group, "show", "Shows one tenant", "  poplar tenant show acme");
    auto show_options = std::make_shared<TenantShowOptions>();
    show->add_option("NAME", show_options->name, "The tenant")->required();
    show->add_flag("--json", show_options->json, "As JSON");
    run_with_config_(show, [&console = console_, show_options](const Config& config) {
      return TenantShow(*show_options, config, console);
    });

    AddTenantUsage(group);
    AddTenantState(group);
    AddDomainCommands(group);

    CLI::App* remove = AddLeaf(group, "remove", "Removes a tenant",
                               "  poplar tenant remove acme --with-users --end-sessions");
    auto remove_options = std::make_shared<TenantRemoveOptions>();
    remove->add_option("NAME", remove_options->name, "The tenant")->required();
    remove->add_flag("--with-users", remove_options->with_users, "Its users too");
    remove->add_flag("--end-sessions", remove_options->end_sessions, "End its sessions, too");
    run_with_config_(remove, [&console = console_, remove_options](const Config& config) {
      return TenantRemove(*remove_options, config, console);
    });
  }

  void AddTenantUsage(CLI::App* group) {
    CLI::App* usage =
        AddLeaf(group, "usage", "Shows what tenants used: sessions, mail in and out, storage now",
                "  poplar tenant usage --since 2026-11-01 --until 2026-11-30 --json\n"
                "  poplar tenant usage acme --by-day");
    auto options = std::make_shared<TenantUsageOptions>();
    usage->add_option("NAME", options->name, "The tenant; else all");
    AddNumber<uint32_t>(usage, "--since", "DATE", "From this day (UTC) on", ParseDate,
                        [options](uint32_t day) { options->since = day; });
    AddNumber<uint32_t>(usage, "--until", "DATE", "Up to this day, itself included", ParseDate,
                        [options](uint32_t day) { options->until = day; });
    usage->add_flag("--by-day", options->by_day, "A line for each day, without storage");
    usage->add_flag("--json", options->json, "As JSON");
    run_with_config_(usage, [&console = console_, options](const Config& config) {
      return TenantUsage(*options, config, console);
    });
  }

  static StatusOr<std::optional<bool>> ParseTruth(std::string_view text) {
    if (text == "true" || text == "false") return std::optional<bool>(text == "true");
    if (text == "default") return std::optional<bool>();
    return MakeStatus(StatusCode::kInvalidArgument, "write true, false or default");
  }

  static StatusOr<bool> ParseSwitch(std::string_view text) {
    if (text == "true" || text == "on") return true;
    if (text == "false" || text == "off") return false;
    return MakeStatus(StatusCode::kInvalidArgument, "write true or false");
  }

  // A day, since 1970.
  static StatusOr<uint32_t> ParseDate(std::string_view text) {
    return ParseDaySince(text, base::SystemClock().WallUs() / 1'000'000);
  }

  void AddTenantState(CLI::App* group) {
    for (const bool enable : {true, false}) {
      CLI::App* leaf = enable ? AddLeaf(group, "enable", "Takes a tenant's mail and users again",
                                        "  poplar tenant enable acme")
                              : AddLeaf(group, "disable", "Refuses a tenant's users and mail",
                                        "  poplar tenant disable acme --end-sessions");
      auto options = std::make_shared<TenantStateOptions>();
      options->enabled = enable;
      leaf->add_option("NAME", options->name, "The tenant")->required();
      if (!enable) {
        leaf->add_flag("--end-sessions", options->end_sessions, "End its sessions, too");
      }
      run_with_config_(leaf, [&console = console_, options](const Config& config) {
        return TenantSetState(*options, config, console);
      });
    }
  }

  void AddDomainCommands(CLI::App* group) {
    CLI::App* domain = AddGroup(*group, "domain", "A tenant's mail domains");
    domain->footer("Each has examples: `poplar tenant domain COMMAND --help`.");
    for (const DomainChange change : {DomainChange::kAdd, DomainChange::kRemove}) {
      CLI::App* leaf =
          change == DomainChange::kAdd
              ? AddLeaf(domain, "add", "Gives a tenant one more domain",
                        "  poplar tenant domain add acme acme.test")
              : AddLeaf(domain, "remove", "Takes a domain that no user has from a tenant",
                        "  poplar tenant domain remove acme acme.test");
      auto words = std::make_shared<std::pair<std::string, std::string>>();
      leaf->add_option("NAME", words->first, "The tenant")->required();
      leaf->add_option("DOMAIN", words->second, "The domain")->required();
      run_with_config_(leaf, [&console = console_, words, change](const Config& config) {
        return TenantChangeDomain(words->first, words->second, change, config, console);
      });
    }
  }

  void AddTenantSet(CLI::App* group) {
    CLI::App* set =
        AddLeaf(group, "set",
                "Changes quotas, how long mail stays, and settings; a running server goes by it "
                "within about a second",
                "  poplar tenant set acme --quota 1TiB --maildrop-quota 5GB\n"
                "  poplar tenant set acme --keep-deleted 30 --expire 365\n"
                "  poplar tenant set acme --expire-read 0\n"
                "  poplar tenant set acme --quota none --expire-read never\n"
                "  poplar tenant set acme --require-tls true --logins-per-minute 600\n"
                "  poplar tenant set acme --source file");
    auto options = std::make_shared<TenantSetOptions>();
    set->add_option("NAME", options->name, "The tenant")->required();
    AddLimitOptions(set, &options->limits, options);
    AddNumber<TenantSource>(
        set, "--source", "command|file|backend",
        "Hands the tenant over: from now on what it is, is said by these commands, by its file in "
        "users.tenants, or by users.tenants_backend",
        ParseTenantSource, [options](TenantSource source) { options->source = source; });
    run_with_config_(set, [&wiring = wiring_, &console = console_, options](const Config& config) {
      return TenantSet(*options, config, wiring, console);
    });
  }

  // `owner` keeps `limits` alive.
  static void AddLimitOptions(CLI::App* leaf, TenantLimits* limits,
                              const std::shared_ptr<void>& owner) {
    const std::string all = "Of all its maildrops together; none: no limit";
    const std::string each = "Of each maildrop whose user has no quota of his own; none: no limit";
    AddNumber<uint64_t>(leaf, "--quota", "SIZE", all, OrNone(ParseSize),
                        [owner, limits](uint64_t n) { limits->quota_octets = n; });
    AddNumber<uint64_t>(leaf, "--quota-messages", "NUMBER", all, OrNone(ParseCount),
                        [owner, limits](uint64_t n) { limits->quota_messages = n; });
    AddNumber<uint64_t>(leaf, "--maildrop-quota", "SIZE", each, OrNone(ParseSize),
                        [owner, limits](uint64_t n) { limits->maildrop_quota_octets = n; });
    AddNumber<uint64_t>(leaf, "--maildrop-quota-messages", "NUMBER", each, OrNone(ParseCount),
                        [owner, limits](uint64_t n) { limits->maildrop_quota_messages = n; });
    AddNumber<uint32_t>(
        leaf, "--keep-deleted", "DAYS", "Deleted mail can be brought back for so long; none: not",
        OrNone(ParseDays), [owner, limits](uint32_t days) { limits->keep_deleted_days = days; });
    AddNumber<uint32_t>(leaf, "--expire", "DAYS",
                        "Mail goes so long after it arrived; never: it stays",
                        Or<uint32_t>("never", 0, AtLeastOne(ParseDays, "never: it stays")),
                        [owner, limits](uint32_t days) { limits->expire_days = days; });
    AddRuleOptions(leaf, limits, owner);
    using Days = std::optional<uint32_t>;
    AddNumber<Days>(leaf, "--expire-read", "DAYS",
                    "Mail goes so long after it was fetched, 0: with that session; never: it stays",
                    Or<Days>("never", std::nullopt, ParseDays),
                    [owner, limits](Days days) { limits->expire_read_days = days; });
  }

  // One for each setting of a tenant: login_delay_s is --login-delay-s.
  static void AddRuleOptions(CLI::App* leaf, TenantLimits* limits,
                             const std::shared_ptr<void>& owner) {
    for (const TenantRuleInfo& rule : AllTenantRules()) {
      std::string option = "--" + std::string(rule.name);
      std::replace(option.begin(), option.end(), '_', '-');
      const std::string name(rule.name);
      leaf->add_option_function<std::string>(
              option,
              [owner, limits, name](const std::string& value) {
                limits->rules.emplace_back(name, value);
              },
              std::string(rule.help))
          ->type_name("VALUE")
          ->check(
              [name](const std::string& value) {
                TenantRules rules;
                const Status set = SetTenantRule(rules, name, value);
                return set.ok() ? std::string() : std::string(Message(set));
              },
              "");
    }
  }

  using PasswordCommand = ExitCode (*)(const UserPasswordOptions&, const Config&, Console&);

  // The options that `user add` and `user passwd` share.
  void AddPasswordCommand(CLI::App* leaf, const char* without_help, PasswordCommand command) {
    auto options = std::make_shared<UserPasswordOptions>();
    leaf->add_option("ADDRESS", options->address, "The user")->required();
    auto* from_stdin = leaf->add_flag_callback(
        "--password-stdin", [options] { options->password = PasswordSource::kStdin; },
        "Read the password from the first line of standard input");
    auto* hash_from_stdin = leaf->add_flag_callback(
        "--hash-stdin", [options] { options->password = PasswordSource::kHashStdin; },
        "Read a hash that another system stored (its first line): $6$..., {ARGON2ID}..., as it is");
    hash_from_stdin->excludes(from_stdin);
    leaf->add_flag("--weak-password", options->weak_password,
                   "Take a password that is too short or too easy to guess, with a warning")
        ->excludes(hash_from_stdin);
    leaf->add_option("--scheme", options->scheme,
                     "How to store the password, instead of users.hash; scram-sha-256 is for SCRAM")
        ->check(CLI::IsMember({"yescrypt", "argon2id", "bcrypt", "sha512crypt", "scram-sha-256"}))
        ->excludes(hash_from_stdin);
    leaf->add_flag_callback(
            "--no-password", [options] { options->password = PasswordSource::kNone; }, without_help)
        ->excludes(from_stdin)
        ->excludes(hash_from_stdin);
    if (command == &UserPasswd) {
      leaf->add_flag("--end-sessions", options->end_sessions, "End the user's sessions, too");
    }
    run_with_config_(leaf, [&console = console_, options, command](const Config& config) {
      return command(*options, config, console);
    });
  }

  using AddressCommand = std::function<ExitCode(const std::string&, const Config&)>;

  void AddAddressCommand(CLI::App* leaf, AddressCommand command) {
    auto address = std::make_shared<std::string>();
    leaf->add_option("ADDRESS", *address, "The user")->required();
    run_with_config_(leaf, [address, command = std::move(command)](const Config& config) {
      return command(*address, config);
    });
  }

  void AddUserShow(CLI::App* group) {
    CLI::App* show = AddLeaf(group, "show", "Shows one user",
                             "  poplar user show alice@example.org\n"
                             "  poplar user show alice@example.org --json | jq .quota_octets");
    auto options = std::make_shared<UserShowOptions>();
    show->add_option("ADDRESS", options->address, "The user")->required();
    show->add_flag("--json", options->json, "As JSON");
    run_with_config_(show, [&console = console_, options](const Config& config) {
      return UserShow(*options, config, console);
    });
  }

  void AddUserSet(CLI::App* group) {
    CLI::App* set =
        AddLeaf(group, "set", "Changes a user's own quota, whether he has POP3 and how he logs in",
                "  poplar user set alice@example.org --quota 10GiB\n"
                "  poplar user set alice@example.org --quota none\n"
                "  poplar user set alice@example.org --pop3 false --end-sessions\n"
                "  poplar user set alice@example.org --quota default "
                "--quota-messages default");
    auto options = std::make_shared<UserSetOptions>();
    set->add_option("ADDRESS", options->address, "The user")->required();
    const std::string rest = "none: no limit; default: as the tenant's maildrops";
    using Number = std::optional<uint64_t>;
    AddNumber<Number>(set, "--quota", "SIZE", "What the maildrop may hold; " + rest,
                      Or<Number>("default", std::nullopt, OrNone(ParseSize)),
                      [options](Number octets) { options->quota_octets = octets; });
    AddNumber<Number>(set, "--quota-messages", "NUMBER", "How many messages; " + rest,
                      Or<Number>("default", std::nullopt, OrNone(ParseCount)),
                      [options](Number messages) { options->quota_messages = messages; });
    using Truth = std::optional<bool>;
    AddNumber<Truth>(set, "--require-app-password", "VALUE",
                     "true: only app passwords are taken; default: as the tenant's setting",
                     &ParseTruth,
                     [options](Truth require) { options->require_app_password = require; });
    AddNumber<bool>(set, "--pop3", "VALUE",
                    "false: he may not fetch mail by POP3, mail goes on coming in; true: he may",
                    &ParseSwitch, [options](bool allowed) { options->pop3 = allowed; });
    set->add_flag("--end-sessions", options->end_sessions, "End the user's sessions, too");
    run_with_config_(set, [&console = console_, options](const Config& config) {
      return UserSet(*options, config, console);
    });
  }

  void AddUser() {
    CLI::App* group = AddGroup(app_, "user", "Users of the built-in database");
    AddPasswordCommand(AddLeaf(group, "add", "Adds a user; asks for the password",
                               "  poplar user add alice@example.org\n"
                               "  pwgen 20 1 | poplar user add bob@example.org --password-stdin\n"
                               "  doveadm pw -s SHA512-CRYPT | poplar user add eve@example.org "
                               "--hash-stdin"),
                       "Without a password: mail arrives, but nobody can log in", &UserAdd);
    AddPasswordCommand(AddLeaf(group, "passwd", "Changes a password; asks for it",
                               "  poplar user passwd alice@example.org --end-sessions"),
                       "Take the password away: nobody can log in", &UserPasswd);

    CLI::App* list = AddLeaf(group, "list", "Lists users",
                             "  poplar user list --tenant acme\n"
                             "  poplar user list --json | jq -r '.[].address'");
    auto list_options = std::make_shared<UserListOptions>();
    list->add_option("--tenant", list_options->tenant, "Only this tenant's")->type_name("NAME");
    list->add_flag("--json", list_options->json, "As JSON");
    run_with_config_(list, [&console = console_, list_options](const Config& config) {
      return UserList(*list_options, config, console);
    });

    AddUserShow(group);
    AddUserSet(group);
    AddUserFlush(group, console_, run_with_config_);
    AddAppPasswordCommands(group, console_, run_with_config_);
    CLI::App* disable =
        AddLeaf(group, "disable", "Keeps a user from logging in; mail goes on coming in",
                "  poplar user disable alice@example.org --end-sessions");
    auto end_sessions = std::make_shared<bool>(false);
    disable->add_flag("--end-sessions", *end_sessions, "End the user's sessions, too");
    AddAddressCommand(disable, [&console = console_, end_sessions](const std::string& address,
                                                                   const Config& config) {
      return UserDisable(address, *end_sessions, config, console);
    });
    AddAddressCommand(AddLeaf(group, "enable", "Lets a user log in again",
                              "  poplar user enable alice@example.org"),
                      [&console = console_](const std::string& address, const Config& config) {
                        return UserEnable(address, config, console);
                      });
    AddAddressCommand(
        AddLeaf(group, "remove", "Removes a user", "  poplar user remove alice@example.org"),
        [&console = console_](const std::string& address, const Config& config) {
          return UserRemove(address, config, console);
        });
  }

 private:
  CLI::App& app_;
  const Wiring& wiring_;
  Console& console_;
  const RunWithConfigFunction& run_with_config_;
};

}  // namespace

void AddAccountCommands(CLI::App& app, const Wiring& wiring, Console& console,
                        const RunWithConfigFunction& run_with_config) {
  AccountCommands commands(app, wiring, console, run_with_config);
  commands.AddTenant();
  commands.AddUser();
}

}  // namespace poplar::app
