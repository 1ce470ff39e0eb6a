#include "core/proto/lmtp/metrics.h"

#include <string>

namespace poplar::lmtp {

void SessionMetrics::Register(base::MetricRegistry& registry) const {
  for (size_t i = 0; i < kVerbs; ++i) {
    registry.Add(commands[i], "poplar_lmtp_commands_total", "LMTP commands received, by verb.",
                 {{"verb", std::string(VerbName(static_cast<Verb>(i)))}});
  }
  for (size_t i = 0; i < kRecipientOutcomes; ++i) {
    registry.Add(recipients[i], "poplar_lmtp_recipients_total",
                 "Recipients that were resolved, by outcome.",
                 {{"outcome", std::string(Name(static_cast<RecipientOutcome>(i)))}});
  }
  for (size_t i = 0; i < kDeliveryOutcomes; ++i) {
    registry.Add(deliveries[i], "poplar_lmtp_deliveries_total",
                 "Messages committed, one for each recipient, by outcome.",
                 {{"outcome", std::string(Name(static_cast<DeliveryOutcome>(i)))}});
  }
  registry.Add(message_octets, "poplar_lmtp_message_octets_total",
               "Octets of messages that were received whole, once for all recipients.");
  constexpr std::string_view kRefused = "poplar_lmtp_refused_total";
  constexpr std::string_view kRefusedHelp = "What LMTP sessions refused at a limit, by limit.";
  registry.Add(lines_too_long, kRefused, kRefusedHelp, {{"limit", "line_bytes"}});
  registry.Add(recipients_over_max, kRefused, kRefusedHelp, {{"limit", "recipients"}});
  registry.Add(messages_too_large, kRefused, kRefusedHelp, {{"limit", "message_octets"}});
  constexpr std::string_view kClosed = "poplar_lmtp_closed_total";
  constexpr std::string_view kClosedHelp = "LMTP connections closed at a limit, by limit.";
  registry.Add(closed_for_bad_commands, kClosed, kClosedHelp, {{"limit", "bad_commands"}});
  registry.Add(closed_for_discarded_bytes, kClosed, kClosedHelp, {{"limit", "discarded_bytes"}});
  registry.Add(closed_idle, kClosed, kClosedHelp, {{"limit", "idle_timeout"}});
}

}  // namespace poplar::lmtp
