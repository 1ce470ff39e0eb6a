#include "core/app/transfer/report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace poplar::app {
namespace {

using nlohmann::json;

uint64_t KeptOf(const MailboxReport& report) {
  return report.uidls[static_cast<size_t>(UidlFate::kKept)];
}

uint64_t NewUidlsOf(const MailboxReport& report) {
  return report.messages - report.left_out - KeptOf(report);
}

std::string Count(uint64_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

// "3 that the old server's list does not name, 1 twice in the mailbox".
std::string LostUidls(const MailboxReport& report) {
  constexpr std::array<std::string_view, kUidlFates> kWhy = {
      "", "of which the old one is not known", "of which another message has the same",
      "longer than 70 octets", "with octets that no UIDL may have"};
  std::string text;
  for (size_t fate = 1; fate < kUidlFates; ++fate) {
    if (report.uidls[fate] == 0) continue;
    if (!text.empty()) text += ", ";
    text += std::to_string(report.uidls[fate]) + " " + std::string(kWhy[fate]);
  }
  return text;
}

void PrintLeftOut(const MailboxReport& report, std::ostream& out) {
  if (report.left_out == 0) return;
  out << ", " << report.left_out << " left out, of which the old UIDL is not known yet";
}

void PrintCounts(const MailboxReport& report, ReportKind kind, std::ostream& out) {
  out << Count(report.messages, "message");
  const std::string lost = LostUidls(report);
  if (kind == ReportKind::kDryRun) {
    out << ", " << KeptOf(report) << " will keep their UIDLs";
    if (!lost.empty()) out << ", " << NewUidlsOf(report) << " will not: " << lost;
    PrintLeftOut(report, out);
    out << '\n';
    return;
  }
  out << ": " << report.moved << (kind == ReportKind::kImport ? " imported" : " exported") << ", "
      << report.already_there << " there before";
  if (report.other_uidl > 0) {
    out << " (" << report.other_uidl << " under another UIDL than on the old server)";
  }
  if (report.damaged_here > 0) {
    out << ", " << report.damaged_here << (report.damaged_here == 1 ? " is" : " are")
        << " damaged here and stay" << (report.damaged_here == 1 ? "s" : "") << " there";
  }
  if (report.failed > 0) out << ", " << report.failed << " failed";
  PrintLeftOut(report, out);
  if (kind == ReportKind::kImport && !lost.empty()) out << "; new UIDLs: " << lost;
  out << '\n';
}

void PrintDetails(const std::vector<std::string>& details, uint64_t count, std::ostream& out,
                  std::string_view label = "") {
  const size_t named = std::min(details.size(), kDetailsMax);
  for (size_t i = 0; i < named; ++i) out << "  " << label << details[i] << '\n';
  if (count > named) out << "  and " << count - named << " more\n";
}

void PrintComparison(const Comparison& comparison, std::ostream& out) {
  out << "  compared: " << comparison.identical << " of " << comparison.theirs << " identical";
  if (comparison.line_ends > 0) out << ", " << comparison.line_ends << " but for a last line end";
  if (comparison.other_size > 0) out << ", " << comparison.other_size << " of another size";
  if (!comparison.same_order) out << ", in another order";
  if (comparison.only_here > 0) out << "; " << comparison.only_here << " only here";
  out << '\n';
  const uint64_t found = comparison.identical + comparison.line_ends + comparison.other_size;
  const uint64_t missing = comparison.theirs - found;
  if (missing == 0) return;  // What is only here is new, or of nobody's concern.
  PrintDetails(comparison.missing, missing, out, "missing: ");
  PrintDetails(comparison.only_here_uidls, comparison.only_here, out, "only here: ");
}

json ToJson(const MailboxReport& report) {
  json uidls = json::object();
  for (size_t fate = 0; fate < kUidlFates; ++fate) {
    uidls[std::string(Name(static_cast<UidlFate>(fate)))] = report.uidls[fate];
  }
  json made = {{"address", report.address},
               {"place", report.place},
               {"messages", report.messages},
               {"moved", report.moved},
               {"already_there", report.already_there},
               {"other_uidl", report.other_uidl},
               {"left_out", report.left_out},
               {"failed", report.failed},
               {"damaged_here", report.damaged_here},
               {"bytes", report.bytes},
               {"uidls", uidls},
               {"failures", report.failures},
               {"damaged", report.damaged},
               {"new_uidls", report.new_uidls},
               {"other_uidls", report.other_uidls},
               {"kept_uidls", report.kept_uidls},
               {"notes", report.notes},
               {"complete", report.status.ok()},
               {"error", std::string(Message(report.status))}};
  if (report.comparison.has_value()) {
    const Comparison& comparison = *report.comparison;
    made["comparison"] = {
        {"theirs", comparison.theirs},         {"identical", comparison.identical},
        {"line_ends", comparison.line_ends},   {"other_size", comparison.other_size},
        {"same_order", comparison.same_order}, {"only_here", comparison.only_here},
        {"missing", comparison.missing},       {"only_here_uidls", comparison.only_here_uidls}};
  }
  return made;
}

MailboxReport SumOf(const std::vector<MailboxReport>& reports) {
  MailboxReport sum;
  for (const MailboxReport& report : reports) {
    sum.messages += report.messages;
    sum.moved += report.moved;
    sum.already_there += report.already_there;
    sum.other_uidl += report.other_uidl;
    sum.left_out += report.left_out;
    sum.failed += report.failed;
    sum.damaged_here += report.damaged_here;
    sum.bytes += report.bytes;
    for (size_t fate = 0; fate < kUidlFates; ++fate) sum.uidls[fate] += report.uidls[fate];
  }
  return sum;
}

void KeepFirst(std::vector<std::string>& details) {
  if (details.size() <= kDetailsMax) return;
  details.resize(kDetailsMax);
  details.shrink_to_fit();
}

}  // namespace

void MailboxReport::ForgetDetails() {
  for (auto* details : {&failures, &damaged, &new_uidls, &other_uidls}) KeepFirst(*details);
  kept_uidls = {};
  if (!comparison.has_value()) return;
  KeepFirst(comparison->missing);
  KeepFirst(comparison->only_here_uidls);
}

void PrintReport(const MailboxReport& report, ReportKind kind, std::ostream& out) {
  out << report.address << ": ";
  PrintCounts(report, kind, out);
  for (const std::string& note : report.notes) out << "  note: " << note << '\n';
  PrintDetails(report.failures, report.failed, out);
  PrintDetails(report.damaged, report.damaged_here, out);
  PrintDetails(report.other_uidls, report.other_uidl, out);
  if (kind == ReportKind::kDryRun) {
    PrintDetails(report.new_uidls, NewUidlsOf(report), out);
  }
  if (report.comparison.has_value()) PrintComparison(*report.comparison, out);
}

void PrintSum(const std::vector<MailboxReport>& reports, ReportKind kind, std::ostream& out) {
  const auto incomplete = std::count_if(reports.begin(), reports.end(),
                                        [](const auto& report) { return !report.status.ok(); });
  out << Count(reports.size(), "maildrop") << ", ";
  PrintCounts(SumOf(reports), kind, out);
  if (incomplete > 0) {
    out << incomplete << " not complete; the same command again goes on where this one ended\n";
  }
}

json ReportsToJson(const std::vector<MailboxReport>& reports) {
  json mailboxes = json::array();
  for (const MailboxReport& report : reports) mailboxes.push_back(ToJson(report));
  const MailboxReport sum = SumOf(reports);
  return {{"mailboxes", mailboxes},
          {"messages", sum.messages},
          {"moved", sum.moved},
          {"already_there", sum.already_there},
          {"failed", sum.failed},
          {"bytes", sum.bytes},
          {"left_out", sum.left_out},
          {"other_uidl", sum.other_uidl},
          {"damaged_here", sum.damaged_here}};
}

}  // namespace poplar::app
