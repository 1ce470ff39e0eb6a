#include "auth/host/auth_host.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "auth/host/frames.h"
#include "auth/host/line_allowance.h"
#include "auth/host/plugin.h"
#include "core/base/clock.h"

namespace poplar::auth {
namespace {

constexpr int kExitOk = 0;
constexpr int kExitFault = 70;
constexpr int kOutdatedLookMs = 2'000;
// What was asked is given so long before an end; a call may hang.
constexpr int kFinishMs = 2'000;

// How long lines that were left out may stay untold.
constexpr int kTellLeftOutMs = 1'000;

// For the log function of the plug-in interface, which is given nothing of ours.
std::atomic<int> log_fd{-1};
LineAllowance line_allowance;

void SendFrame(int fd, const StatusOr<base::Secret>& frame) {
  if (!frame.ok()) return;
  const std::string_view bytes = frame->Reveal();
  // Whoever has gone needs no answer.
  while (::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

void TellLeftOut(uint64_t lines) {
  if (lines > 0)
    SendFrame(log_fd.load(std::memory_order_relaxed), Encode(LogFrame{.left_out = lines}));
}

void LogSentence(poplar_level level, const char* sentence) {
  if (sentence == nullptr) return;
  const LineAllowance::Verdict verdict = line_allowance.Take(base::SystemClock().MonotonicUs());
  TellLeftOut(verdict.left_out_before);
  if (!verdict.taken) return;
  const std::string_view text = sentence;
  SendFrame(log_fd.load(std::memory_order_relaxed),
            Encode(LogFrame{.level = std::min<uint32_t>(level, POPLAR_DEBUG),
                            .sentence = std::string(text.substr(0, kAnswerFieldBytesMax))}));
}

void Harden() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_DUMPABLE, 0);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const rlimit none{};
  ::setrlimit(RLIMIT_CORE, &none);
  // The server ends its hosts by their sockets; a terminal's Ctrl-C is for the server.
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
  ::signal(SIGPIPE, SIG_IGN);
}

// An instance, and how many of its calls are under way.
struct Instance {
  void* plugin_instance = nullptr;
  uint32_t asked = 0;
  bool closing = false;
};

class AuthHost {
 public:
  AuthHost(AuthHostSockets sockets, AuthHostOptions options)
      : sockets_(std::move(sockets)), options_(std::move(options)) {}

  int Run() {
    log_fd = sockets_.control.get();
    if (!LoadPlugin()) return kExitFault;
    bool outdated = false;
    while (!outdated && TakeSome()) outdated = IsOutdated();
    if (outdated) FinishWhatWasAsked();
    // Threads may be inside a plug-in that never returns.
    std::_Exit(outdated ? kAuthHostOutdated : kExitOk);
  }

 private:
  struct Question {
    int fd = -1;
    QuestionFrame frame;
  };

  // One packet, or nothing: the other end has gone, or nothing is there.
  std::optional<base::Secret> Receive(int fd, bool& ended) {
    const ssize_t got = ::recv(fd, packet_.data(), packet_.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (got > 0 && static_cast<size_t>(got) <= packet_.size()) {
      base::Secret frame({packet_.data(), static_cast<size_t>(got)});
      base::Wipe(packet_.data(), static_cast<size_t>(got));
      return frame;
    }
    ended = got >= 0 || (errno != EAGAIN && errno != EINTR);
    return std::nullopt;
  }

  bool LoadPlugin() {
    pollfd waited{.fd = sockets_.control.get(), .events = POLLIN, .revents = 0};
    while (::poll(&waited, 1, -1) < 0 && errno == EINTR) {
    }
    bool ended = false;
    const std::optional<base::Secret> frame = Receive(sockets_.control.get(), ended);
    LoadFrame load;
    if (!frame.has_value() || !Decode(frame->Reveal(), load)) return false;
    LoadedFrame loaded;
    auto plugin = ConfineAndLoad(load);
    if (plugin.ok()) {
      plugin_ = std::move(*plugin);
      loaded.name = plugin_->name();
      loaded.operations = plugin_->operations();
      for (uint32_t i = 0; i < std::max(load.threads, 1U); ++i) {
        std::thread([this] { Answer(); }).detach();
      }
    } else {
      loaded.fault = Message(plugin.status());
    }
    SendFrame(sockets_.control.get(), Encode(loaded));
    return plugin_ != nullptr;
  }

  StatusOr<std::unique_ptr<Plugin>> ConfineAndLoad(const LoadFrame& load) const {
    POP_RETURN_IF_ERROR(options_.confine());
    return Plugin::Load(options_.plugin, &LogSentence, load.instance_calls_max);
  }

  // Looks now and then.
  bool IsOutdated() {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_look_) return false;
    next_look_ = now + std::chrono::milliseconds(kOutdatedLookMs);
    if (!options_.outdated()) return false;
    LogSentence(POPLAR_INFO, "a file that it reads was replaced by another one: it starts anew");
    return true;
  }

