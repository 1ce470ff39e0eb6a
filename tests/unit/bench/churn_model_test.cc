#include "bench/load/churn_model.h"

#include <gtest/gtest.h>

namespace poplar::load {
namespace {

std::vector<SeenMessage> Seen(const std::vector<uint64_t>& ids) {
  std::vector<SeenMessage> seen;
  seen.reserve(ids.size());
  for (uint64_t id : ids) seen.push_back({.id = id, .uidl = "u" + std::to_string(id)});
  return seen;
}

TEST(ChurnModelTest, WhatWasPromisedMustBeThereOnce) {
  MaildropModel model;
  EXPECT_TRUE(model.Check({}).ok());
  model.Delivered(1);
  model.Delivered(2);
  EXPECT_TRUE(model.Check(Seen({2, 1})).ok());
  EXPECT_FALSE(model.Check(Seen({1})).ok());
  EXPECT_FALSE(model.Check(Seen({1, 2, 2})).ok());
  EXPECT_FALSE(model.Check(Seen({1, 2, 3})).ok());
}

TEST(ChurnModelTest, WhatWasNotPromisedMayComeLaterButNotLeave) {
  MaildropModel model;
  model.MaybeDelivered(1);
  EXPECT_TRUE(model.Check({}).ok());
  EXPECT_TRUE(model.Check(Seen({1})).ok());
  EXPECT_FALSE(model.Check({}).ok());
}

TEST(ChurnModelTest, DeletedMailDoesNotComeBack) {
  MaildropModel model;
  model.Delivered(1);
  model.Deleted({1});
  EXPECT_TRUE(model.Check({}).ok());
  EXPECT_FALSE(model.Check(Seen({1})).ok());
}

TEST(ChurnModelTest, ACutQuitIsAllOrNothing) {
  for (bool done : {false, true}) {
    MaildropModel model;
    for (uint64_t id : {1, 2, 3}) model.Delivered(id);
    model.MaybeDeleted({1, 2});
    MaildropModel half = model;
    EXPECT_FALSE(half.Check(Seen({2, 3})).ok());
    EXPECT_TRUE(model.Check(done ? Seen({3}) : Seen({1, 2, 3})).ok());
    // It is settled now.
    EXPECT_FALSE(model.Check(done ? Seen({1, 2, 3}) : Seen({3})).ok());
  }
}

TEST(ChurnModelTest, UniqueIdsNeverChange) {
  MaildropModel model;
  model.Delivered(1);
  EXPECT_TRUE(model.Check({{.id = 1, .uidl = "a"}}).ok());
  EXPECT_FALSE(model.Check({{.id = 1, .uidl = "b"}}).ok());
}

}  // namespace
}  // namespace poplar::load
