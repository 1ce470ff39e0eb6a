#include "bench/load/report.h"

#include <array>
#include <cstdio>
#include <optional>

#include "core/base/units.h"

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

void AppendLatencies(const Histogram& histogram, JsonObject* object) {
  for (const Latency& latency : Latencies(histogram)) {
    object->Real(std::string(latency.name) + "_us", static_cast<double>(latency.ns) / 1e3);
  }
}

std::string JsonSeries(const Series& series, double seconds) {
  JsonObject object;
  object.Count("operations", series.operations);
  object.Real("per_second", Rate(series.operations, seconds));
  object.Count("octets", series.octets);
  AppendLatencies(series.latency_ns, &object);
  return object.Finish();
}

std::string JsonPunctuality(const Punctuality& punctuality) {
  JsonObject object;
  object.Count("due", punctuality.begun + punctuality.not_begun);
  object.Count("begun", punctuality.begun);
  object.Count("late", punctuality.late);
  object.Count("not_begun", punctuality.not_begun);
  object.Count("unfinished", punctuality.unfinished);
  JsonObject delay;
  AppendLatencies(punctuality.delay_ns, &delay);
  object.Raw("delay", delay.Finish());
  return object.Finish();
}

std::string JsonMemory(const ServerMemory& memory) {
  JsonObject object;
  object.Count("anon_bytes", memory.anon_bytes);
  if (memory.group_bytes) object.Count("group_bytes", *memory.group_bytes);
  if (memory.descriptors) object.Count("descriptors", *memory.descriptors);
  return object.Finish();
}

// What each connection of the crowd has added to what was there before the first of them.
double PerConnection(uint64_t before, uint64_t then, const Crowd& crowd) {
  return (static_cast<double>(then) - static_cast<double>(before)) /
         static_cast<double>(crowd.connections);
}

struct ConnectionMemory {
  double anon_bytes = 0;
  std::optional<double> group_bytes;
};

std::optional<ConnectionMemory> MemoryOfConnection(const RunResult& result,
                                                   const std::optional<ServerMemory>& then) {
  const std::optional<ServerMemory>& before = result.memory_before;
  if (!result.crowd || !before || !then) return std::nullopt;
  ConnectionMemory memory;
  memory.anon_bytes = PerConnection(before->anon_bytes, then->anon_bytes, *result.crowd);
  if (before->group_bytes && then->group_bytes) {
    memory.group_bytes = PerConnection(*before->group_bytes, *then->group_bytes, *result.crowd);
  }
  return memory;
}

std::string JsonConnectionMemory(const ConnectionMemory& memory) {
  JsonObject object;
  object.Real("anon_bytes", memory.anon_bytes);
  if (memory.group_bytes) object.Real("group_bytes", *memory.group_bytes);
  return object.Finish();
}