  // Whoever asks from now on cannot send, and waits for the next process.
  void FinishWhatWasAsked() {
    for (const base::UniqueFd& shard : sockets_.shards) {
      ::shutdown(shard.get(), SHUT_RD);
      bool ended = false;
      TakeQuestions(shard.get(), ended);
    }
    std::unique_lock<std::mutex> lock(mutex_);
    idle_.wait_for(lock, std::chrono::milliseconds(kFinishMs),
                   [this] { return questions_.empty() && answering_ == 0; });
  }

  void TakeQuestions(int fd, bool& ended) {
    while (const auto frame = Receive(fd, ended)) {
      Question question{.fd = fd, .frame = {}};
      if (Decode(frame->Reveal(), question.frame)) Queue(std::move(question));
    }
  }

  // False: the server has gone.
  bool TakeSome() {
    std::vector<pollfd> waited;
    waited.push_back({.fd = sockets_.control.get(), .events = POLLIN, .revents = 0});
    for (const base::UniqueFd& shard : sockets_.shards) {
      waited.push_back({.fd = shard.get(), .events = POLLIN, .revents = 0});
    }
    if (::poll(waited.data(), waited.size(), kTellLeftOutMs) < 0) return errno == EINTR;
    TellLeftOut(line_allowance.TakeLeftOut(base::SystemClock().MonotonicUs()));
    bool ended = false;
    if (waited[0].revents != 0) {
      while (const auto frame = Receive(waited[0].fd, ended)) Control(frame->Reveal());
    }
    for (size_t i = 1; i < waited.size() && !ended; ++i) {
      if (waited[i].revents != 0) TakeQuestions(waited[i].fd, ended);
    }
    return !ended;
  }

  void Control(std::string_view frame) {
    OpenFrame open;
    CloseFrame close;
    if (Decode(frame, open)) {
      OpenedFrame opened{.instance = open.instance, .fault = ""};
      const StatusOr<void*> made = plugin_->Open(open.settings);
      if (made.ok()) {
        const std::lock_guard<std::mutex> lock(mutex_);
        instances_[open.instance].plugin_instance = *made;
      } else {
        opened.fault = Message(made.status());
      }
      for (auto& [name, value] : open.settings) base::Wipe(value.data(), value.size());
      SendFrame(sockets_.control.get(), Encode(opened));
    } else if (Decode(frame, close)) {
      std::unique_lock<std::mutex> lock(mutex_);
      const auto found = instances_.find(close.instance);
      if (found == instances_.end()) return;
      found->second.closing = true;
      EndIfUnused(lock, close.instance);
    }
  }

  void Queue(Question question) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      questions_.push_back(std::move(question));
    }
    asked_.notify_one();
  }

  // A thread's life.
  [[noreturn]] void Answer() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      asked_.wait(lock, [this] { return !questions_.empty(); });
      const Question question = std::move(questions_.front());
      questions_.pop_front();
      ++answering_;
      const auto found = instances_.find(question.frame.instance);
      AnswerFrame answer;
      answer.id = question.frame.id;
      answer.reason = "the plug-in has no such instance";
      if (found != instances_.end() && !found->second.closing) {
        ++found->second.asked;
        void* const instance = found->second.plugin_instance;
        lock.unlock();
        answer = plugin_->Ask(instance, question.frame);
        lock.lock();
        --instances_.at(question.frame.instance).asked;
        EndIfUnused(lock, question.frame.instance);
      }
      lock.unlock();
      SendFrame(question.fd, Encode(answer));
      lock.lock();
      if (--answering_ == 0) idle_.notify_all();
    }
  }

  void EndIfUnused(std::unique_lock<std::mutex>& lock, uint32_t number) {
    const auto found = instances_.find(number);
    if (!found->second.closing || found->second.asked > 0) return;
    void* const instance = found->second.plugin_instance;
    instances_.erase(found);
    lock.unlock();
    plugin_->Close(instance);
    lock.lock();
  }

  const AuthHostSockets sockets_;
  const AuthHostOptions options_;
  std::chrono::steady_clock::time_point next_look_;
  std::unique_ptr<Plugin> plugin_;
  std::array<char, kFrameBytesMax> packet_;
  std::mutex mutex_;
  std::condition_variable asked_;
  std::condition_variable idle_;            // Nothing is being answered.
  uint32_t answering_ = 0;                  // Guarded by mutex_: threads that do.
  std::deque<Question> questions_;          // Guarded by mutex_.
  std::map<uint32_t, Instance> instances_;  // Guarded by mutex_.
};

}  // namespace

int RunAuthHost(AuthHostSockets sockets, AuthHostOptions options) {
  Harden();
  // Its threads never end while the process lives, so it is never destroyed.
  static auto& host = *new AuthHost(std::move(sockets), std::move(options));
  return host.Run();
}

}  // namespace poplar::auth
