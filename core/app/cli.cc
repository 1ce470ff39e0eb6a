#include "core/app/cli.h"

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/app/cli_accounts.h"
#include "core/app/cli_manual.h"
#include "core/app/cli_parts.h"
#include "core/app/cli_transfer.h"
#include "core/app/commands/check.h"
#include "core/app/commands/deliver.h"
#include "core/app/commands/doctor.h"
#include "core/app/commands/drain.h"
#include "core/app/commands/init.h"
#include "core/app/commands/session.h"
#include "core/app/commands/with_config.h"
#include "core/app/version.h"
#include "core/base/ip.h"

namespace poplar::app {
namespace {

constexpr const char* kDefaultConfigPath = "/etc/poplar/poplar.toml";

// Builds the tree of subcommands. Parsing leaves in `chosen` what is to be run. Options are shared
// by the parser, which fills them, and the function that takes them.
class CommandLine {
 public:
  CommandLine(const Wiring& wiring, Console& console) : wiring_(wiring), console_(console) {
    app_.require_subcommand(1);
    app_.set_version_flag("--version", "poplar " + std::string(Version()));
    app_.set_help_flag("-h,--help", "Says this and ends");
    app_.footer(
        "Examples:\n"
        "  poplar init ./mail               a server with all it needs in one folder\n"
        "  poplar serve --config ./mail/poplar.toml\n"
        "  poplar user --help               what can be done with users\n\n"
        "Exit codes are those of sysexits.h: 0 done, 64 wrong command line, 67 nobody of that\n"
        "name, 69 no server runs, 75 try again later, 78 wrong configuration.");
    AddServer();
    const RunWithConfigFunction run_with_config =
        [this](CLI::App* leaf, std::function<ExitCode(const Config&)> command) {
          RunWithConfig(leaf, std::move(command));
        };
    AddAccountCommands(app_, wiring_, console_, run_with_config);
    AddAuthCommands(app_, console_, run_with_config);
    AddMailboxCommands(app_, console_, run_with_config);
    AddDeliver();
    AddSession();
    AddStore();
    AddTransferCommands(app_, wiring_, console_, run_with_config);
    AddManual();
  }

  ExitCode Run(int argc, const char* const* argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::Success& asked) {  // --help, --version
      app_.exit(asked, console_.out, console_.err);
      return ExitCode::kOk;
    } catch (const CLI::RequiredError& error) {
      // What stands where a command should is told before that one is missing.
      const std::vector<std::string> left = app_.remaining(true);
      const std::string why = left.empty() || left.front().starts_with('-')
                                  ? error.what()
                                  : "there is no command `" + left.front() + "`";
      return Fail(console_, ExitCode::kUsage, why + " (`" + Named() + " --help` says more)");
    } catch (const CLI::ParseError& error) {
      return Fail(console_, ExitCode::kUsage,
                  std::string(error.what()) + " (`" + Named() + " --help` says more)");
    }
    return chosen_();
  }

 private:
  using Config = tenant::Config;

  CLI::App* Group(const std::string& name, const std::string& does) {
    return AddGroup(app_, name, does);
  }

  std::shared_ptr<std::string> AddConfigOption(CLI::App* leaf) {
    auto path = std::make_shared<std::string>(kDefaultConfigPath);
    leaf->add_option("--config", *path, "The configuration")
        ->type_name("FILE")
        ->envname("POPLAR_CONFIG")
        ->capture_default_str();
    return path;
  }

  // What a leaf runs: `command` with the configuration that --config names.
  void RunWithConfig(CLI::App* leaf, std::function<ExitCode(const Config&)> command) {
    auto path = AddConfigOption(leaf);
    leaf->callback([this, path, command = std::move(command)] {
      chosen_ = [this, path, command] { return WithConfig(*path, console_, command); };
    });
  }

