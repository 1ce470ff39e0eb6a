#include "core/app/doctor/findings.h"

#include <algorithm>
#include <array>

#include "core/base/log_line.h"

namespace poplar::app {
namespace {

constexpr std::string_view kOnOurSide =
    "There is a fault on our side, and we are seeing to it. Nothing has to be changed in your mail "
    "program, and mail that comes in meanwhile is kept.";

std::string Padded(std::string_view text, size_t width) {
  return std::string(text) + std::string(width - std::min(width, text.size()), ' ');
}

std::string Counted(size_t count, std::string_view what) {
  return std::to_string(count) + " " + std::string(what) + (count == 1 ? "" : "s");
}

}  // namespace

std::string_view Name(Health health) {
  constexpr std::array<std::string_view, 4> kNames = {"ok", "note", "fault", "skipped"};
  return kNames.at(static_cast<size_t>(health));
}

std::string_view Name(Mover mover) {
  constexpr std::array<std::string_view, 4> kNames = {"nobody", "operator", "directory",
                                                      "customer"};
  return kNames.at(static_cast<size_t>(mover));
}

void Findings::Add(Finding finding) {
  for (std::string* text : {&finding.says, &finding.mend, &finding.to_customer}) {
    *text = base::Printable(*text);
  }
  list_.push_back(std::move(finding));
}

void Findings::OurFault(std::string step, std::string says, std::string mend, ExitCode code) {
  Add({.step = std::move(step),
       .health = Health::kFault,
       .says = std::move(says),
       .mover = Mover::kOperator,
       .mend = std::move(mend),
       .to_customer = std::string(kOnOurSide),
       .code = code});
}

ExitCode Findings::code() const {
  for (const Finding& finding : list_) {
    if (finding.health == Health::kFault) return finding.code;
  }
  return ExitCode::kOk;
}

std::vector<std::string> Findings::ToCustomer() const {
  const bool faults = code() != ExitCode::kOk;
  std::vector<std::string> texts;
  for (const Finding& finding : list_) {
    if (finding.to_customer.empty() || (faults && finding.health != Health::kFault)) continue;
    if (std::ranges::find(texts, finding.to_customer) != texts.end()) continue;
    texts.push_back(finding.to_customer);
  }
  return texts;
}

void Findings::Print(std::ostream& out, bool about_a_customer) const {
  size_t widest = 0;
  for (const Finding& finding : list_) widest = std::max(widest, finding.step.size());
  constexpr size_t kHealthWidth = 7;
  size_t faults = 0;
  for (const Finding& finding : list_) {
    out << Padded(Name(finding.health), kHealthWidth) << "  " << Padded(finding.step, widest)
        << "  " << finding.says << '\n';
    if (finding.health == Health::kFault) ++faults;
    if (finding.mend.empty() && finding.mover == Mover::kNobody) continue;
    out << std::string(kHealthWidth + 2, ' ')
        << (finding.mover == Mover::kNobody ? "to do"
                                            : "the " + std::string(Name(finding.mover)) + "'s move")
        << (finding.mend.empty() ? "" : ": " + finding.mend) << '\n';
  }
  out << '\n'
      << (faults == 0 ? "Nothing is wrong that can be seen from here."
                      : Counted(faults, "fault") + ".")
      << '\n';
  if (!about_a_customer) return;
  const std::vector<std::string> texts = ToCustomer();
  if (texts.empty()) return;
  out << "\nTo the customer:\n";
  for (const std::string& text : texts) out << "  " << text << '\n';
}

nlohmann::json Findings::ToJson() const {
  nlohmann::json list = nlohmann::json::array();
  for (const Finding& finding : list_) {
    list.push_back({{"step", finding.step},
                    {"health", Name(finding.health)},
                    {"says", finding.says},
                    {"whose_move", Name(finding.mover)},
                    {"mend", finding.mend},
                    {"to_customer", finding.to_customer}});
  }
  return {{"findings", std::move(list)},
          {"ok", code() == ExitCode::kOk},
          {"to_customer", ToCustomer()}};
}

}  // namespace poplar::app
