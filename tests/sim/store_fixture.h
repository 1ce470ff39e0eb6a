// A store of one partition on one simulated machine, driven step by step from the test.

#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <list>
#include <string>
#include <utility>
#include <vector>

#include "core/base/log.h"
#include "tests/sim/world.h"

namespace poplar::sim {

class SimStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    base::StartLog({.level = base::LogLevel::kNone});
    storage::CreateOptions create;
    create.partitions = 1;
    create.env = &world_.disk();
    create.clock = &world_.clock();
    ASSERT_TRUE(storage::CreateStore("/store", create).ok());
    options_.path = "/store";
    options_.segment_bytes = options_.first_segment_bytes = 64 * kKiB;
    options_.segment_pace_us_per_mib = 0;
    options_.blob_bytes_min = 8 * kKiB;
    options_.reserve_bytes = 0;
    options_.recovery_threads = 1;
    ASSERT_TRUE(Open().ok());
  }
  void TearDown() override {
    if (world_.open()) (void)world_.Close();
    base::StopLog();
  }

  Status Open() { return world_.Open(options_, 1); }

  // The power goes or the process ends, whatever is under way.
  void EndBy(void (SimDisk::*end)()) {
    (world_.disk().*end)();
    Settle();
    (void)world_.Close();
    world_.disk().Restart();
  }

  void Begin(io::Task<void> task) {
    tasks_.push_back(std::move(task));
    world_.shards().RunOn(ShardIndex(0), [this](io::Shard&) { tasks_.back().Start(); });
  }
  void Settle() {
    world_.StepUntil("tasks", [this] {
      std::erase_if(tasks_, [](const io::Task<void>& task) { return task.done(); });
      return tasks_.empty();
    });
  }

  static std::string Message(size_t bytes) {
    std::string wire = "Subject: m\r\n\r\n";
    while (wire.size() < bytes) wire += std::to_string(wire.size()) + "\r\n";
    return wire + ".\r\n";
  }

  // `between` is called before the last piece is handed over.
  io::Task<void> DeliverTask(std::string wire, std::function<void()> between,
                             storage::DeliveryOutcome* outcome) {
    storage::ShardStore& store = world_.StoreOn(ShardIndex(0));
    storage::DeliveryRequest request;
    request.recipients.push_back({key_, {}});
    request.received_us = 1;
    const auto delivery = store.BeginDelivery(std::move(request));
    const size_t half = wire.size() - 100;
    for (const auto& [at, bytes] : {std::pair(size_t{0}, half), std::pair(half, size_t{100})}) {
      io::Completion<Status> written;
      delivery->Write(std::string_view(wire).substr(at, bytes), written);
      const Status status = co_await written;
      if (!status.ok()) co_return;
      if (at == 0 && between) between();
    }
    storage::DeliveryFacts facts;
    facts.wire_bytes = wire.size();
    facts.octets = wire.size() - 3;
    facts.header_bytes = 14;
    io::Completion<std::vector<storage::DeliveryOutcome>> done;
    delivery->Commit(facts, done);
    const std::vector<storage::DeliveryOutcome> outcomes = co_await done;
    *outcome = outcomes[0];
  }
  storage::DeliveryOutcome Deliver(const std::string& wire,
                                   std::function<void()> between = nullptr) {
    auto outcome = storage::DeliveryOutcome::kTemporary;
    Begin(DeliverTask(wire, std::move(between), &outcome));
    Settle();
    return outcome;
  }

  io::Task<void> ReadAllTask(std::vector<StatusOr<std::string>>* bodies) {
    io::Completion<storage::OpenResult> opened;
    world_.StoreOn(ShardIndex(0)).Open(key_, SessionId(1), opened);
    const storage::OpenResult result = co_await opened;
    if (result.outcome != storage::OpenOutcome::kOpen) co_return;
    for (uint32_t i = 0; i < result.maildrop->count(); ++i) {
      const auto body = result.maildrop->OpenBody(storage::MessagePosition(i));
      std::string wire(body->wire_bytes(), '\0');
      io::Completion<StatusOr<size_t>> read;
      body->Read(0, wire, read);
      const StatusOr<size_t> got = co_await read;
      bodies->push_back(got.ok() ? StatusOr<std::string>(wire) : got.status());
    }
  }
  using Choose = std::function<bool(uint32_t position)>;
  io::Task<void> DeleteTask(Choose chosen, storage::CommitOutcome* outcome) {
    io::Completion<storage::OpenResult> opened;
    world_.StoreOn(ShardIndex(0)).Open(key_, SessionId(1), opened);
    const storage::OpenResult result = co_await opened;
    if (result.outcome != storage::OpenOutcome::kOpen) co_return;
    std::vector<storage::MessagePosition> deleted;
    for (uint32_t i = 0; i < result.maildrop->count(); ++i) {
      if (chosen(i)) deleted.emplace_back(i);
    }
    io::Completion<storage::CommitOutcome> done;
    result.maildrop->Commit(std::move(deleted), {}, done);
    *outcome = co_await done;
  }
  storage::CommitOutcome Delete(Choose chosen) {
    auto outcome = storage::CommitOutcome::kFailed;
    Begin(DeleteTask(std::move(chosen), &outcome));
    Settle();
    return outcome;
  }

  void ExpectBodies(const std::vector<std::string>& expected) {
    std::vector<StatusOr<std::string>> bodies;
    Begin(ReadAllTask(&bodies));
    Settle();
    ASSERT_EQ(bodies.size(), expected.size());
    for (size_t i = 0; i < bodies.size(); ++i) {
      ASSERT_TRUE(bodies[i].ok()) << bodies[i].status();
      EXPECT_EQ(*bodies[i], expected[i]);
    }
  }

  uint64_t Metric(const std::string& name) const {
    return static_cast<uint64_t>(world_.Metric(name));
  }
  // Fills two blocks with its record, so that compaction gains nothing while it lives.
  static std::string TwoBlocks() { return Message(7'900); }

  storage::MaildropKey key_{TenantId(1), "alice"};
  Dice dice_{11};
  Trace trace_{false};
  World world_{{}, &dice_, &trace_, [](const std::string& what) {
                 ADD_FAILURE() << what;
                 std::abort();
               }};
  storage::StoreOptions options_;
  std::list<io::Task<void>> tasks_;
};

}  // namespace poplar::sim
