#include "core/proto/lmtp/trace_header.h"

#include <gtest/gtest.h>

namespace poplar::lmtp {
namespace {

TEST(TraceHeader, ReturnPathAndReceived) {
  Trace trace{.sender = "a@b",
              .client_name = "mx.example",
              .peer = "[192.0.2.1]",
              .hostname = "pop.example",
              .id = "s1-1",
              .smtputf8 = false,
              .wall_us = 1'709'210'096'000'000};
  EXPECT_EQ(TraceHeader(trace),
            "Return-Path: <a@b>\r\n"
            "Received: from mx.example ([192.0.2.1])\r\n"
            "\tby pop.example (Poplar) with LMTP id s1-1;\r\n"
            "\tThu, 29 Feb 2024 12:34:56 +0000\r\n");
  trace.sender = "";
  trace.smtputf8 = true;
  EXPECT_TRUE(TraceHeader(trace).starts_with("Return-Path: <>\r\n"));
  EXPECT_NE(TraceHeader(trace).find(" with UTF8LMTP id "), std::string::npos);
}

TEST(TraceHeader, NoFieldCanAddALine) {
  const std::string header = TraceHeader({.sender = "a\r\nX: 1@b",
                                          .client_name = "x\nEvil: 1",
                                          .peer = "\r\n\r\n",
                                          .hostname = "h\r",
                                          .id = std::string_view("\0", 1)});
  EXPECT_EQ(header,
            "Return-Path: <a??X: 1@b>\r\n"
            "Received: from x?Evil: 1 (?\?\?\?)\r\n"
            "\tby h? (Poplar) with LMTP id ?;\r\n"
            "\tThu, 01 Jan 1970 00:00:00 +0000\r\n");
}

TEST(MailDate, Dates) {
  EXPECT_EQ(MailDate(0), "Thu, 01 Jan 1970 00:00:00 +0000");
  EXPECT_EQ(MailDate(951'782'400'000'000), "Tue, 29 Feb 2000 00:00:00 +0000");
  EXPECT_EQ(MailDate(1'735'689'599'999'999), "Tue, 31 Dec 2024 23:59:59 +0000");
  EXPECT_EQ(MailDate(-1), "Wed, 31 Dec 1969 23:59:59 +0000");
}

}  // namespace
}  // namespace poplar::lmtp
