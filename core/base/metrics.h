// Metric cells and the registry that names them. A cell has one writer (its shard's or pool's
// thread) and any readers: an update is a plain load and store, and no two threads write to one
// cache line as long as each keeps its cells in structs of its own (align them with
// alignas(kCacheLineBytes)).
//
// A folder keeps its cells in a struct beside the code that counts, with a `void
// Register(MetricRegistry&, labels)` that names each. core/ops reads the registry and knows nothing
// else of the folders.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace poplar::base {

inline constexpr size_t kCacheLineBytes = 64;

// Only grows.
class Counter {
 public:
  void Add(uint64_t n = 1) { value_.store(Read() + n, std::memory_order_relaxed); }
  uint64_t Read() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Goes up and down.
class Gauge {
 public:
  void Set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void Add(int64_t n) { Set(Read() + n); }
  int64_t Read() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// Counts values in buckets of powers of two: bucket i holds values < 2^i, the last one everything.
// The unit is the caller's (it belongs into the metric's name); `scale` at registration turns it
// into the base unit (1e-6: us to s).
class Histogram {
 public:
  static constexpr size_t kBuckets = 28;

  void Observe(uint64_t value) {
    const size_t bits = value == 0 ? 0 : 64 - static_cast<size_t>(__builtin_clzll(value));
    const size_t bucket = bits < kBuckets ? bits : kBuckets - 1;
    buckets_[bucket].Add();
    sum_.Add(value);
  }
  uint64_t ReadBucket(size_t i) const { return buckets_[i].Read(); }
  uint64_t ReadSum() const { return sum_.Read(); }

 private:
  std::array<Counter, kBuckets> buckets_;
  Counter sum_;
};

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

// Names cells for whoever publishes them. Cells of the same name and labels (one a shard) are
// summed. Any thread.
class MetricRegistry {
 public:
  enum class Kind : uint8_t { kCounter, kGauge, kHistogram };

  struct Entry {
    Kind kind;
    std::string name;  // Prometheus rules: base units, counters end in _total.
    std::string help;
    MetricLabels labels;
    std::function<double()> read;          // For counters and gauges.
    const Histogram* histogram = nullptr;  // For histograms.
    double scale = 1;
  };

  // REQUIRES: the cell outlives the registry's last reader.
  void Add(const Counter& cell, std::string_view name, std::string_view help,
           MetricLabels labels = {});
  void Add(const Gauge& cell, std::string_view name, std::string_view help,
           MetricLabels labels = {});
  void Add(const Histogram& cell, double scale, std::string_view name, std::string_view help,
           MetricLabels labels = {});
  // A value computed when it is asked for; `read` may be called from any thread.
  void AddComputed(Kind kind, std::function<double()> read, std::string_view name,
                   std::string_view help, MetricLabels labels = {});

  // Values whose labels come and go: `collect` appends what there is each time somebody reads, on
  // the reader's thread.
  using Collect = std::function<void(std::vector<Entry>&)>;
  void AddCollected(Collect collect);

  // What was added, in order, then what is collected.
  std::vector<Entry> Entries() const;

 private:
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
  std::vector<Collect> collected_;
};

}  // namespace poplar::base
