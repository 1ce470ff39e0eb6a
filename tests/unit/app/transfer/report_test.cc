#include "core/app/transfer/report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace poplar::app {
namespace {

MailboxReport Example() {
  MailboxReport report;
  report.address = "alice@a.example";
  report.messages = 210;
  report.moved = 199;
  report.already_there = 1;
  report.uidls = {205, 3, 1, 0, 1};
  report.notes = {"a note"};
  for (int i = 0; i < 105; ++i) report.AddFailure("message " + std::to_string(i) + ": broken");
  report.new_uidls = {"message 7: UIDL duplicate, it gets x"};
  return report;
}

std::string Printed(const MailboxReport& report, ReportKind kind) {
  std::ostringstream out;
  PrintReport(report, kind, out);
  return out.str();
}

TEST(PrintReport, AnImport) {
  const std::string text = Printed(Example(), ReportKind::kImport);
  EXPECT_TRUE(text.starts_with(
      "alice@a.example: 210 messages: 199 imported, 1 there before, 105 failed; new UIDLs: 3 of "
      "which the old one is not known, 1 of which another message has the same, 1 with octets that "
      "no UIDL may have\n  note: a note\n  message 0: broken\n"))
      << text;
  EXPECT_TRUE(text.ends_with("  message 99: broken\n  and 5 more\n")) << text;
}

TEST(PrintReport, WhatIsDamagedHere) {
  MailboxReport report;
  report.address = "a@b";
  report.messages = report.already_there = 3;
  report.uidls = {3};
  report.AddDamaged("message 2: not deleted there: damaged");
  EXPECT_EQ(Printed(report, ReportKind::kImport),
            "a@b: 3 messages: 0 imported, 3 there before, 1 is damaged here and stays there\n"
            "  message 2: not deleted there: damaged\n");
  EXPECT_EQ(ReportsToJson({report})["damaged_here"], 1);
  EXPECT_EQ(ReportsToJson({report})["mailboxes"][0]["damaged"].size(), 1U);
}

TEST(PrintReport, WhatIsHereUnderAnotherUidlAndWhatIsLeftOut) {
  MailboxReport report;
  report.address = "a@b";
  report.messages = 107;
  report.already_there = 105;
  report.left_out = 2;
  report.uidls = {};
  for (int i = 0; i < 101; ++i) report.AddOtherUidl("file: here its UIDL is x, there y");
  const std::string text = Printed(report, ReportKind::kImport);
  EXPECT_TRUE(text.starts_with(
      "a@b: 107 messages: 0 imported, 105 there before (101 under another UIDL than on the old "
      "server), 2 left out, of which the old UIDL is not known yet\n"
      "  file: here its UIDL is x, there y\n"))
      << text;
  EXPECT_TRUE(text.ends_with("there y\n  and 1 more\n")) << text;
  report.uidls = {105};
  EXPECT_TRUE(Printed(report, ReportKind::kDryRun)
                  .starts_with("a@b: 107 messages, 105 will keep their UIDLs, 2 left out, of which "
                               "the old UIDL is not known yet\n"));
  const nlohmann::json json = ReportsToJson({report});
  EXPECT_EQ(json["other_uidl"], 101);
  EXPECT_EQ(json["mailboxes"][0]["left_out"], 2);
  EXPECT_EQ(json["mailboxes"][0]["other_uidls"].size(), 101U);
}

TEST(PrintReport, ADryRun) {
  MailboxReport report = Example();
  report.failed = 0;
  report.failures.clear();
  EXPECT_EQ(
      Printed(report, ReportKind::kDryRun),
      "alice@a.example: 210 messages, 205 will keep their UIDLs, 5 will not: 3 of which the "
      "old one is not known, 1 of which another message has the same, 1 with octets that no "
      "UIDL may have\n  note: a note\n  message 7: UIDL duplicate, it gets x\n  and 4 more\n");
}

TEST(PrintReport, AComparison) {
  MailboxReport report;
  report.address = "a@b";
  report.messages = 1;
  report.comparison = Comparison{.theirs = 6,
                                 .identical = 2,
                                 .line_ends = 1,
                                 .other_size = 1,
                                 .same_order = false,
                                 .only_here = 3,
                                 .missing = {"u1"},
                                 .only_here_uidls = {"v1", "v2", "v3"}};
  EXPECT_EQ(Printed(report, ReportKind::kExport),
            "a@b: 1 message: 0 exported, 0 there before\n"
            "  compared: 2 of 6 identical, 1 but for a last line end, 1 of another size, in "
            "another order; 3 only here\n"
            "  missing: u1\n  and 1 more\n  only here: v1\n  only here: v2\n  only here: v3\n");
  // Where nothing is missing, what is only here came since.
  report.comparison->theirs = 4;
  EXPECT_TRUE(Printed(report, ReportKind::kExport).ends_with("; 3 only here\n"));
}

TEST(Reports, JsonNamesAllMessagesAndAText100) {
  MailboxReport report;
  report.messages = 250;
  report.uidls = {120, 130};
  report.comparison.emplace();
  report.comparison->theirs = 101;
  report.comparison->only_here = 102;
  const auto fill = [](std::vector<std::string>& details, size_t count) {
    for (size_t i = 0; i < count; ++i) details.push_back("u" + std::to_string(i));
  };
  fill(report.new_uidls, 130);
  fill(report.kept_uidls, 120);
  fill(report.comparison->missing, 101);
  fill(report.comparison->only_here_uidls, 102);
  const nlohmann::json all = ReportsToJson({report})["mailboxes"][0];
  EXPECT_EQ(all["new_uidls"].size(), 130U);
  EXPECT_EQ(all["kept_uidls"].size(), 120U);
  EXPECT_EQ(all["kept_uidls"][119], "u119");
  EXPECT_EQ(all["comparison"]["missing"].size(), 101U);
  EXPECT_EQ(all["comparison"]["only_here_uidls"].size(), 102U);
  const std::string text = Printed(report, ReportKind::kDryRun);
  EXPECT_NE(text.find("  u99\n  and 30 more\n"), std::string::npos) << text;
  EXPECT_NE(text.find("  missing: u99\n  and 1 more\n"), std::string::npos) << text;
  EXPECT_NE(text.find("  only here: u99\n  and 2 more\n"), std::string::npos) << text;
  report.ForgetDetails();
  EXPECT_EQ(Printed(report, ReportKind::kDryRun), text);
  EXPECT_EQ(report.new_uidls.size(), 100U);
}

TEST(Reports, TheSum) {
  MailboxReport broken;
  broken.status = MakeStatus(StatusCode::kUnavailable, "later");
  const std::vector<MailboxReport> reports = {Example(), std::move(broken)};
  std::ostringstream out;
  PrintSum(reports, ReportKind::kExport, out);
  EXPECT_EQ(out.str(),
            "2 maildrops, 210 messages: 199 exported, 1 there before, 105 failed\n"
            "1 not complete; the same command again goes on where this one ended\n");
  const nlohmann::json json = ReportsToJson(reports);
  EXPECT_EQ(json["moved"], 199);
  EXPECT_EQ(json["mailboxes"][0]["uidls"]["duplicate"], 1);
  EXPECT_EQ(json["mailboxes"][0]["failures"].size(), 105U);
  EXPECT_EQ(json["mailboxes"][1]["complete"], false);
  EXPECT_EQ(json["mailboxes"][1]["error"], "later");
}

}  // namespace
}  // namespace poplar::app
