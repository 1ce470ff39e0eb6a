// Coroutines for the session drivers (and nothing below them). A Task is lazy: it starts when
// awaited, runs on its reactor's thread, and resumes its awaiter when it ends. Parameters of
// coroutines are values or pointers, never references to temporaries.
//
// Completion<T> is how plain code answers a coroutine: the asker owns it, hands it down, awaits it.
// Set may come before the await (then nothing is suspended) or later; the coroutine is resumed from
// the reactor's queue, never inside Set, so the answering code's stack is its own. The asker
// outlives the answer: destroying a Completion that was handed down and not yet Set is a failed
// check. Plain code that asks does not await, it calls Notify.

#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "core/base/check.h"
#include "core/io/reactor.h"
#include "core/io/work.h"

namespace poplar::io {

template <class T>
class [[nodiscard]] Task;

namespace internal {

class TaskPromiseBase {
 public:
  std::suspend_always initial_suspend() noexcept { return {}; }
  auto final_suspend() noexcept {
    struct ResumeAwaiter {
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<>) const noexcept {
        return continuation ? continuation : std::noop_coroutine();
      }
      void await_resume() const noexcept {}
      std::coroutine_handle<> continuation;
    };
    return ResumeAwaiter{continuation_};
  }
  void unhandled_exception() noexcept { std::terminate(); }  // No exceptions cross module borders.
  void set_continuation(std::coroutine_handle<> handle) { continuation_ = handle; }

 private:
  std::coroutine_handle<> continuation_;
};

template <class T>
class TaskPromise : public TaskPromiseBase {
 public:
  Task<T> get_return_object();
  void return_value(T value) { value_.emplace(std::move(value)); }
  T Take() { return std::move(*value_); }

 private:
  std::optional<T> value_;
};

template <>
class TaskPromise<void> : public TaskPromiseBase {
 public:
  Task<void> get_return_object();
  void return_void() {}
  void Take() {}
};

}  // namespace internal

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::TaskPromise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool done() const { return !handle_ || handle_.done(); }
  // Runs until its first suspension. For whoever owns the outermost task of a session; all others
  // await.
  void Start() { handle_.resume(); }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiter) noexcept {
    handle_.promise().set_continuation(awaiter);
    return handle_;
  }
  T await_resume() { return handle_.promise().Take(); }

 private:
  Handle handle_;
};

template <class T>
Task<T> internal::TaskPromise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<TaskPromise<T>>::from_promise(*this));
}
inline Task<void> internal::TaskPromise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<TaskPromise<void>>::from_promise(*this));
}

template <class T>
class Completion {
 public:
  Completion() = default;
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;
  ~Completion() { POP_CHECK(!waiter_ && !notified_); }

  // Answers. Exactly once for each await. On the asker's shard.
  void Set(T value) {
    POP_CHECK(!value_.has_value());
    value_.emplace(std::move(value));
    if (waiter_) Reactor::Current()->Schedule(resume_);
    if (notified_) Reactor::Current()->Schedule(*std::exchange(notified_, nullptr));
  }

  // Schedules `work` once the answer is there; then Take.
  void Notify(Work& work) {
    if (value_.has_value()) return Reactor::Current()->Schedule(work);
    notified_ = &work;
  }
  // REQUIRES: the answer is there.
  T Take() { return await_resume(); }

  bool await_ready() const noexcept { return value_.has_value(); }
  void await_suspend(std::coroutine_handle<> waiter) noexcept {
    POP_CHECK(!waiter_);
    waiter_ = waiter;
  }
  T await_resume() {
    T value = std::move(*value_);
    value_.reset();  // Ready for the next question.
    return value;
  }

 private:
  void Resume() { std::exchange(waiter_, nullptr).resume(); }

  std::optional<T> value_;
  std::coroutine_handle<> waiter_;
  Work* notified_ = nullptr;
  WorkFor<&Completion::Resume> resume_{this};
};

}  // namespace poplar::io
