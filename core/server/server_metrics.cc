#include "core/server/server_metrics.h"

#include <string>

#include "core/server/connection.h"

namespace poplar::server {

void ServerMetrics::Register(base::MetricRegistry& registry) const {
  constexpr double kUs = 1e-6;
  registry.Add(pop3_connections, "poplar_pop3_connections", "Open POP3 connections.");
  registry.Add(pop3_sessions, "poplar_pop3_sessions", "POP3 sessions that are logged in.");
  registry.Add(lmtp_connections, "poplar_lmtp_connections", "Open LMTP connections.");
  registry.Add(pop3_refused, "poplar_connections_refused_total", "Connections refused at a limit.",
               {{"protocol", "pop3"}, {"limit", "connections_max"}});
  registry.Add(pop3_refused_per_address, "poplar_connections_refused_total",
               "Connections refused at a limit.",
               {{"protocol", "pop3"}, {"limit", "connections_per_address_max"}});
  registry.Add(lmtp_refused, "poplar_connections_refused_total", "Connections refused at a limit.",
               {{"protocol", "lmtp"}, {"limit", "connections_max"}});
  registry.Add(held_back, "poplar_refusals_held_back",
               "Connections that wait a moment until they are told of a tenant's limit.");
  registry.AddComputed(
      base::MetricRegistry::Kind::kGauge, [] { return static_cast<double>(kHeldBackMax); },
      "poplar_refusals_held_back_max", "How many may wait so; the rest is told at once.");
  registry.Add(held_back_total, "poplar_refusals_held_back_total",
               "Refusals at a tenant's limit that were told after a moment's wait.");
  for (size_t i = 0; i < kProxyOutcomes; ++i) {
    registry.Add(proxy_headers[i], "poplar_proxy_headers_total",
                 "Connections of proxies that must begin with a PROXY header, by what came.",
                 {{"outcome", std::string(Name(static_cast<ProxyOutcome>(i)))}});
  }
  constexpr std::string_view kCommand = "poplar_pop3_command_seconds";
  constexpr std::string_view kCommandHelp =
      "Time from a command until its reply is handed to the kernel (login: from the credentials to "
      "the open maildrop; QUIT: until its deletions are durable; other: commands answered from "
      "memory, all that came in one piece).";
  registry.Add(login_us, kUs, kCommand, kCommandHelp, {{"command", "login"}});
  registry.Add(retr_us, kUs, kCommand, kCommandHelp, {{"command", "RETR"}});
  registry.Add(top_us, kUs, kCommand, kCommandHelp, {{"command", "TOP"}});
  registry.Add(quit_us, kUs, kCommand, kCommandHelp, {{"command", "QUIT"}});
  registry.Add(answer_us, kUs, kCommand, kCommandHelp, {{"command", "other"}});
  registry.Add(open_us, kUs, "poplar_pop3_open_seconds", "Time to open a maildrop.");
  registry.Add(session_ms, 1e-3, "poplar_pop3_session_seconds",
               "How long connections lasted that logged in, from accept to the end.");
  registry.Add(recipient_us, kUs, "poplar_lmtp_recipient_seconds",
               "Time from RCPT until it is answered: the directory, and what quotas ask of the "
               "store.");
  registry.Add(delivery_us, kUs, "poplar_lmtp_delivery_seconds",
               "Time from the end of a message until it is durable for all recipients.");
  registry.Add(recent_sessions, "poplar_pop3_recent_sessions_total",
               "Sessions that asked for recent mail only, which hold no lease and delete nothing.");
  registry.Add(recent_refused, "poplar_pop3_recent_sessions_refused_total",
               "Log-ins for recent mail only whose account had pop3.recent_sessions_max such "
               "sessions already.");
  registry.Add(lease_conflicts, "poplar_pop3_lease_conflicts_total",
               "Log-ins that met another session of the same maildrop.");
  registry.Add(lease_waits, "poplar_pop3_lease_waits_total",
               "Log-ins that waited for a close under way.");
  registry.Add(egress_wait_us, kUs, "poplar_pop3_egress_wait_seconds",
               "How long messages had to wait because their tenant was ahead of its "
               "egress_kib_per_s, as it was reckoned when they began to.");
  registry.Add(messages_sent, "poplar_pop3_messages_sent_total", "Messages sent by RETR, whole.");
  registry.Add(message_octets_sent, "poplar_pop3_message_octets_sent_total",
               "Octets of messages sent by RETR and TOP, on the wire.");
  registry.Add(bodies_failed, "poplar_pop3_bodies_failed_total",
               "RETR and TOP answered -ERR for a fault of ours.");
  registry.Add(bodies_cut, "poplar_pop3_bodies_cut_total",
               "Connections closed inside a message, its terminator not sent.");
  registry.Add(refetches, "poplar_pop3_refetch_sessions_total",
               "Sessions that fetched at least 10 messages older than 30 days: a new device, or a "
               "client that takes what it had for new.");
  registry.Add(messages_deleted, "poplar_pop3_messages_deleted_total",
               "Messages deleted by a QUIT that was answered +OK.");
  registry.Add(commits_failed, "poplar_pop3_commits_failed_total",
               "QUITs whose deletions were not done, or are not known to be.");
}

}  // namespace poplar::server
