#include "bench/load/report.h"

#include <array>
#include <cstdio>

namespace poplar::load {
namespace {

std::string Number(double value, int decimals) {
  std::array<char, 64> text;
  int length = std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  return {text.data(), static_cast<size_t>(length)};
}

std::string Padded(std::string text, size_t width) {
  if (text.size() < width) text.insert(0, width - text.size(), ' ');
  return text;
}

std::string_view SecurityName(Security security) {
  switch (security) {
    case Security::kPlain:
      return "plain";
    case Security::kTls:
      return "tls";
    case Security::kStls:
      return "stls";
  }
  return "unknown";
}

double PerOperation(uint64_t total_us, uint64_t operations) {
  return operations == 0 ? 0 : static_cast<double>(total_us) / static_cast<double>(operations);
}

double Rate(uint64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

struct Latency {
  std::string_view name;
  uint64_t ns;
};

std::array<Latency, 4> Latencies(const Histogram& histogram) {
  return {{{"p50", histogram.Quantile(0.5)},
           {"p90", histogram.Quantile(0.9)},
           {"p99", histogram.Quantile(0.99)},
           {"max", histogram.max()}}};
}

void AppendJsonString(std::string* out, std::string_view text) {
  out->push_back('"');
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out->append({'\\', c});
    } else if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) {
      std::array<char, 8> escape;  // a sample may hold any byte: shown as Latin-1
      std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned char>(c));
      out->append(escape.data());
    } else {
      out->push_back(c);
    }
  }
  out->push_back('"');
}

// One object; values are JSON already unless they come as strings.
class JsonObject {
 public:
  void Raw(std::string_view name, std::string_view json) {
    if (text_.size() > 1) text_.push_back(',');
    AppendJsonString(&text_, name);
    text_.append(":").append(json);
  }
  void Text(std::string_view name, std::string_view value) {
    std::string json;
    AppendJsonString(&json, value);
    Raw(name, json);
  }
  void Count(std::string_view name, uint64_t value) { Raw(name, std::to_string(value)); }
  void Real(std::string_view name, double value) { Raw(name, Number(value, 3)); }
  std::string Finish() { return text_ + "}"; }

 private:
  std::string text_ = "{";
};

template <class Map>
std::string JsonCounts(const Map& counts) {
  JsonObject object;
  for (const auto& [name, count] : counts) object.Count(name, count);
  return object.Finish();
}

std::string JsonSeries(const Series& series, double seconds) {
  JsonObject object;
  object.Count("operations", series.operations);
  object.Real("per_second", Rate(series.operations, seconds));
  object.Count("octets", series.octets);
  for (const Latency& latency : Latencies(series.latency_ns)) {
    object.Real(std::string(latency.name) + "_us", static_cast<double>(latency.ns) / 1e3);
  }
  return object.Finish();
}

std::string JsonCpu(const CpuTime& cpu, const Meter& meter) {
  JsonObject object;
  object.Count("total_us", cpu.total_us);
  object.Count("user_us", cpu.user_us);
  object.Count("system_us", cpu.system_us);
  object.Real("us_per_operation", PerOperation(cpu.total_us, meter.operations()));
  if (meter.octets() > 0) {
    object.Real("seconds_per_gb",
                static_cast<double>(cpu.total_us) * 1e3 / static_cast<double>(meter.octets()));
  }
  return object.Finish();
}

}  // namespace

std::string Emptiness(const RunResult& result) {
  if (result.meter.operations() > 0) return "";
  return "not one operation was completed in the measured time";
}

std::string TextReport(const Options& options, const RunResult& result) {
  const Meter& meter = result.meter;
  std::string out = "profile " + options.profile + ", " + std::to_string(options.connections) +
                    " connections, depth " + std::to_string(options.depth) + ", " +
                    std::string(SecurityName(options.security)) + ", measured for " +
                    Number(result.seconds, 2) + " s\n";
  out.append(
      "operation         count      per s     MB/s    p50 us    p90 us    p99 us    max us\n");
  for (const auto& [name, series] : meter.series()) {
    out.append(name).append(name.size() < 12 ? 12 - name.size() : 1, ' ');
    out.append(Padded(std::to_string(series.operations), 11));
    out.append(Padded(Number(Rate(series.operations, result.seconds), 0), 11));
    out.append(Padded(Number(Rate(series.octets, result.seconds) / 1e6, 1), 9));
    for (const Latency& latency : Latencies(series.latency_ns)) {
      out.append(Padded(Number(static_cast<double>(latency.ns) / 1e3, 1), 10));
    }
    out.push_back('\n');
  }
  if (result.server_cpu) {
    const CpuTime& cpu = *result.server_cpu;
    out.append("server CPU  " + Number(PerOperation(cpu.total_us, meter.operations()), 2) +
               " us an operation (user " +
               Number(PerOperation(cpu.user_us, meter.operations()), 2) + ", system " +
               Number(PerOperation(cpu.system_us, meter.operations()), 2) + "), " +
               Number(Rate(cpu.total_us, result.seconds) / 1e4, 1) + " % of a core\n");
  }
  out.append("client CPU  " + Number(result.client_cpu_seconds / result.seconds * 100, 1) +
             " % of a core\n");
  for (const auto& [name, count] : meter.notes()) {
    out.append("note        " + name + " " + std::to_string(count) + "\n");
  }
  for (const auto& [kind, count] : meter.errors_by_kind()) {
    out.append("ERRORS      " + kind + " " + std::to_string(count) + "\n");
  }
  for (const std::string& sample : meter.samples()) out.append("            " + sample + "\n");
  return out;
}

std::string JsonReport(const Options& options, const RunResult& result) {
  const Meter& meter = result.meter;
  JsonObject report;
  report.Text("profile", options.profile);
  report.Text("security", SecurityName(options.security));
  report.Count("connections", options.connections);
  report.Count("threads", options.threads);
  report.Count("depth", options.depth);
  report.Real("seconds", result.seconds);
  JsonObject operations;
  for (const auto& [name, series] : meter.series()) {
    operations.Raw(name, JsonSeries(series, result.seconds));
  }
  report.Raw("operations", operations.Finish());
  if (result.server_cpu) report.Raw("server_cpu", JsonCpu(*result.server_cpu, meter));
  report.Real("client_cpu_seconds", result.client_cpu_seconds);
  report.Raw("errors", JsonCounts(meter.errors_by_kind()));
  report.Raw("notes", JsonCounts(meter.notes()));
  std::string samples = "[";
  for (const std::string& sample : meter.samples()) {
    if (samples.size() > 1) samples.push_back(',');
    AppendJsonString(&samples, sample);
  }
  report.Raw("error_samples", samples + "]");
  return report.Finish() + "\n";
}

}  // namespace poplar::load
