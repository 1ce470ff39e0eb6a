#include "bench/load/meter.h"

#include <algorithm>

namespace poplar::load {
namespace {

constexpr size_t kSamplesMax = 10;
constexpr size_t kReplyBytesShown = 120;

// `counts[name]`, made when it is met first.
template <class Map>
auto& Slot(Map* counts, std::string_view name) {
  auto found = counts->find(name);
  if (found == counts->end()) found = counts->try_emplace(std::string(name)).first;
  return found->second;
}

}  // namespace

std::string_view ErrorKind(const Status& error) {
  switch (error.code()) {
    case StatusCode::kUnavailable:
      return "connection";
    case StatusCode::kDeadlineExceeded:
      return "timeout";
    case StatusCode::kUnauthenticated:
      return "tls";
    case StatusCode::kInvalidArgument:
      return "reply";
    case StatusCode::kOutOfRange:
      return "count";
    case StatusCode::kDataLoss:
      return "content";
    default:
      return "other";
  }
}

Status ReplyError(std::string_view what, std::string_view got) {
  std::string text(what);
  text.append(": got \"").append(got.substr(0, kReplyBytesShown)).append("\"");
  return MakeStatus(StatusCode::kInvalidArgument, text);
}
Status CountError(std::string_view what) { return MakeStatus(StatusCode::kOutOfRange, what); }
Status ContentError(std::string_view what) { return MakeStatus(StatusCode::kDataLoss, what); }
Status ConnectionError(std::string_view what) { return MakeStatus(StatusCode::kUnavailable, what); }
Status TimeoutError(std::string_view what) {
  return MakeStatus(StatusCode::kDeadlineExceeded, what);
}
Status TlsError(std::string_view what) { return MakeStatus(StatusCode::kUnauthenticated, what); }

void Meter::Record(std::string_view operation, uint64_t latency_ns, uint64_t octets) {
  Series& series = Slot(&series_, operation);
  ++series.operations;
  series.octets += octets;
  series.latency_ns.Record(latency_ns);
}

void Meter::RecordUnfinished(std::string_view operation, uint64_t latency_ns) {
  Slot(&series_, operation).latency_ns.Record(latency_ns);
}

void Meter::AddNotBegun(const Histogram& latencies_ns) {
  for (auto& [name, series] : series_) series.latency_ns.Merge(latencies_ns);
}

void Meter::RecordError(const Status& error) {
  ++Slot(&errors_, ErrorKind(error));
  if (samples_.size() < kSamplesMax) samples_.emplace_back(Message(error));
}

void Meter::Note(std::string_view name, uint64_t count) { Slot(&notes_, name) += count; }

void Meter::Merge(const Meter& other) {
  for (const auto& [name, theirs] : other.series_) {
    Series& ours = Slot(&series_, name);
    ours.operations += theirs.operations;
    ours.octets += theirs.octets;
    ours.latency_ns.Merge(theirs.latency_ns);
  }
  for (const auto& [kind, count] : other.errors_) Slot(&errors_, kind) += count;
  for (const auto& [name, count] : other.notes_) Slot(&notes_, name) += count;
  for (const std::string& sample : other.samples_) {
    if (samples_.size() < kSamplesMax) samples_.push_back(sample);
  }
}

uint64_t Meter::operations() const {
  uint64_t sum = 0;
  for (const auto& [name, series] : series_) sum += series.operations;
  return sum;
}

uint64_t Meter::octets() const {
  uint64_t sum = 0;
  for (const auto& [name, series] : series_) sum += series.octets;
  return sum;
}

uint64_t Meter::errors() const {
  uint64_t sum = 0;
  for (const auto& [kind, count] : errors_) sum += count;
  return sum;
}

}  // namespace poplar::load