  void AddServer() {
    CLI::App* init = AddLeaf(&app_, "init",
                             "Makes a server's folder: configuration, certificate, "
                             "store, users. Keeps what is there",
                             "  poplar init /srv/poplar");
    auto init_options = std::make_shared<InitOptions>();
    init->add_option("DIR", init_options->folder, "The folder; made if it is not there")
        ->required();
    init->add_flag("-q,--quiet", init_options->quiet, "Say nothing, unless something is wrong");
    init->callback([this, init_options] {
      chosen_ = [this, init_options] { return Init(*init_options, wiring_, console_); };
    });

    CLI::App* serve =
        AddLeaf(&app_, "serve",
                "Serves mail, in the foreground. SIGTERM lets sessions finish, SIGHUP "
                "reads configuration and certificates again",
                "  poplar serve --config /srv/poplar/poplar.toml");
    auto serve_path = AddConfigOption(serve);
    serve->callback([this, serve_path] {
      chosen_ = [this, serve_path] {
        return WithConfig(*serve_path, console_, [this, serve_path](const Config& config) {
          return wiring_.serve(config, *serve_path);
        });
      };
    });

    CLI::App* drain =
        AddLeaf(&app_, "drain",
                "Ends the running server as SIGTERM does: sessions finish what they are about, and "
                "have server.drain_limit_s for it. Returns when it has ended",
                "  poplar drain\n"
                "  poplar drain --json | jq .took_ms");
    auto drain_options = std::make_shared<DrainOptions>();
    drain->add_flag("--json", drain_options->json, "As JSON");
    RunWithConfig(drain, [this, drain_options](const Config& config) {
      return Drain(*drain_options, config, console_);
    });

    AddAuthHost();

    CLI::App* check =
        AddLeaf(&app_, "check", "Says what is wrong with the configuration and the files it names",
                "  poplar check && pkill -HUP -o -x poplar");
    auto check_path = AddConfigOption(check);
    check->callback([this, check_path] {
      chosen_ = [this, check_path] { return Check({*check_path}, wiring_, console_); };
    });
    AddDoctor();
  }

  void AddDoctor() {
    CLI::App* doctor = AddLeaf(&app_, "doctor",
                               "Says what is wrong with this server, or with one customer's mail, "
                               "whose move it is, and in "
                               "what words he can be told",
                               "  poplar doctor\n"
                               "  poplar doctor alice@example.org --password\n"
                               "  poplar doctor alice@example.org --json | jq -r '.to_customer[]'");
    auto options = std::make_shared<DoctorOptions>();
    // An empty variable of a script is no wish to look at the server alone.
    doctor->add_option("ADDRESS", options->user_name, "The customer; left out: the server alone")
        ->check([](const std::string& text) {
          return text.empty() ? std::string("it is empty") : std::string();
        });
    CLI::App* secret = doctor->add_option_group("at most one of these");
    secret->add_flag("--password", options->password, "Ask for the password and try it");
    secret->add_flag("--password-stdin", options->password_from_stdin,
                     "Try the password on the first line of standard input");
    secret->require_option(0, 1);
    doctor
        ->add_option("--from", options->from,
                     "The IP address that he comes from: is his app password good there?")
        ->check([](const std::string& text) {
          return base::IpAddress::Parse(text) ? std::string() : text + " is no IP address";
        });
    doctor->add_flag("--json", options->json, "As JSON");
    auto path = AddConfigOption(doctor);
    doctor->callback([this, options, path] {
      options->config_path = *path;
      chosen_ = [this, options] { return Doctor(*options, wiring_, console_); };
    });
  }

  // What the server starts for its plug-ins; nobody else has use for it.
  void AddAuthHost() {
    CLI::App* host =
        AddLeaf(&app_, "auth-host", "Runs a plug-in for the server that starts it", "");
    host->group("");  // Not in the help.
    auto command = std::make_shared<AuthHostCommand>();
    host->add_option("--shards", command->shards, "How many sockets there are beside the first")
        ->check(CLI::Range(1U, 4096U));
    host->add_option("PLUGIN", command->plugin, "The shared object")->required();
    const std::map<std::string, tenant::SandboxMode> modes = {
        {"on", tenant::SandboxMode::kOn},
        {"off", tenant::SandboxMode::kOff},
        {"required", tenant::SandboxMode::kRequired}};
    host->add_option("--sandbox", command->sandbox, "As server.sandbox")
        ->transform(CLI::CheckedTransformer(modes));
    host->add_option("--read", command->reads, "A file or folder that it may read; several times")
        ->allow_extra_args(false);
    host->callback(
        [this, command] { chosen_ = [this, command] { return wiring_.auth_host(*command); }; });
  }

