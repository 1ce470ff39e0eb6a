// The lines that final delivery puts in front of a message (RFC 5321 §4.4). Pure.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace poplar::lmtp {

struct Trace {
  std::string_view sender;       // As Path::address; empty for the null sender.
  std::string_view client_name;  // What LHLO said, or XCLIENT's HELO.
  std::string_view peer;  // Where it came from: `[192.0.2.1]`, `a.example [192.0.2.1]`, `local`.
  std::string_view hostname;  // Ours.
  std::string_view id;        // What logs call the transaction.
  bool smtputf8 = false;
  int64_t wall_us = 0;
};

// `Return-Path` and `Received`, each ended by CRLF, no empty line. The same for all recipients, so
// without `for`. Control bytes, which none of the fields may hold, would become `?`, so that no
// field can add a line.
std::string TraceHeader(const Trace& trace);

// RFC 5322 §3.3 in UTC: "Thu, 29 Feb 2024 12:34:56 +0000".
std::string MailDate(int64_t wall_us);

}  // namespace poplar::lmtp
