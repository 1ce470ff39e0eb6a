#include "core/net/net_metrics.h"

namespace poplar::net {
namespace {

base::MetricLabels With(const base::MetricLabels& labels, const char* key, const char* value) {
  base::MetricLabels more = labels;
  more.emplace_back(key, value);
  return more;
}

void RegisterLane(base::MetricRegistry& registry, const LaneMetrics& lane, const char* name,
                  const base::MetricLabels& labels) {
  const base::MetricLabels lane_labels = With(labels, "lane", name);
  registry.Add(lane.uses, "poplar_body_lane_uses_total",
               "Message bodies that a lane sent, wholly or in part", lane_labels);
  registry.Add(lane.bytes, "poplar_body_lane_bytes_total", "Octets of bodies sent by a lane",
               lane_labels);
}

}  // namespace

void NetMetrics::Register(base::MetricRegistry& registry, const base::MetricLabels& labels) const {
  registry.Add(accepted, "poplar_connections_accepted_total", "Connections accepted", labels);
  registry.Add(accept_pauses, "poplar_accept_pauses_total",
               "Times accepting rested because descriptors or memory had run out", labels);
  registry.Add(open, "poplar_connections_open", "Connections open now", labels);
  registry.Add(bytes_in, "poplar_net_received_bytes_total", "Octets received from sockets", labels);
  registry.Add(bytes_out, "poplar_net_sent_bytes_total",
               "Octets handed to sockets, before encryption", labels);
  registry.Add(receive_pauses, "poplar_receive_pauses_total",
               "Times a client was not read because what it sent before waited", labels);
  registry.Add(receive_exhausted, "poplar_receive_buffers_exhausted_total",
               "Receives that found no free buffer and were repeated", labels);
  registry.Add(ends_idle, "poplar_connections_idle_total",
               "Connections closed because they were silent or took too little", labels);
  registry.Add(ends_lost, "poplar_connections_lost_total",
               "Connections whose peer answered no more", labels);
  RegisterLane(registry, small, "small", labels);
  RegisterLane(registry, sendfile, "sendfile", labels);
  RegisterLane(registry, copy, "copy", labels);
  registry.Add(body_failures, "poplar_body_failures_total",
               "Bodies found damaged or gone while they were sent", labels);
  registry.Add(chunk_waits, "poplar_chunk_waits_total", "Reads that waited for a free chunk",
               labels);

  const char* const handshakes = "poplar_tls_handshakes_total";
  const char* const handshakes_help = "TLS handshakes by their result";
  registry.Add(handshakes_tls12, handshakes, handshakes_help, With(labels, "result", "TLSv1.2"));
  registry.Add(handshakes_tls13, handshakes, handshakes_help, With(labels, "result", "TLSv1.3"));
  registry.Add(handshakes_failed, handshakes, handshakes_help, With(labels, "result", "failed"));
  registry.Add(handshakes_alpn_refused, handshakes, handshakes_help,
               With(labels, "result", "alpn_refused"));
  registry.Add(handshakes_cut, handshakes, handshakes_help, With(labels, "result", "cut"));
  registry.Add(handshakes_resumed, "poplar_tls_resumed_total", "Handshakes resumed by a ticket",
               labels);
  registry.Add(handshakes_kernel_tls, "poplar_tls_kernel_total",
               "Handshakes after which the kernel encrypts what is sent", labels);
  const char* const names = "poplar_tls_server_names_total";
  const char* const names_help = "Handshakes that asked for a host, by the certificate shown";
  registry.Add(server_names_own, names, names_help, With(labels, "certificate", "own"));
  registry.Add(server_names_default, names, names_help, With(labels, "certificate", "default"));
  registry.Add(server_names_refused, names, names_help, With(labels, "certificate", "refused"));
  registry.Add(tls_key_update_ends, "poplar_tls_key_update_ends_total",
               "Connections closed in order because the peer asked kernel TLS for a new key",
               labels);
  registry.Add(handshake_us, 1e-6, "poplar_tls_handshake_seconds",
               "TLS handshakes from start to end, waits included", labels);
}

}  // namespace poplar::net
