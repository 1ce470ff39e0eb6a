#include "core/app/port_binder.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <utility>

#include "core/base/check.h"
#include "core/sandbox/capabilities.h"

namespace poplar::app {

PortBinder::PortBinder(std::string congestion_control)
    : congestion_control_(std::move(congestion_control)), thread_([this] { Run(); }) {}

PortBinder::~PortBinder() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void PortBinder::Run() {
  POP_CHECK(sandbox::DropCapabilities(sandbox::Keep::kPowersToListen).ok());
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || (order_ != nullptr && !order_->done); });
    if (ending_) return;
    if (!congestion_control_.empty() && order_->address->sa_family != AF_UNIX) {
      (void)::setsockopt(order_->fd, IPPROTO_TCP, TCP_CONGESTION, congestion_control_.data(),
                         static_cast<socklen_t>(congestion_control_.size()));
    }
    order_->error_number = ::bind(order_->fd, order_->address, order_->bytes) == 0 ? 0 : errno;
    order_->done = true;
    changed_.notify_all();
  }
}

int PortBinder::Bind(int fd, const sockaddr* address, socklen_t bytes) {
  Order order{.fd = fd, .address = address, .bytes = bytes};
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return order_ == nullptr; });
  order_ = &order;
  changed_.notify_all();
  changed_.wait(lock, [&order] { return order.done; });
  order_ = nullptr;
  changed_.notify_all();
  errno = order.error_number;
  return order.error_number == 0 ? 0 : -1;
}

}  // namespace poplar::app
