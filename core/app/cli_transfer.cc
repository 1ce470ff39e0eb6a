#include "core/app/cli_transfer.h"

#include <memory>
#include <string>
#include <utility>

#include "core/app/commands/export.h"
#include "core/app/commands/import.h"

namespace poplar::app {
namespace {

constexpr const char* kUidlHelp =
    "Where the old UIDLs stand: auto (dovecot-uidlist or courierpop3dsizelist), dovecot, courier, "
    "filename, or header (X-UIDL, else as auto)";

// Which mailboxes: one, or those of a list, or (`tree`) those that a pattern finds.
void AddWhich(CLI::App* leaf, TransferOptions& what, const char* address, CLI::Option* place,
              bool tree) {
  CLI::App* which = leaf->add_option_group("one of these");
  which->add_option(address, what.address, "Whose maildrop here")
      ->type_name("ADDRESS")
      ->needs(place);
  which->add_option("--map", what.map_file, "Many: lines of address, TAB, path or login there")
      ->type_name("FILE")
      ->excludes(place);
  if (tree) {
    which->add_option("--tree", what.tree, "Many: every path like /var/vmail/%d/%u/Maildir")
        ->type_name("PATTERN")
        ->excludes(place);
  }
  which->require_option(1);
  leaf->add_option("--jobs", what.jobs, "Maildrops at a time; 0: two for each core")
      ->check(CLI::Range(0, 256));
  leaf->add_flag("--json", what.json,
                 "The report as JSON, which names all messages that it tells of");
  leaf->add_flag("--quiet", what.quiet, "Only the sum");
}

void AddOtherServer(CLI::App* leaf, OtherServerOptions& other) {
  CLI::Option* from_stdin =
      leaf->add_flag("--password-stdin", other.password_stdin,
                     "Read the password there from the first line of standard input");
  leaf->add_option("--passwords", other.passwords_file, "Lines of login there, TAB, password")
      ->type_name("FILE")
      ->excludes(from_stdin);
  CLI::Option* ca = leaf->add_option("--ca", other.trust.ca_file, "Who vouches for it (PEM)");
  ca->type_name("FILE");
  leaf->add_flag("--insecure", other.trust.insecure, "Trust any certificate")->excludes(ca);
  leaf->add_flag("--cleartext", other.allow_cleartext, "Log in there even without TLS");
}

void AddCompare(CLI::App* leaf, OtherServerOptions& other) {
  CLI::Option* url = leaf->add_option("--compare", other.url,
                                      "Compares the result with the old server over POP3: "
                                      "pop3s://HOST[:PORT] or pop3://HOST[:PORT]");
  url->type_name("URL");
  leaf->add_option("--old-user", other.user, "The login there; left out: the address")
      ->type_name("NAME")
      ->needs(url);
  AddOtherServer(leaf, other);
}

CLI::App* AddPop3Leaf(CLI::App* group, ImportCommandOptions& options) {
  CLI::App* leaf = group->add_subcommand("pop3", "Moves maildrops from another POP3 server");
  leaf->footer(
      "Examples:\n"
      "  poplar import pop3 pop3s://old.example --user alice --to alice@example.org\n"
      "  poplar import pop3 pop3s://old.example --map logins --passwords passwords");
  leaf->add_option("URL", options.other.url, "pop3s://HOST[:PORT] or pop3://HOST[:PORT]")
      ->required();
  CLI::Option* login = leaf->add_option("--user", options.what.place, "The login there");
  AddWhich(leaf, options.what, "--to", login->type_name("NAME"), false);
  AddOtherServer(leaf, options.other);
  leaf->add_flag(
      "--delete", options.delete_there,
      "Delete there what is here, durably; what was here before is read first, and stays there if "
      "it is damaged here");
  return leaf;
}

// What the leaves for files differ in.
struct FileKind {
  ImportFrom from;
  const char* name;
  const char* does;
  const char* place;
  const char* example;
  const char* format_help;
};

constexpr FileKind kFileKinds[] = {
    {ImportFrom::kMaildir, "maildir", "Imports Maildirs of Dovecot, Courier and others", "DIR",
     "/var/vmail/%d/%u/Maildir", "Dovecot's setting of this name, as the old server had it"},
    {ImportFrom::kMbox, "mbox", "Imports mbox files", "FILE", "/var/vmail/%d/%u/mbox",
     "Dovecot's setting of this name, as the old server had it"},
    {ImportFrom::kCyrus, "cyrus", "Imports folders of Cyrus' spool", "DIR",
     "/var/spool/cyrus/domain/%d/user/%u",
     "The old uidl_format: cyrus is %v.%u, uidonly %u, courier %v-%u, dovecot %08Xu%08Xv"},
};

CLI::App* AddFileLeaf(CLI::App* group, const FileKind& kind, ImportCommandOptions& options) {
  options.from = kind.from;
  const std::string name = kind.name;
  CLI::App* leaf = group->add_subcommand(name, kind.does);
  leaf->footer("Examples:\n  poplar import " + name + " --user alice@example.org ./alice\n" +
               "  poplar import " + name + " --tree '" + kind.example + "' --dry-run\n" +
               "  poplar import " + name +
               " --map list --compare pop3s://old.example "
               "--passwords passwords");
  CLI::Option* place = leaf->add_option(kind.place, options.what.place, "Where the mail lies");
  AddWhich(leaf, options.what, "--user", place, true);
  if (kind.from == ImportFrom::kCyrus) {
    options.uidl_format = "%v.%u";
  } else {
    leaf->add_option("--uidl", options.uidl, kUidlHelp)->capture_default_str();
    leaf->add_flag("--known-uidls", options.known_uidls_only,
                   "Leave out messages that the old server has given no UIDL yet: for runs while "
                   "it is in use");
  }
  leaf->add_option("--pop3-uidl-format", options.uidl_format, kind.format_help)
      ->capture_default_str();
  if (kind.from == ImportFrom::kMbox) {
    leaf->add_flag("--mboxo", options.mboxo, "Quoted as `>From ` only");
  }
  AddCompare(leaf, options.other);
  return leaf;
}

}  // namespace

void AddTransferCommands(CLI::App& app, const Wiring& wiring, Console& console,
                         const RunWithConfigFunction& run_with_config) {
  CLI::App* imports = AddGroup(app, "import", "Brings maildrops here, with their UIDLs");
  const auto add_import = [&](const auto& add_leaf) {
    auto options = std::make_shared<ImportCommandOptions>();
    CLI::App* leaf = add_leaf(*options);
    CLI::Option* dry_run =
        leaf->add_flag("--dry-run", options->dry_run,
                       "Only say how many UIDLs will be the same, and which will not and why");
    // There is nothing yet that could be compared.
    if (CLI::Option* compare = leaf->get_option_no_throw("--compare")) dry_run->excludes(compare);
    run_with_config(leaf, [options, &wiring, &console](const tenant::Config& config) {
      return Import(*options, config, wiring, console);
    });
  };
  for (const FileKind& kind : kFileKinds) {
    add_import([&](ImportCommandOptions& options) { return AddFileLeaf(imports, kind, options); });
  }
  add_import([&](ImportCommandOptions& options) {
    options.from = ImportFrom::kPop3;
    return AddPop3Leaf(imports, options);
  });
  CLI::App* exports = AddGroup(app, "export", "Writes maildrops into files, with their UIDLs");
  for (const ExportFormat format : {ExportFormat::kMaildir, ExportFormat::kMbox}) {
    auto options = std::make_shared<ExportCommandOptions>();
    options->format = format;
    const bool is_maildir = format == ExportFormat::kMaildir;
    const std::string name = is_maildir ? "maildir" : "mbox";
    CLI::App* leaf = exports->add_subcommand(
        name, is_maildir ? "Into Maildirs with a dovecot-uidlist; completes what is there"
                         : "Into mbox files (mboxrd) with X-UIDL fields");
    leaf->footer("Examples:\n  poplar export " + name + " --user alice@example.org ./alice");
    CLI::Option* place =
        leaf->add_option(is_maildir ? "DIR" : "FILE", options->what.place, "Where it goes");
    AddWhich(leaf, options->what, "--user", place, false);
    if (is_maildir) {
      leaf->add_option("--pop3-uidl-format", options->uidl_format,
                       "Dovecot's setting of this name, where DIR is a Maildir that it has used")
          ->capture_default_str();
    }
    run_with_config(leaf, [options, &wiring, &console](const tenant::Config& config) {
      return Export(*options, config, wiring, console);
    });
  }
}

}  // namespace poplar::app
