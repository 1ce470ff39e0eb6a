// A lazy coroutine on one thread: nothing runs until it is awaited (or started as a root), and its
// awaiter goes on when it ends. A task that ends without waiting costs its awaiter no stack: a loop
// over tasks that never wait stays flat under every compiler.

#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "core/base/check.h"
#include "core/base/status.h"

namespace poplar::load {

template <class T>
class [[nodiscard]] Task;

namespace internal {

struct PromiseBase {
  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) noexcept {
      std::coroutine_handle<> next = ended.promise().awaiter;
      return next ? next : std::noop_coroutine();
    }
    void await_resume() noexcept {}
  };

  std::suspend_always initial_suspend() noexcept { return {}; }
  FinalAwaiter final_suspend() noexcept { return {}; }
  [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }

  std::coroutine_handle<> awaiter;
};

template <class T>
struct Promise : PromiseBase {
  Task<T> get_return_object();
  template <class U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T Take() {
    POP_CHECK(value.has_value());
    return std::move(*value);
  }

  std::optional<T> value;
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() {}
  void Take() {}
};

}  // namespace internal

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::Promise<T>;

  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&&) = delete;
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  // Destroying a task that waits destroys what it holds; its waiter must not be resumed later.
  ~Task() {
    if (handle_) handle_.destroy();
  }

  // Runs a root task up to its first wait. REQUIRES: not started yet.
  void Start() { handle_.resume(); }
  bool done() const { return handle_.done(); }

  auto operator co_await() && {
    struct Awaiter {
      std::coroutine_handle<promise_type> task;
      bool await_ready() const { return false; }
      bool await_suspend(std::coroutine_handle<> awaiter) {
        task.resume();
        if (task.done()) return false;  // it never waited: go straight on
        task.promise().awaiter = awaiter;
        return true;
      }
      T await_resume() { return task.promise().Take(); }
    };
    return Awaiter{handle_};
  }

 private:
  std::coroutine_handle<promise_type> handle_;
};

namespace internal {

template <class T>
Task<T> Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}

inline Task<void> Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

}  // namespace internal
}  // namespace poplar::load

// The macros of core/base/status.h, for coroutines.
#define LOAD_CO_RETURN_IF_ERROR(expression)         \
  do {                                              \
    ::poplar::Status load_status_ = (expression);   \
    if (!load_status_.ok()) co_return load_status_; \
  } while (false)

// `target` may be a declaration, so it cannot stand in parentheses.
// NOLINTBEGIN(bugprone-macro-parentheses)
#define LOAD_CO_ASSIGN_OR_RETURN(target, expression)                          \
  auto POP_STATUS_CONCAT_(load_result_, __LINE__) = (expression);             \
  if (!POP_STATUS_CONCAT_(load_result_, __LINE__).ok())                       \
    co_return std::move(POP_STATUS_CONCAT_(load_result_, __LINE__)).status(); \
  target = std::move(POP_STATUS_CONCAT_(load_result_, __LINE__)).value()
// NOLINTEND(bugprone-macro-parentheses)