  // What the build makes the man pages with.
  void AddManual() {
    CLI::App* manual = AddLeaf(&app_, "manual", "Writes the man pages into a folder", "");
    manual->group("");  // Not in the help.
    auto folder = std::make_shared<std::string>();
    manual->add_option("DIR", *folder, "The folder; made if it is not there")->required();
    manual->callback([this, folder] {
      chosen_ = [this, folder] {
        std::vector<ManualPage> pages = CommandPages(app_);
        pages.push_back(ConfigPage());
        const Status written = WriteManual(pages, *folder);
        return written.ok() ? ExitCode::kOk
                            : Fail(console_, ExitCode::kCannotCreate, Message(written));
      };
    });
  }

  void AddDeliver() {
    CLI::App* deliver = AddLeaf(
        &app_, "deliver", "Hands the message on standard input to the running server",
        "  poplar deliver alice@example.org < message.eml\n"
        "  poplar deliver --from bob@example.org alice@example.org carol@example.org < m.eml");
    auto options = std::make_shared<DeliverOptions>();
    deliver->add_option("ADDRESS", options->recipients, "Whom it is for")->required();
    deliver->add_option("--from", options->from, "The sender; left out: none, as bounces have it")
        ->type_name("ADDRESS");
    RunWithConfig(deliver, [this, options](const Config& config) {
      return Deliver(*options, config, console_);
    });
  }

  void AddSession() {
    CLI::App* group = Group("session", "Sessions of the running server");

    CLI::App* list = AddLeaf(group, "list", "Lists sessions",
                             "  poplar session list\n"
                             "  poplar session list --json | jq 'map(select(.idle_s > 300))'");
    auto list_options = std::make_shared<SessionListOptions>();
    list->add_option("--user", list_options->user, "Only this user's")->type_name("ADDRESS");
    list->add_flag("--json", list_options->json, "As JSON");
    RunWithConfig(list, [this, list_options](const Config& config) {
      return SessionList(*list_options, config, console_);
    });

    CLI::App* kick = AddLeaf(group, "kick", "Ends a session, or all of a user's or a tenant's",
                             "  poplar session kick 1914123456789504\n"
                             "  poplar session kick --user alice@example.org\n"
                             "  poplar session kick --tenant acme");
    auto kick_options = std::make_shared<SessionKickOptions>();
    CLI::App* which = kick->add_option_group("one of these");
    which->add_option("SESSION", kick_options->session, "An id, as `session list` shows it");
    which->add_option("--user", kick_options->user, "All of this user's")->type_name("ADDRESS");
    which
        ->add_option("--tenant", kick_options->tenant,
                     "All of this tenant's; who comes back has the settings of now")
        ->type_name("NAME");
    which->require_option(1);
    RunWithConfig(kick, [this, kick_options](const Config& config) {
      return SessionKick(*kick_options, config, console_);
    });
  }

  using JsonCommand = std::function<ExitCode(const Config&, bool, Console&)>;

  void AddJsonCommand(CLI::App* leaf, const JsonCommand& command) {
    auto json = std::make_shared<bool>(false);
    leaf->add_flag("--json", *json, "As JSON");
    RunWithConfig(leaf, [this, json, &command](const Config& config) {
      return command(config, *json, console_);
    });
  }

