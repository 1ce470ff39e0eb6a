#include "core/proto/pop3/metrics.h"

#include <string>

namespace poplar::pop3 {

void SessionMetrics::CountEnd(EndReason reason) {
  switch (reason) {
    case EndReason::kIdle:
      return closed_idle.Add();
    case EndReason::kLoginTimeout:
      return closed_for_login_timeout.Add();
    case EndReason::kSessionAge:
      return closed_for_session_age.Add();
    case EndReason::kDrain:
    case EndReason::kKicked:
    case EndReason::kLeaseLost:
      return;
  }
}

void SessionMetrics::Register(base::MetricRegistry& registry) const {
  for (size_t i = 0; i < kVerbs; ++i) {
    registry.Add(commands[i], "poplar_pop3_commands_total", "POP3 commands received, by verb.",
                 {{"verb", std::string(VerbName(static_cast<Verb>(i)))}});
  }
  for (size_t i = 0; i < kLoginOutcomes; ++i) {
    registry.Add(logins[i], "poplar_pop3_logins_total", "POP3 logins, by outcome.",
                 {{"outcome", std::string(Name(static_cast<LoginOutcome>(i)))}});
  }
  registry.Add(lines_too_long, "poplar_pop3_lines_too_long_total",
               "POP3 lines refused because they were longer than their limit.");
  const auto closed = [&registry](const base::Counter& counter, const char* limit) {
    registry.Add(counter, "poplar_pop3_closed_total",
                 "POP3 connections closed at a limit, by limit.", {{"limit", limit}});
  };
  closed(closed_for_failed_logins, "failed_logins");
  closed(closed_for_bad_commands, "bad_commands");
  closed(closed_idle, "idle_timeout");
  closed(closed_for_login_timeout, "login_timeout");
  closed(closed_for_session_age, "session_age");
}

}  // namespace poplar::pop3
