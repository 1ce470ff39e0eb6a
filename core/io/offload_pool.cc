#include "core/io/offload_pool.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>

#include "core/base/check.h"
#include "core/base/clock.h"

namespace poplar::io {

// The jobs of one key. Made at the key's first job and kept until the pool ends: keys are tenants,
// which are few and never reused, and so it can be found without a lock.
struct OffloadKeyQueue {
  explicit OffloadKeyQueue(uint64_t k) : key(k) {}

  void Append(OffloadJob& job) {
    job.next_ = nullptr;
    if (first == nullptr) {
      first = &job;
    } else {
      last->next_ = &job;
    }
    last = &job;
  }

  const uint64_t key;
  OffloadKeyQueue* same_bucket = nullptr;
  std::atomic<uint32_t> queued{0};

  // For pool threads.
  OffloadJob* first = nullptr;
  OffloadJob* last = nullptr;
  OffloadKeyQueue* next_turn = nullptr;
};

namespace {

// Adds one unless that would be more than `most`.
bool AddBounded(std::atomic<uint32_t>& count, uint32_t most) {
  if (count.fetch_add(1, std::memory_order_relaxed) < most) return true;
  count.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

uint64_t ElapsedUs(uint64_t from_us, uint64_t to_us) {
  return to_us > from_us ? to_us - from_us : 0;
}

uint64_t ClockUs() { return base::SystemClock().MonotonicUs(); }

}  // namespace

OffloadJob::~OffloadJob() { POP_CHECK(!pending_); }

void OffloadJob::RunDone() {
  pending_ = false;
  Done();
}

OffloadPool::OffloadPool(const OffloadPoolOptions& options)
    : options_(options),
      keys_(std::make_unique<std::array<std::atomic<OffloadKeyQueue*>, kKeyBuckets>>()) {
  POP_CHECK(sem_init(&tokens_, 0, 0) == 0);
  for (uint32_t i = 0; i < options_.threads; ++i) {
    workers_.push_back(std::make_unique<Worker>());
    Worker& worker = *workers_.back();
    worker.thread = std::thread([this, &worker, i] { Serve(worker, i); });
  }
}

OffloadPool::~OffloadPool() {
  for (size_t i = 0; i < workers_.size(); ++i) POP_CHECK(sem_post(&tokens_) == 0);
  for (const auto& worker : workers_) worker->thread.join();
  POP_CHECK(submitted_.empty() && turn_first_ == nullptr);
  sem_destroy(&tokens_);
  for (std::atomic<OffloadKeyQueue*>& bucket : *keys_) {
    OffloadKeyQueue* queue = bucket.load(std::memory_order_relaxed);
    while (queue != nullptr) {
      OffloadKeyQueue* const next = queue->same_bucket;
      delete queue;
      queue = next;
    }
  }
}

bool OffloadPool::Submit(Reactor& home, uint64_t key, OffloadJob& job) {
  POP_CHECK(!job.pending_);
  OffloadKeyQueue& queue = FindKey(key);
  const uint32_t of_key = queue.queued.fetch_add(1, std::memory_order_relaxed);
  const bool has_few = of_key < options_.queued_always_per_key;
  const uint32_t most = has_few ? options_.queued_max * kQueuedHardFactor : options_.queued_max;
  if (of_key >= options_.queued_max_per_key || !AddBounded(queued_, most)) {
    queue.queued.fetch_sub(1, std::memory_order_relaxed);
    refused_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  job.home_ = &home;
  job.pending_ = true;
  job.queue_ = &queue;
  job.submitted_us_ = home.now_us();
  submitted_.Push(job);
  POP_CHECK(sem_post(&tokens_) == 0);
  return true;
}

OffloadKeyQueue& OffloadPool::FindKey(uint64_t key) {
  // Fibonacci hashing: ids count up.
  const uint64_t bucket_index = key * 0x9E3779B97F4A7C15U >> 52;
  static_assert(kKeyBuckets == uint64_t{1} << (64 - 52));
  std::atomic<OffloadKeyQueue*>& bucket = (*keys_)[bucket_index];
  std::unique_ptr<OffloadKeyQueue> made;
  OffloadKeyQueue* head = bucket.load(std::memory_order_acquire);
  OffloadKeyQueue* searched = nullptr;  // From here on the list was looked through.
  while (true) {
    for (OffloadKeyQueue* queue = head; queue != searched; queue = queue->same_bucket) {
      if (queue->key == key) return *queue;
    }
    searched = head;
    if (made == nullptr) made = std::make_unique<OffloadKeyQueue>(key);
    made->same_bucket = head;
    if (bucket.compare_exchange_strong(head, made.get(), std::memory_order_acq_rel,
                                       std::memory_order_acquire)) {
      return *made.release();
    }
  }
}

void OffloadPool::Serve(Worker& worker, uint32_t number) {
  pthread_setname_np(pthread_self(),
                     (options_.name.substr(0, 10) + "-" + std::to_string(number)).c_str());
  // Linux gives each thread a nice value of its own. A refusal (of a negative one) changes no
  // result.
  if (options_.nice != 0) setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), options_.nice);
  while (true) {
    while (sem_wait(&tokens_) != 0) POP_CHECK(errno == EINTR);
    OffloadJob* const job = NextJob();
    if (job == nullptr) return;  // Only at the end are there more tokens than jobs.
    const uint64_t started_us = ClockUs();
    worker.wait_us.Observe(ElapsedUs(job->submitted_us_, started_us));
    worker.working.Set(1);
    job->Work();
    worker.working.Set(0);
    worker.work_us.Observe(ElapsedUs(started_us, ClockUs()));
    job->home_->Post(job->done_);  // It may be gone as soon as it is posted.
  }
}

OffloadJob* OffloadPool::Take() {
  POP_CHECK(workers_.empty());
  OffloadJob* const job = NextJob();
  if (job != nullptr) POP_CHECK(sem_trywait(&tokens_) == 0);
  return job;
}

void OffloadPool::Run(OffloadJob& job) {
  job.Work();
  job.home_->Post(job.done_);
}

OffloadJob* OffloadPool::NextJob() {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto give_turn = [this](OffloadKeyQueue& queue) {
    queue.next_turn = nullptr;
    (turn_first_ == nullptr ? turn_first_ : turn_last_->next_turn) = &queue;
    turn_last_ = &queue;
  };
  OffloadJob* submitted = submitted_.TakeAll();
  while (submitted != nullptr) {
    OffloadJob* const next = submitted->next_;
    OffloadKeyQueue& queue = *submitted->queue_;
    if (queue.first == nullptr) give_turn(queue);
    queue.Append(*submitted);
    submitted = next;
  }
  if (turn_first_ == nullptr) return nullptr;
  OffloadKeyQueue& queue = *turn_first_;
  turn_first_ = queue.next_turn;
  OffloadJob* const job = queue.first;
  queue.first = job->next_;
  if (queue.first != nullptr) give_turn(queue);
  queue.queued.fetch_sub(1, std::memory_order_relaxed);
  queued_.fetch_sub(1, std::memory_order_relaxed);
  return job;
}

void OffloadPool::Register(base::MetricRegistry& registry) const {
  const base::MetricLabels labels{{"pool", options_.name}};
  for (const auto& worker : workers_) {
    registry.Add(worker->wait_us, 1e-6, "poplar_offload_wait_seconds",
                 "From a job's submission until a thread took it.", labels);
    registry.Add(worker->working, "poplar_offload_working", "Threads that are at a job.", labels);
    registry.Add(worker->work_us, 1e-6, "poplar_offload_work_seconds", "What jobs took.", labels);
  }
  const auto add_limit = [&](uint32_t limit, std::string_view name, std::string_view help) {
    registry.AddComputed(
        base::MetricRegistry::Kind::kGauge, [limit] { return static_cast<double>(limit); }, name,
        help, labels);
  };
  add_limit(options_.threads, "poplar_offload_threads", "Threads of a pool.");
  add_limit(options_.queued_max, "poplar_offload_queued_max",
            "Jobs that may wait; beyond it only those of tenants that have few.");
  registry.AddComputed(
      base::MetricRegistry::Kind::kGauge, [this] { return static_cast<double>(queued()); },
      "poplar_offload_queued", "Jobs that no thread took yet.", labels);
  registry.AddComputed(
      base::MetricRegistry::Kind::kCounter, [this] { return static_cast<double>(refused()); },
      "poplar_offload_refused_total", "Jobs refused because a queue was full.", labels);
}

}  // namespace poplar::io