  void AddStore() {
    CLI::App* group = Group("store", "The store: look, check, back up, mend");
    AddJsonCommand(
        AddLeaf(group, "verify",
                "Reads everything and says what is damaged, while no server runs; changes "
                "nothing. Ends with 74 where something is",
                "  poplar store verify\n"
                "  poplar store verify --json | jq .damages"),
        wiring_.store.verify);
    AddJsonCommand(AddLeaf(group, "stats", "What the store holds, in numbers",
                           "  poplar store stats\n"
                           "  poplar store stats --json | jq .total.dead_share"),
                   wiring_.store.stats);
    AddJsonCommand(AddLeaf(group, "compact",
                           "Wins back all the space of deleted mail at once, while mail goes on",
                           "  poplar store compact"),
                   wiring_.store.compact);
    AddStoreDump(group);

    CLI::App* rebuild =
        AddLeaf(group, "rebuild-index",
                "Makes the index anew from the log, while no server runs; the old one "
                "is kept beside it",
                "  poplar store rebuild-index\n"
                "  poplar store rebuild-index --partition 3 --discard-old");
    auto request = std::make_shared<RebuildIndexRequest>();
    rebuild->add_option("--partition", request->partition, "Only this partition's")
        ->type_name("NUMBER");
    rebuild->add_flag("--discard-old", request->discard_old, "Remove the old one when it is done");
    rebuild->add_flag("--json", request->json, "As JSON");
    RunWithConfig(rebuild, [this, request](const Config& config) {
      return wiring_.store.rebuild_index(*request, config, console_);
    });

    RunWithConfig(AddLeaf(group, "upgrade", "Brings the store to this version's format",
                          "  poplar store upgrade"),
                  [this](const Config& config) { return wiring_.store.upgrade(config, console_); });

    CLI::App* snapshot =
        AddLeaf(group, "snapshot",
                "Makes a consistent copy in a new folder on the store's file system, "
                "while mail goes on. Ends with 74 where the store lacks files: if DIR is there, it "
                "is a copy of the rest",
                "  poplar store snapshot /srv/poplar/snapshots/monday");
    auto directory = std::make_shared<std::string>();
    snapshot->add_option("DIR", *directory, "The copy; it must not be there")->required();
    RunWithConfig(snapshot, [this, directory](const Config& config) {
      return wiring_.store.snapshot(*directory, config, console_);
    });
  }

  void AddStoreDump(CLI::App* store) {
    CLI::App* group = store->add_subcommand("dump", "What is on disk, as text");
    group->require_subcommand(1);
    CLI::App* segment = AddLeaf(group, "segment", "A log segment: head, batches, records",
                                "  poplar store dump segment 0000002a --partition 3\n"
                                "  poplar store dump segment /backup/p000/log/00000001.seg");
    auto request = std::make_shared<DumpSegmentRequest>();
    segment->add_option("SEGMENT", request->segment, "Its number as in the file's name, or a file")
        ->required();
    segment->add_option("--partition", request->partition, "Whose segment it is")
        ->type_name("NUMBER");
    segment->add_flag("--bodies", request->bodies, "Show the messages too");
    RunWithConfig(segment, [this, request](const Config& config) {
      return wiring_.store.dump_segment(*request, config, console_);
    });

    CLI::App* maildrop =
        AddLeaf(group, "maildrop", "What the index has of a maildrop, while no server runs",
                "  poplar store dump maildrop alice@example.org\n"
                "  poplar store dump maildrop 1/3f0c55e19a");
    auto which = std::make_shared<std::string>();
    maildrop->add_option("ADDRESS|TENANT/ACCOUNT", *which, "Whose")->required();
    RunWithConfig(maildrop, [this, which](const Config& config) {
      return wiring_.store.dump_maildrop(*which, config, console_);
    });
  }

  // "poplar user add": as far as the command line was understood.
  std::string Named() const {
    std::string name = "poplar";
    const CLI::App* app = &app_;
    while (!app->get_subcommands().empty()) {
      app = app->get_subcommands().front();
      name += " " + app->get_name();
    }
    return name;
  }

  const Wiring& wiring_;
  Console& console_;
  CLI::App app_{"Poplar keeps mail for POP3: it takes messages by LMTP and gives them by POP3.",
                "poplar"};
  std::function<ExitCode()> chosen_;
};

}  // namespace

ExitCode RunCli(int argc, const char* const* argv, const Wiring& wiring, Console& console) {
  const ExitCode code = CommandLine(wiring, console).Run(argc, argv);
  console.out.flush();
  if (code == ExitCode::kOk && !console.out)
    return Fail(console, ExitCode::kIoError, "standard output could not be written");
  return code;
}

}  // namespace poplar::app
