// Binds sockets for threads that have no right to ports below 1024 any more, and sets a congestion
// control that is not everybody's: on a thread that keeps these rights alone, until it ends.

#pragma once

#include <sys/socket.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace poplar::app {

class PortBinder {
 public:
  // The thread has what this one has of these rights, and no other. `congestion_control`: of all
  // TCP sockets; empty: the system's.
  explicit PortBinder(std::string congestion_control);
  PortBinder(const PortBinder&) = delete;
  PortBinder& operator=(const PortBinder&) = delete;
  ~PortBinder();

  // As bind(2). Any thread. Whether the congestion control could be set sees who sets it again, as
  // anybody may set what is set.
  int Bind(int fd, const sockaddr* address, socklen_t bytes);

 private:
  struct Order {
    int fd = -1;
    const sockaddr* address = nullptr;
    socklen_t bytes = 0;
    int error_number = 0;
    bool done = false;
  };

  void Run();

  const std::string congestion_control_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Order* order_ = nullptr;  // Guarded by mutex_, as all below.
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace poplar::app
