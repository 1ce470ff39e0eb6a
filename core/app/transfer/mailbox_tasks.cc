#include "core/app/transfer/mailbox_tasks.h"

#include <algorithm>
#include <filesystem>

namespace poplar::app {
namespace {

namespace fs = std::filesystem;

bool HasVariable(std::string_view text) {
  return text.find("%u") != std::string_view::npos || text.find("%d") != std::string_view::npos;
}

struct FoundFolder {
  std::string path;
  std::string user;
  std::string domain;
};

// Goes one component of the pattern deeper.
Status Deeper(std::string_view component, std::vector<FoundFolder>& found) {
  std::vector<FoundFolder> next;
  for (FoundFolder& each : found) {
    std::error_code error;
    if (!HasVariable(component)) {
      each.path += "/" + std::string(component);
      if (fs::exists(each.path, error)) next.push_back(std::move(each));
      continue;
    }
    const std::string folder = each.path.empty() ? "/" : each.path;
    if (!fs::is_directory(folder, error)) continue;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
      FoundFolder one = each;
      const std::string name = entry->path().filename().string();
      if (!MatchPattern(component, name, one.user, one.domain)) continue;
      one.path += "/" + name;
      next.push_back(std::move(one));
    }
    if (error) return ErrnoStatus(error.value(), folder);
  }
  found = std::move(next);
  return OkStatus();
}

}  // namespace

StatusOr<std::vector<std::pair<std::string, std::string>>> ParsePairs(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (size_t line_number = 1; !text.empty(); ++line_number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    const size_t tab = line.find('\t');
    if (tab == 0 || tab == std::string_view::npos || tab + 1 == line.size()) {
      return MakeStatus(
          StatusCode::kInvalidArgument,
          "line " + std::to_string(line_number) + ": write two columns with a TAB between them");
    }
    pairs.emplace_back(line.substr(0, tab), line.substr(tab + 1));
  }
  return pairs;
}

bool MatchPattern(std::string_view pattern, std::string_view name, std::string& user,
                  std::string& domain) {
  if (pattern.empty()) return name.empty();
  if (!pattern.starts_with("%u") && !pattern.starts_with("%d")) {
    return !name.empty() && pattern.front() == name.front() &&
           MatchPattern(pattern.substr(1), name.substr(1), user, domain);
  }
  std::string& variable = pattern[1] == 'u' ? user : domain;
  const std::string before = variable;
  for (size_t length = 1; length <= name.size(); ++length) {
    if (name[length - 1] == '@' || name[length - 1] == '/') break;
    variable = name.substr(0, length);
    if (!before.empty() && variable != before) continue;  // The same twice must be the same.
    if (MatchPattern(pattern.substr(2), name.substr(length), user, domain)) return true;
  }
  variable = before;
  return false;
}

StatusOr<std::vector<MailboxTask>> ExpandTree(std::string_view pattern) {
  if (pattern.find("%u") == std::string_view::npos ||
      pattern.find("%d") == std::string_view::npos) {
    return MakeStatus(StatusCode::kInvalidArgument, std::string(pattern) +
                                                        ": a pattern has %u and %d in it, like "
                                                        "/var/vmail/%d/%u/Maildir");
  }
  const std::string absolute = fs::absolute(std::string(pattern)).lexically_normal().string();
  std::string_view rest = absolute;
  const size_t found_from =
      absolute.rfind('/', std::min(absolute.find("%u"), absolute.find("%d"))) + 1;
  std::vector<FoundFolder> found(1);
  while (!rest.empty()) {
    const std::string_view component = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(component.size() + 1, rest.size()));
    if (!component.empty()) POP_RETURN_IF_ERROR(Deeper(component, found));
  }
  std::vector<MailboxTask> tasks;
  tasks.reserve(found.size());
  for (const FoundFolder& each : found) {
    tasks.push_back({each.user + "@" + each.domain, each.path, found_from});
  }
  std::sort(tasks.begin(), tasks.end(), [](const MailboxTask& a, const MailboxTask& b) {
    return a.address != b.address ? a.address < b.address : a.place < b.place;
  });
  return tasks;
}

}  // namespace poplar::app
