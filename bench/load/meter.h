// What a run counts: operations by name with their latencies, errors by kind, and free-named notes.
// One a worker thread, merged when the threads have ended.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/histogram.h"
#include "core/base/status.h"

namespace poplar::load {

// The kinds of errors, as reports name them. A run with any error at all has failed.
//   connection  refused, reset, or closed where the protocol does not close
//   timeout     no progress within --timeout
//   tls         a handshake failed
//   reply       a reply that the protocol does not allow, or -ERR / 4xx / 5xx where success was due
//   count       numbers that do not agree (STAT, LIST, UIDL, sizes, an expected count)
//   content     a message that is not what was delivered
std::string_view ErrorKind(const Status& error);

Status ReplyError(std::string_view what, std::string_view got);
Status CountError(std::string_view what);
Status ContentError(std::string_view what);
Status ConnectionError(std::string_view what);
Status TimeoutError(std::string_view what);
Status TlsError(std::string_view what);

// One kind of operation.
struct Series {
  uint64_t operations = 0;
  uint64_t octets = 0;   // of messages, as RFC 1939 counts
  Histogram latency_ns;  // also of operations that the window's end found undone
};

class Meter {
 public:
  void Record(std::string_view operation, uint64_t latency_ns, uint64_t octets);
  // A latency of an operation that was not completed in the measured time.
  void RecordUnfinished(std::string_view operation, uint64_t latency_ns);
  // Latencies of operations that were never begun, so that nobody knows of which kind they are:
  // they count in each.
  void AddNotBegun(const Histogram& latencies_ns);
  void RecordError(const Status& error);
  // A count that is worth a line in the report, such as "tls_resumed".
  void Note(std::string_view name, uint64_t count = 1);
  void Merge(const Meter& other);

  uint64_t operations() const;
  uint64_t octets() const;
  uint64_t errors() const;

  const std::map<std::string, Series, std::less<>>& series() const { return series_; }
  const std::map<std::string, uint64_t, std::less<>>& errors_by_kind() const { return errors_; }
  const std::map<std::string, uint64_t, std::less<>>& notes() const { return notes_; }
  // The first few errors in words.
  const std::vector<std::string>& samples() const { return samples_; }

 private:
  std::map<std::string, Series, std::less<>> series_;
  std::map<std::string, uint64_t, std::less<>> errors_;
  std::map<std::string, uint64_t, std::less<>> notes_;
  std::vector<std::string> samples_;
};

}  // namespace poplar::load
