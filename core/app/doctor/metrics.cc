#include "core/app/doctor/metrics.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "core/app/doctor/knock.h"

namespace poplar::app {
namespace {

using tenant::ListenAddress;

// The body; empty: it could not be had.
std::string HttpGet(const ListenAddress& address, const std::string& path) {
  auto connection = KnockAt(address);
  if (!connection.ok() ||
      !connection->Write("GET " + path + " HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()) {
    return "";
  }
  auto line = connection->ReadLine();
  while (line.ok() && !line->empty()) line = connection->ReadLine();
  std::string body;
  for (auto more = connection->Peek(); line.ok() && more.ok(); more = connection->Peek()) {
    body += *more;
    connection->Take(more->size());
  }
  return body;
}

// The values of a metric's samples, with their labels as the page has them.
std::vector<std::pair<std::string, double>> Samples(const std::string& page,
                                                    const std::string& name) {
  std::vector<std::pair<std::string, double>> samples;
  for (size_t at = 0; at < page.size();) {
    const size_t end = std::min(page.find('\n', at), page.size());
    const std::string line = page.substr(at, end - at);
    at = end + 1;
    const size_t blank = line.rfind(' ');
    if (!line.starts_with(name) || blank == std::string::npos) continue;
    const std::string labels = line.substr(name.size(), blank - name.size());
    if (!labels.empty() && !labels.starts_with('{')) continue;  // A longer name.
    samples.emplace_back(labels, strtod(line.c_str() + blank, nullptr));
  }
  return samples;
}

std::string LabelOf(const std::string& labels, const std::string& name) {
  const size_t at = labels.find(name + "=\"");
  if (at == std::string::npos) return "";
  const size_t from = at + name.size() + 2;
  return labels.substr(from, labels.find('"', from) - from);
}

void LookAtBackends(const std::string& page, Findings& findings) {
  bool all_answer = true;
  for (const auto& [labels, value] : Samples(page, "poplar_backend_breaker")) {
    if (value == 0) continue;
    all_answer = false;
    const std::string backend = LabelOf(labels, "backend");
    findings.Add({.step = "back end " + backend,
                  .health = Health::kFault,
                  .says = "it cannot be reached, and is being tried again now and then",
                  .mover = Mover::kDirectory,
                  .mend = "whoever runs what [backend." + backend +
                          "] names; the server's log has "
                          "the error (auth_backend_failed)",
                  .to_customer = "The directory that knows your password cannot be reached just "
                                 "now. Please try again later: your mail is kept.",
                  .code = ExitCode::kTemporary});
  }
  for (const auto& [labels, value] : Samples(page, "poplar_backend_tenants_left_alone")) {
    if (value == 0) continue;
    all_answer = false;
    findings.Note("back end " + LabelOf(labels, "backend"),
                  "questions of single tenants fail there (" +
                      std::to_string(static_cast<uint64_t>(value)) + ")",
                  "the server's log says of which");
  }
  if (all_answer) findings.Good("back ends", "all that were asked answer");
}

}  // namespace

void LookAtMetrics(const tenant::Config& config, Findings& findings) {
  if (!config.http.listen || config.http.listen->port == 0) {
    return findings.Skip("metrics", "http.listen is empty, or the kernel chooses its port");
  }
  const std::string ready = HttpGet(*config.http.listen, "/readyz");
  // Who is silent once is not asked again.
  const std::string page = ready.empty() ? "" : HttpGet(*config.http.listen, "/metrics");
  if (page.empty()) {
    return findings.OurFault("metrics", config.http.listen->ToString() + " does not answer",
                             "another program may have the port (`ss -ltnp`)");
  }
  if (ready.starts_with("ready")) {
    findings.Good("server", "it is ready");
  } else {
    findings.OurFault("server", "it is not ready: " + ready.substr(0, ready.find('\n')),
                      "\"starting\" ends by itself, \"draining\" with a new start");
  }
  LookAtBackends(page, findings);
  double damages = 0;
  for (const std::string name : {"poplar_store_damages_total", "poplar_store_index_unsound"}) {
    for (const auto& [labels, value] : Samples(page, name)) damages += value;
  }
  if (damages > 0) {
    findings.OurFault("store", "damage was found; what is not damaged is served",
                      "core/OPERATIONS.md, \"A damaged disk\"; the log names each (store_damage)",
                      ExitCode::kIoError);
  } else {
    findings.Good("store", "no damage was met since the start");
  }
}

}  // namespace poplar::app