std::string JsonCrowd(const RunResult& result) {
  JsonObject object;
  object.Count("connections", result.crowd->connections);
  object.Real("opening_seconds", result.crowd->opening_seconds);
  if (auto memory = MemoryOfConnection(result, result.memory_begin)) {
    object.Raw("per_connection", JsonConnectionMemory(*memory));
  }
  if (auto memory = MemoryOfConnection(result, result.memory_end)) {
    object.Raw("per_connection_at_end", JsonConnectionMemory(*memory));
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

std::string TextSeries(const Meter& meter, double seconds) {
  std::string out =
      "operation         count      per s     MB/s    p50 us    p90 us    p99 us    max us\n";
  for (const auto& [name, series] : meter.series()) {
    out.append(name).append(name.size() < 14 ? 14 - name.size() : 1, ' ');
    out.append(Padded(std::to_string(series.operations), 9));
    out.append(Padded(Number(Rate(series.operations, seconds), 0), 11));
    out.append(Padded(Number(Rate(series.octets, seconds) / 1e6, 1), 9));
    for (const Latency& latency : Latencies(series.latency_ns)) {
      out.append(Padded(Number(static_cast<double>(latency.ns) / 1e3, 1), 10));
    }
    out.push_back('\n');
  }
  return out;
}

std::string TextPunctuality(const Options& options, const Punctuality& punctuality) {
  return "due         " + std::to_string(punctuality.begun + punctuality.not_begun) + " at " +
         Number(options.rate, 0) + " per s; begun " + std::to_string(punctuality.begun) +
         ", of these late " + std::to_string(punctuality.late) + " (p99 " +
         Number(static_cast<double>(punctuality.delay_ns.Quantile(0.99)) / 1e3, 1) +
         " us after it was due), not begun " + std::to_string(punctuality.not_begun) +
         "; begun or not, not done at the end " + std::to_string(punctuality.unfinished) + "\n";
}

std::string TextCpu(const CpuTime& cpu, const Meter& meter, double seconds) {
  std::string out = "server CPU  ";
  if (const uint64_t operations = meter.operations(); operations > 0) {
    out.append(Number(PerOperation(cpu.total_us, operations), 2) + " us an operation (user " +
               Number(PerOperation(cpu.user_us, operations), 2) + ", system " +
               Number(PerOperation(cpu.system_us, operations), 2) + "), ");
  }
  return out + Number(Rate(cpu.total_us, seconds) / 1e4, 1) + " % of a core\n";
}

std::string Kib(double bytes) { return Number(bytes / static_cast<double>(kKiB), 2) + " KiB"; }
std::string Mib(uint64_t bytes) {
  return Number(static_cast<double>(bytes) / static_cast<double>(kMiB), 2) + " MiB";
}

std::string TextMemory(std::string_view when, const ServerMemory& memory) {
  std::string out = "memory      " + std::string(when) + ": ";
  out.append(Mib(memory.anon_bytes)).append(" anonymous");
  if (memory.group_bytes) out.append(", ").append(Mib(*memory.group_bytes)).append(" in the group");
  if (memory.descriptors) {
    out.append(", ").append(std::to_string(*memory.descriptors)).append(" descriptors");
  }
  return out + "\n";
}

std::string TextConnectionMemory(std::string_view when, const ConnectionMemory& memory) {
  std::string out = "            of a connection, " + std::string(when) + ": ";
  out.append(Kib(memory.anon_bytes)).append(" anonymous");
  if (memory.group_bytes) out.append(", ").append(Kib(*memory.group_bytes)).append(" in the group");
  return out + "\n";
}

std::string TextCrowd(const RunResult& result) {
  std::string out = "crowd       " + std::to_string(result.crowd->connections) +
                    " connections, all there after " + Number(result.crowd->opening_seconds, 2) +
                    " s\n";
  if (auto memory = MemoryOfConnection(result, result.memory_begin)) {
    out.append(TextConnectionMemory("when all were there", *memory));
  }
  if (auto memory = MemoryOfConnection(result, result.memory_end)) {
    out.append(TextConnectionMemory("at the end", *memory));
  }
  return out;
}

}  // namespace

std::string Emptiness(const RunResult& result) {
  if (result.meter.operations() > 0 || result.crowd) return "";
  return "not one operation was completed in the measured time";
}

std::string TextReport(const Options& options, const RunResult& result) {
  const Meter& meter = result.meter;
  std::string out = "profile " + options.profile + ", " + std::to_string(options.connections) +
                    " connections, depth " + std::to_string(options.depth) + ", " +
                    std::string(SecurityName(options.security)) + ", measured for " +
                    Number(result.seconds, 2) + " s\n";
  out.append(TextSeries(meter, result.seconds));
  if (result.punctuality) out.append(TextPunctuality(options, *result.punctuality));
  if (result.crowd) out.append(TextCrowd(result));
  if (result.server_cpu) out.append(TextCpu(*result.server_cpu, meter, result.seconds));
  out.append("client CPU  " + Number(result.client_cpu_seconds / result.seconds * 100, 1) +
             " % of a core\n");
  if (result.memory_before) out.append(TextMemory("before", *result.memory_before));
  if (result.memory_begin) out.append(TextMemory("at the start", *result.memory_begin));
  if (result.memory_end) out.append(TextMemory("at the end", *result.memory_end));
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
  if (result.punctuality) {
    report.Real("rate", options.rate);
    report.Raw("punctuality", JsonPunctuality(*result.punctuality));
  }
  if (result.crowd) report.Raw("crowd", JsonCrowd(result));
  if (result.server_cpu) report.Raw("server_cpu", JsonCpu(*result.server_cpu, meter));
  if (result.memory_before) {
    JsonObject memory;
    memory.Raw("before", JsonMemory(*result.memory_before));
    if (result.memory_begin) memory.Raw("begin", JsonMemory(*result.memory_begin));
    if (result.memory_end) memory.Raw("end", JsonMemory(*result.memory_end));
    report.Raw("server_memory", memory.Finish());
  }
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
