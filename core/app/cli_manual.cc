#include "core/app/cli_manual.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "core/app/roff.h"
#include "core/app/version.h"
#include "core/tenant/settings.h"

namespace poplar::app {
namespace {

constexpr std::string_view kExamplesHead = "Examples:\n";

// What a footer holds: examples, and what is said after them.
struct Footer {
  std::string examples;
  std::string rest;
};

Footer FooterOf(const CLI::App& app) {
  std::string text = app.get_footer();
  while (text.ends_with('\n')) text.pop_back();
  if (!text.starts_with(kExamplesHead)) return {};
  text.erase(0, kExamplesHead.size());
  const size_t end = text.find("\n\n");
  if (end == std::string::npos) return {.examples = text, .rest = {}};
  return {.examples = text.substr(0, end), .rest = text.substr(end + 2)};
}

// In the order of the help; options of groups ("one of these") among them.
std::vector<const CLI::Option*> OptionsOf(const CLI::App& app) {
  std::vector<const CLI::Option*> options = app.get_options([&app](const CLI::Option* option) {
    return !app.get_name().empty() || option != app.get_help_ptr();
  });
  for (const CLI::App* group : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!group->get_name().empty()) continue;
    const std::vector<const CLI::Option*> more = OptionsOf(*group);
    options.insert(options.end(), more.begin(), more.end());
  }
  std::erase_if(options, [](const CLI::Option* option) { return option->get_group().empty(); });
  return options;
}

std::vector<const CLI::App*> CommandsOf(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) {
    return !command->get_name().empty() && !command->get_group().empty();
  });
}

// What stands for the value: "FILE"; what a check adds after a colon is left out.
std::string ValueOf(const CLI::Option& option) {
  if (option.get_type_size() == 0) return {};
  const std::string type = option.get_type_name();
  return type.substr(0, type.find(':'));
}

std::string Synopsis(const CLI::App& app, const std::string& name) {
  std::string text = roff::Bold(name);
  if (!CommandsOf(app).empty()) return text + " " + roff::Italic("COMMAND") + " [OPTION]...";
  std::string operands;
  for (const CLI::Option* option : OptionsOf(app)) {
    if (!option->get_positional()) continue;
    std::string operand = roff::Italic(option->get_name(/*positional=*/true));
    if (option->get_items_expected_max() > 1) operand += "...";
    operands += option->get_required() ? " " + operand : " [" + operand + "]";
  }
  return text + " [OPTION]..." + operands;
}

std::string OptionText(const CLI::Option& option) {
  std::string name;
  const auto add = [&](const std::string& text) {
    name += (name.empty() ? "" : ", ") + roff::Bold(text);
  };
  if (option.get_positional()) {
    name = roff::Italic(option.get_name(/*positional=*/true));
  } else {
    for (const std::string& letter : option.get_snames()) add("-" + letter);
    for (const std::string& word : option.get_lnames()) add("--" + word);
    if (const std::string value = ValueOf(option); !value.empty()) {
      name += " " + roff::Italic(value);
    }
  }
  std::string says = option.get_description();
  if (!says.ends_with('.')) says += '.';
  const std::string& fallback = option.get_default_str();
  const std::string& variable = option.get_envname();
  if (!variable.empty()) {
    says += " Left out: $" + variable + ", where it is set, else " + fallback + ".";
  } else if (!fallback.empty()) {
    says += " Left out: " + fallback + ".";
  }
  return roff::Item(name, says);
}

std::string OptionsText(const CLI::App& app) {
  std::string text;
  for (const CLI::Option* option : OptionsOf(app)) text += OptionText(*option);
  return text;
}

// The leaves of a group, each with all that its help says.
std::string LeavesText(const CLI::App& group, const std::string& name) {
  std::string text;
  for (const CLI::App* command : CommandsOf(group)) {
    const std::string full_name = name + " " + command->get_name();
    if (!CommandsOf(*command).empty()) {
      text += LeavesText(*command, full_name);
      continue;
    }
    text += ".SS " + Synopsis(*command, full_name) + "\n";
    text += roff::Paragraph(command->get_description() + ".");
    text += OptionsText(*command);
    const std::string examples = FooterOf(*command).examples;
    if (!examples.empty()) text += roff::Paragraph("Examples:") + roff::Literal(examples);
  }
  return text;
}

