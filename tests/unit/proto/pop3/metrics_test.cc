#include "core/proto/pop3/metrics.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "core/proto/pop3/session.h"

namespace poplar::pop3 {
namespace {

TEST(SessionMetrics, EveryCellIsNamedOnceAndCounts) {
  SessionMetrics metrics;
  base::MetricRegistry registry;
  metrics.Register(registry);

  const SessionOptions options{.hostname = "h", .failed_logins_max = 1, .bad_commands_max = 2};
  Session session(options, metrics, {.clear_text_login_allowed = true});
  base::ByteBuffer out;
  const std::string text =
      "capa\r\nUSER x\r\n" + std::string(600, 'x') + "\r\nNOOP\r\nPASS wrong\r\n";
  std::string_view input = text;
  ASSERT_EQ(session.Next(input, out).kind, Action::Kind::kVerifyPassword);
  session.LoginDone(LoginOutcome::kBadCredentials, nullptr, out);
  Session other(options, metrics, {});
  input = "BAD\r\nWORSE\r\n";
  ASSERT_EQ(other.Next(input, out).kind, Action::Kind::kClose);

  for (const EndReason reason : {EndReason::kIdle, EndReason::kIdle, EndReason::kLoginTimeout,
                                 EndReason::kDrain, EndReason::kKicked, EndReason::kLeaseLost}) {
    metrics.CountEnd(reason);
  }

  std::map<std::string, double> values;
  for (const base::MetricRegistry::Entry& entry : registry.Entries()) {
    std::string key = entry.name;
    for (const auto& [name, value] : entry.labels) key += "," + name + "=" + value;
    EXPECT_TRUE(values.emplace(key, entry.read()).second) << key;
  }
  EXPECT_EQ(values.size(), kVerbs + kLoginOutcomes + 6);
  EXPECT_EQ(values["poplar_pop3_commands_total,verb=CAPA"], 1);
  EXPECT_EQ(values["poplar_pop3_commands_total,verb=USER"], 1);
  EXPECT_EQ(values["poplar_pop3_commands_total,verb=NOOP"], 1);
  EXPECT_EQ(values["poplar_pop3_commands_total,verb=unknown"], 2);
  EXPECT_EQ(values["poplar_pop3_logins_total,outcome=too_many_failures"], 1) << "as it is told";
  EXPECT_EQ(values["poplar_pop3_logins_total,outcome=bad_credentials"], 0);
  EXPECT_EQ(values["poplar_pop3_logins_total,outcome=ok"], 0);
  EXPECT_EQ(values["poplar_pop3_lines_too_long_total"], 1);
  EXPECT_EQ(values["poplar_pop3_closed_total,limit=failed_logins"], 1);
  EXPECT_EQ(values["poplar_pop3_closed_total,limit=bad_commands"], 1);
  EXPECT_EQ(values["poplar_pop3_closed_total,limit=idle_timeout"], 2);
  EXPECT_EQ(values["poplar_pop3_closed_total,limit=login_timeout"], 1);
  EXPECT_EQ(values["poplar_pop3_closed_total,limit=session_age"], 0);
}

}  // namespace
}  // namespace poplar::pop3
