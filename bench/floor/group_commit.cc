#include "bench/floor/group_commit.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace poplar::bench_floor {
namespace {

constexpr uint64_t kBlockBytes = 4096;
constexpr uint64_t kPieceBytes = uint64_t{1} << 20;
constexpr uint64_t kBatchRecordsMax = 256;
constexpr uint64_t kBatchBytesMax = uint64_t{8} << 20;

// Where producers wait for one writer. A producer is no thread here: it is one record that waits,
// and comes again as soon as it is durable.
class Waiting {
 public:
  void Add(uint64_t records) {
    {
      std::lock_guard lock(mutex_);
      records_ += records;
    }
    changed_.notify_one();
  }
  // Waits for some; at most `records_max`. 0: it is over.
  uint64_t Take(uint64_t records_max) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return records_ > 0 || over_; });
    if (over_) return 0;
    const uint64_t taken = std::min(records_, records_max);
    records_ -= taken;
    return taken;
  }
  void End() {
    {
      std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t records_ = 0;
  bool over_ = false;
};

// A file that is laid out, gone when this ends.
class LaidOutFile {
 public:
  explicit LaidOutFile(std::string path) : path_(std::move(path)) {}
  ~LaidOutFile() {
    if (descriptor_ < 0) return;
    close(descriptor_);
    unlink(path_.c_str());
  }
  LaidOutFile(const LaidOutFile&) = delete;
  LaidOutFile& operator=(const LaidOutFile&) = delete;

  Status LayOut(uint64_t bytes) {
    descriptor_ = open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor_ < 0) return ErrnoStatus(errno, path_);
    std::string zeros(kPieceBytes, '\0');
    for (uint64_t at = 0; at < bytes; at += kPieceBytes) {
      POP_RETURN_IF_ERROR(Write({{zeros.data(), zeros.size()}}, at));
    }
    return Flush();
  }

  Status Write(std::vector<iovec> pieces, uint64_t offset) const {
    size_t piece = 0;
    while (piece < pieces.size()) {
      const ssize_t moved =
          pwritev(descriptor_, &pieces[piece], static_cast<int>(pieces.size() - piece),
                  static_cast<off_t>(offset));
      if (moved < 0 && errno == EINTR) continue;
      if (moved <= 0) return ErrnoStatus(moved == 0 ? EIO : errno, path_);
      offset += static_cast<uint64_t>(moved);
      auto skip = static_cast<size_t>(moved);
      while (piece < pieces.size() && skip >= pieces[piece].iov_len) {
        skip -= pieces[piece++].iov_len;
      }
      if (piece == pieces.size()) break;
      pieces[piece].iov_base = static_cast<char*>(pieces[piece].iov_base) + skip;
      pieces[piece].iov_len -= skip;
    }
    return OkStatus();
  }

  Status Flush() const {
    return fdatasync(descriptor_) == 0 ? OkStatus() : ErrnoStatus(errno, path_);
  }

 private:
  const std::string path_;
  int descriptor_ = -1;
};

struct Writer {
  explicit Writer(std::string path) : file(std::move(path)) {}

  LaidOutFile file;
  Waiting waiting;
  uint64_t records = 0;
  uint64_t flushes = 0;
  Status status;
  std::thread thread;
};

using Writers = std::vector<std::unique_ptr<Writer>>;

// One write and one flush for all that waits, then those producers come again, in turns at every
// writer. `next` is this writer's own.
Status WriteBatches(const GroupCommitOptions& options, const Writers& writers, Writer* writer,
                    size_t next) {
  std::string record(options.record_bytes, 'x');
  const uint64_t records_max =
      std::clamp<uint64_t>(kBatchBytesMax / options.record_bytes, 1, kBatchRecordsMax);
  uint64_t at = 0;
  std::string padding(kBlockBytes, '\0');
  std::vector<uint64_t> again(writers.size());
  while (const uint64_t taken = writer->waiting.Take(records_max)) {
    const uint64_t bytes = taken * options.record_bytes;
    const uint64_t padding_bytes = (kBlockBytes - bytes % kBlockBytes) % kBlockBytes;
    if (at + bytes + padding_bytes > options.file_bytes) at = 0;
    std::vector<iovec> pieces(taken, {record.data(), record.size()});
    if (padding_bytes > 0) pieces.push_back({padding.data(), padding_bytes});
    POP_RETURN_IF_ERROR(writer->file.Write(std::move(pieces), at));
    POP_RETURN_IF_ERROR(writer->file.Flush());
    at += bytes + padding_bytes;
    writer->records += taken;
    ++writer->flushes;
    std::ranges::fill(again, 0);
    for (uint64_t i = 0; i < taken; ++i) ++again[next++ % writers.size()];
    for (size_t i = 0; i < writers.size(); ++i) {
      if (again[i] > 0) writers[i]->waiting.Add(again[i]);
    }
  }
  return OkStatus();
}

double CpuSeconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

}  // namespace

StatusOr<GroupCommitResult> RunGroupCommit(const GroupCommitOptions& options) {
  Writers writers;
  for (uint32_t i = 0; i < options.files; ++i) {
    writers.push_back(std::make_unique<Writer>(options.directory + "/floor-" + std::to_string(i)));
    POP_RETURN_IF_ERROR(writers.back()->file.LayOut(options.file_bytes));
  }
  for (uint32_t i = 0; i < options.producers; ++i) writers[i % writers.size()]->waiting.Add(1);
  const auto begin = std::chrono::steady_clock::now();
  const double cpu_before = CpuSeconds();
  for (size_t i = 0; i < writers.size(); ++i) {
    Writer* const writer = writers[i].get();
    writer->thread = std::thread([&options, &writers, writer, i] {
      writer->status = WriteBatches(options, writers, writer, i);
    });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(options.seconds));
  for (const auto& writer : writers) writer->waiting.End();
  for (const auto& writer : writers) writer->thread.join();
  GroupCommitResult result;
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  result.cpu_seconds = CpuSeconds() - cpu_before;
  for (const auto& writer : writers) {
    POP_RETURN_IF_ERROR(writer->status);
    result.records += writer->records;
    result.flushes += writer->flushes;
  }
  return result;
}

}  // namespace poplar::bench_floor
