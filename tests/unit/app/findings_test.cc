#include "core/app/doctor/findings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace poplar::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Finding Customers() {
  return {.step = "log-in",
          .health = Health::kFault,
          .says = "users refuses the password",
          .mover = Mover::kCustomer,
          .mend = "the right one",
          .to_customer = "Please type it again.",
          .code = ExitCode::kNoPermission};
}

std::string Text(const Findings& findings, bool about_a_customer = true) {
  std::ostringstream out;
  findings.Print(out, about_a_customer);
  return out.str();
}

TEST(Findings, WhereAllIsWellTheCustomerIsToldWhatIsTrueAnyway) {
  Findings findings;
  findings.Good("disk", "there is room");
  findings.Note("sessions", "another has it", "wait", "One device at a time.");
  findings.Skip("metrics", "off");
  EXPECT_EQ(findings.code(), ExitCode::kOk);
  EXPECT_EQ(Text(findings),
            "ok       disk      there is room\n"
            "note     sessions  another has it\n"
            "         to do: wait\n"
            "skipped  metrics   off\n\n"
            "Nothing is wrong that can be seen from here.\n\n"
            "To the customer:\n  One device at a time.\n");
  EXPECT_THAT(Text(findings, false), Not(HasSubstr("customer")));
}

TEST(Findings, TheFirstFaultSaysTheCodeAndFaultsAloneAreToldOf) {
  Findings findings;
  findings.Note("sessions", "another has it", "wait", "One device at a time.");
  findings.Add(Customers());
  findings.OurFault("disk", "full", "more disk");
  findings.OurFault("disk", "very full", "more disk");
  EXPECT_EQ(findings.code(), ExitCode::kNoPermission);
  const std::string text = Text(findings);
  EXPECT_THAT(text, HasSubstr("the customer's move: the right one\n"));
  EXPECT_THAT(text, HasSubstr("the operator's move: more disk\n"));
  EXPECT_THAT(text, HasSubstr("3 faults."));
  EXPECT_THAT(text,
              HasSubstr("To the customer:\n  Please type it again.\n  There is a fault on our "
                        "side"));
  EXPECT_THAT(text, Not(HasSubstr("One device")));
  const nlohmann::json shown = findings.ToJson();
  EXPECT_EQ(shown["ok"], false);
  EXPECT_EQ(shown["to_customer"].size(), 2U) << "each sentence once";
  EXPECT_EQ(shown["findings"][1]["whose_move"], "customer");
}

TEST(Findings, WhoseMoveItIsIsAlwaysSaid) {
  Findings findings;
  findings.OurFault("admin socket", "silent", "");
  EXPECT_THAT(Text(findings), HasSubstr("silent\n         the operator's move\n"));
}

TEST(Findings, WhatSomebodyTypedDoesNothingToATerminal) {
  Findings findings;
  findings.Add({.step = "address",
                .health = Health::kFault,
                .says = "\x1b[2J\xff is no address",
                .mover = Mover::kCustomer,
                .mend = "not \x1b[2J",
                .to_customer = "Not \x1b[2J.",
                .code = ExitCode::kDataError});
  EXPECT_THAT(Text(findings), Not(HasSubstr("\x1b")));
  EXPECT_THAT(Text(findings), HasSubstr("\\u001b[2J\\xff is no address"));
  EXPECT_THAT(findings.ToJson().dump(), HasSubstr("\\\\xff")) << "JSON has no other octets";
}

}  // namespace
}  // namespace poplar::app
