// Questions to a shard from a test's own thread.

#pragma once

#include <functional>
#include <future>
#include <memory>
#include <utility>

#include "auth/api/auth.h"
#include "core/io/shard.h"
#include "core/io/task.h"

namespace poplar::auth {

// One question under way; Get waits for its answer.
template <class Result>
class Asking {
 public:
  using Question = std::function<void(io::Completion<Result>&)>;  // Runs on the shard.

  Asking(io::ShardSet& shards, ShardIndex index, const Question& question)
      : shards_(shards), index_(index), answer_(promise_.get_future()) {
    shards_.RunOn(index_, [&](io::Shard&) {
      done_ = std::make_unique<io::Completion<Result>>();
      question(*done_);
      task_ = Collect(done_.get(), &promise_);
      task_.Start();
    });
  }
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;
  ~Asking() {
    if (answer_.valid()) answer_.wait();
    shards_.RunOn(index_, [this](io::Shard&) {
      task_ = io::Task<void>();
      done_.reset();
    });
  }

  bool ready() const {
    return answer_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }
  Result Get() { return answer_.get(); }

 private:
  static io::Task<void> Collect(io::Completion<Result>* done, std::promise<Result>* promise) {
    promise->set_value(co_await *done);
  }

  io::ShardSet& shards_;
  const ShardIndex index_;
  std::promise<Result> promise_;
  std::future<Result> answer_;
  std::unique_ptr<io::Completion<Result>> done_;
  io::Task<void> task_;
};

}  // namespace poplar::auth
