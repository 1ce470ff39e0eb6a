// One auth host as its parent sees it: the process, its control socket, and a socket for each
// shard. Blocking calls with deadlines; the thread that made it.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "auth/host/frames.h"
#include "auth/remote/host_spawner.h"
#include "core/base/fd.h"
#include "core/base/status.h"

namespace poplar::auth {

struct HostProcessOptions {
  HostSpawner* spawner = nullptr;  // Outlives the process.
  std::string plugin;              // The shared object.
  uint32_t threads = 4;
  uint32_t instance_calls_max = 0;  // At most so many questions at once; 0: not known.
  uint32_t shards = 1;
  uint32_t start_timeout_ms = 10'000;
  std::stop_token stop = {};  // Once requested the process ends, and with it all that waits for it.
};

// Of one look at a process: more are left for the next.
inline constexpr size_t kPluginLinesALookMax = 256;
// That come while something else is waited for; the rest is counted.
inline constexpr size_t kPluginLinesKeptMax = 256;

struct HostEnd {
  std::string why;        // By which signal, or with which exit code; a sentence.
  bool outdated = false;  // As it should: a file that it reads was replaced.
};

class HostProcess {
 public:
  // Starts it and loads the plug-in. kInvalidArgument: the plug-in is not fit, with a sentence;
  // kUnavailable: the process could not be started, or ended before it answered.
  static StatusOr<std::unique_ptr<HostProcess>> Start(const HostProcessOptions& options);
  HostProcess(const HostProcess&) = delete;
  HostProcess& operator=(const HostProcess&) = delete;
  // Ends it, with SIGKILL: questions under way count no more, and a plug-in may hang.
  ~HostProcess();

  const std::string& name() const { return loaded_.name; }
  uint32_t operations() const { return loaded_.operations; }
  pid_t pid() const { return pid_; }
  // Readable when there are lines for the log, or when it has ended.
  int control_fd() const { return control_.get(); }

  // kInvalidArgument: what the plug-in says is wrong with the settings; kUnavailable as above.
  Status Open(uint32_t instance, const PluginSettings& settings, uint32_t timeout_ms);
  // For who has the process for himself: asks by the first shard's socket and waits. kUnavailable:
  // no answer in time, or the process has ended. REQUIRES: nobody took that socket.
  StatusOr<AnswerFrame> Ask(const QuestionFrame& question, uint32_t timeout_ms);
  // Each once.
  base::UniqueFd TakeShardSocket(uint32_t shard) { return std::move(shard_sockets_[shard]); }

  using LogSink = std::function<void(const LogFrame& frame)>;
  // What came on the control socket, kPluginLinesALookMax at most. False: the process has ended.
  bool TakeLogs(const LogSink& sink);
  // Of one that has ended.
  HostEnd HowItEnded();
  // Octets of memory that are its own; 0: not known.
  uint64_t resident_bytes() const { return spawner_.ResidentBytes(pid_); }

 private:
  explicit HostProcess(HostSpawner& spawner) : spawner_(spawner) {}

  Status Spawn(const HostProcessOptions& options);
  // The next frame that is no line for the log.
  StatusOr<base::Secret> Receive(const base::UniqueFd& socket, uint32_t timeout_ms);
  static Status Send(const base::UniqueFd& socket, const StatusOr<base::Secret>& frame);

  HostSpawner& spawner_;
  pid_t pid_ = -1;
  bool reaped_ = false;
  base::UniqueFd control_;
  std::vector<base::UniqueFd> shard_sockets_;
  LoadedFrame loaded_;
  std::vector<LogFrame> logs_;  // That came while something else was waited for.
  uint64_t logs_left_out_ = 0;
  std::optional<std::stop_callback<std::function<void()>>> end_;
};

}  // namespace poplar::auth
