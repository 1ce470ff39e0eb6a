// While the server starts nothing is promised to anybody, and a start may be killed and begun anew:
// so SIGTERM and SIGINT end the process at once, with a word in the log, whatever the main thread
// is waiting for (a log that is replayed, a back end). What it has started ends with it.
//
// A thread of its own, which looks whether one of the signals waits for the main thread: no default
// action does that for the first process of a container. Made and ended on the main thread.

#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

namespace poplar::app {

class StartWatch {
 public:
  // REQUIRES: the signals are held back from every thread.
  StartWatch() : thread_([this] { Run(); }) {}
  ~StartWatch() { End(); }
  StartWatch(const StartWatch&) = delete;
  StartWatch& operator=(const StartWatch&) = delete;

  // From when it returns, the signals are left to whoever takes them. Can be called again.
  void End();

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable ending_changed_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace poplar::app