std::string Head(const std::string& name, const std::string& section, const std::string& does) {
  return roff::Title(name, section, "Poplar " + std::string(Version())) + roff::Section("NAME") +
         roff::Text(name) + " \\- " + roff::Text(does) + "\n";
}

// The first sentence, as NAME wants it.
std::string ShortOf(std::string text) {
  constexpr std::string_view kSelf = "Poplar ";
  if (text.starts_with(kSelf)) text.erase(0, kSelf.size());
  text = text.substr(0, text.find(". "));
  if (text.ends_with('.')) text.pop_back();
  return text;
}

ManualPage PageOf(const CLI::App& app, const std::string& name, const std::string& page_name) {
  const Footer footer = FooterOf(app);
  std::string text = Head(page_name, "1", ShortOf(app.get_description()));
  text += roff::Section("SYNOPSIS") + Synopsis(app, name) + "\n";
  std::string description = app.get_description();
  if (!description.ends_with('.')) description += '.';
  text += roff::Section("DESCRIPTION") + roff::Paragraph(description);
  const bool is_group = !CommandsOf(app).empty();
  const bool is_root = app.get_parent() == nullptr;
  if (is_root) {
    text += roff::Section("COMMANDS");
    for (const CLI::App* command : CommandsOf(app)) {
      text += roff::Item(roff::Bold("poplar-" + command->get_name()) + "(1)",
                         command->get_description() + ".");
    }
  } else if (is_group) {
    text += roff::Section("COMMANDS") + LeavesText(app, name);
  }
  if (!is_group || is_root) text += roff::Section("OPTIONS") + OptionsText(app);
  if (!footer.examples.empty()) text += roff::Section("EXAMPLES") + roff::Literal(footer.examples);
  if (!footer.rest.empty()) text += roff::Section("EXIT STATUS") + roff::Paragraph(footer.rest);
  text += roff::Section("SEE ALSO") + (is_root ? "" : roff::Bold("poplar") + "(1), ") +
          roff::Bold("poplar.toml") + "(5)\n";
  return {page_name + ".1", text};
}

std::string SettingItem(const tenant::Setting& setting) {
  const bool reloads = setting.takes == tenant::Takes::kReload;
  return roff::Item(
      roff::Bold(std::string(setting.key) + " = " + tenant::ValueText(setting, tenant::Config())),
      std::string(setting.explanation) + (reloads ? "" : " Read at the start only."));
}

}  // namespace

std::vector<ManualPage> CommandPages(const CLI::App& app) {
  std::vector<ManualPage> pages = {PageOf(app, app.get_name(), app.get_name())};
  for (const CLI::App* command : CommandsOf(app)) {
    pages.push_back(PageOf(*command, app.get_name() + " " + command->get_name(),
                           app.get_name() + "-" + command->get_name()));
  }
  return pages;
}

ManualPage ConfigPage() {
  std::string text = Head("poplar.toml", "5", "configuration of the mail store server Poplar");
  text += roff::Section("DESCRIPTION");
  text += roff::Paragraph(
      "The file is TOML. Below are all settings with the values that hold where the file does not "
      "have them. Paths are relative to the file's folder. `poplar check` says what is wrong with "
      "it; `poplar init` writes one with comments.");
  for (const tenant::Section& section : tenant::Sections()) {
    text += roff::Section("[" + std::string(section.name) + "]");
    text += roff::Paragraph(std::string(section.explanation));
    for (const tenant::Setting& setting : tenant::Settings()) {
      if (setting.section == section.name) text += SettingItem(setting);
    }
  }
  text += roff::Section("SEE ALSO") + roff::Bold("poplar") + "(1), " + roff::Bold("poplar-check") +
          "(1), " + roff::Bold("poplar-serve") + "(1)\n";
  return {"poplar.toml.5", text};
}

Status WriteManual(const std::vector<ManualPage>& pages, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return ErrnoStatus(error.value(), "cannot make the folder " + folder);
  for (const ManualPage& page : pages) {
    const std::string path = folder + "/" + page.name;
    std::ofstream file(path, std::ios::trunc);
    file << page.text;
    if (!file.flush()) return ErrnoStatus(errno, "cannot write " + path);
  }
  return OkStatus();
}

}  // namespace poplar::app
