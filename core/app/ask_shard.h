// A question to the first shard from a thread that is no shard's, and the wait for its answer.

#pragma once

#include <functional>
#include <latch>

#include "core/io/shard.h"
#include "core/io/task.h"

namespace poplar::app {

template <class Answer>
using ShardQuestion = std::function<void(io::Completion<Answer>&)>;

template <class Answer>
io::Task<void> AwaitAnswer(const ShardQuestion<Answer>* ask, Answer* answer, std::latch* answered) {
  io::Completion<Answer> completion;
  (*ask)(completion);
  *answer = co_await completion;
  answered->count_down();
}

// Blocks. The question is asked on the shard; it must be answered before the shards end.
template <class Answer>
Answer AskFirstShard(io::ShardSet& shards, const ShardQuestion<Answer>& ask) {
  const ShardIndex first(0);
  Answer answer;
  std::latch answered(1);
  io::Task<void> task;
  shards.RunOn(first, [&](io::Shard&) {
    task = AwaitAnswer<Answer>(&ask, &answer, &answered);
    task.Start();
  });
  answered.wait();
  shards.RunOn(first, [&](io::Shard&) { task = io::Task<void>(); });
  return answer;
}

}  // namespace poplar::app
