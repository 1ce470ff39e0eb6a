#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <future>
#include <string>
#include <thread>

#include "auth/plugins/oauth/keys.h"

namespace poplar::oauth {
namespace {

using plugins::Clock;
using plugins::Deadline;
using plugins::SecretText;
using std::chrono::milliseconds;

// RFC 8037 appendix A.2.
constexpr char kSet[] =
    R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})";

Deadline In(milliseconds time) { return Clock::now() + time; }
Deadline Soon() { return In(std::chrono::seconds(20)); }

// Where keys come from: what it says can be changed, and it can be held.
class Source {
 public:
  Keys::Fetch Fetch() {
    return [this](Deadline deadline, std::string& fault) -> std::optional<SecretText> {
      ++fetched;
      const std::unique_lock<std::timed_mutex> answer(held, deadline);
      if (!answer.owns_lock()) fault = "no answer in time";
      if (!works) fault = "it is down";
      if (!fault.empty()) return std::nullopt;
      return SecretText(says);
    };
  }
  // Until somebody has asked so often.
  void WaitFor(int times) const {
    for (int i = 0; i < 2000 && fetched < times; ++i) std::this_thread::sleep_for(milliseconds(5));
    ASSERT_GE(fetched, times);
  }

  std::atomic<int> fetched = 0;
  std::atomic<bool> works = true;
  std::string says = kSet;
  std::timed_mutex held;
};

struct Got {
  std::shared_ptr<const KeySet> keys;
  std::string fault;
};
Got Get(Keys& keys, Deadline deadline = Soon()) {
  Got got;
  got.keys = keys.Get(deadline, got.fault);
  return got;
}
Got GetNewer(Keys& keys, const std::shared_ptr<const KeySet>& seen, Deadline deadline = Soon()) {
  Got got;
  got.keys = keys.GetNewer(seen, deadline, got.fault);
  return got;
}

// Old at once, and fetched as often as anybody likes.
constexpr KeyTimes kAlwaysOld{.age = milliseconds(0), .pause = milliseconds(0)};

TEST(OauthKeysTest, AreFetchedOnceAndKept) {
  Source source;
  Keys keys(source.Fetch());
  EXPECT_EQ(source.fetched, 0) << "nobody needs them yet";
  const Got first = Get(keys);
  ASSERT_NE(first.keys, nullptr) << first.fault;
  source.works = false;
  EXPECT_EQ(Get(keys).keys, first.keys);
  EXPECT_EQ(source.fetched, 1);
}

TEST(OauthKeysTest, NotMoreOftenThanThePauseLets) {
  Source source;
  source.works = false;
  Keys keys(source.Fetch(), {.age = milliseconds(0), .pause = milliseconds(300)});
  for (int i = 0; i < 5; ++i) {
    const Got none = Get(keys);
    EXPECT_EQ(none.keys, nullptr);
    EXPECT_EQ(none.fault, "it is down");
  }
  EXPECT_EQ(source.fetched, 1);
  source.works = true;
  std::this_thread::sleep_for(milliseconds(350));
  const Got now = Get(keys);
  ASSERT_NE(now.keys, nullptr);
  EXPECT_EQ(GetNewer(keys, now.keys).keys, nullptr);
  EXPECT_EQ(source.fetched, 2);
}

TEST(OauthKeysTest, OldOnesGoOnWhileNoOthersCanBeHad) {
  Source source;
  Keys keys(source.Fetch(), kAlwaysOld);
  const Got first = Get(keys);
  ASSERT_NE(first.keys, nullptr);
  source.works = false;
  EXPECT_EQ(Get(keys).keys, first.keys);
  source.works = true;
  for (const char* const lie : {"", "<html>", "[]", "{}", R"({"keys":[]})", R"({"keys":[{}]})",
                                R"({"keys":[{"kty":"oct","k":"c2VjcmV0"}]})"}) {
    source.says = lie;
    EXPECT_EQ(Get(keys).keys, first.keys) << lie;
    const Got newer = GetNewer(keys, first.keys);
    EXPECT_EQ(newer.keys, nullptr) << lie;
    EXPECT_NE(newer.fault, "") << "it is not sure that there are none: " << lie;
  }
  source.says = kSet;
  const Got second = Get(keys);
  EXPECT_NE(second.keys, first.keys);
  EXPECT_NE(second.keys, nullptr);
}

// One waits, half of his time at most; everybody else goes on with what is known.
TEST(OauthKeysTest, NobodyWaitsForAFetchWhoHasOldOnes) {
  Source source;
  Keys keys(source.Fetch(), kAlwaysOld);
  const Got first = Get(keys);
  ASSERT_NE(first.keys, nullptr);
  source.held.lock();
  const Deadline begun = Clock::now();
  std::future<Got> fetches =
      std::async(std::launch::async, [&] { return Get(keys, In(milliseconds(4'000))); });
  source.WaitFor(2);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Get(keys).keys, first.keys);
  EXPECT_EQ(source.fetched, 2);
  EXPECT_EQ(fetches.wait_for(milliseconds(0)), std::future_status::timeout) << "they were as fast";
  EXPECT_EQ(fetches.get().keys, first.keys);
  EXPECT_LT(Clock::now() - begun, milliseconds(3'900));
  source.held.unlock();
}

TEST(OauthKeysTest, WhoHasNoneWaitsForWhoeverFetchesThem) {
  Source source;
  Keys keys(source.Fetch());
  source.held.lock();
  std::array<std::future<Got>, 3> all;
  for (auto& one : all) one = std::async(std::launch::async, [&] { return Get(keys); });
  source.WaitFor(1);
  const Got late = Get(keys, In(milliseconds(20)));
  EXPECT_EQ(late.keys, nullptr);
  EXPECT_EQ(late.fault, "the issuer's keys are being fetched");
  source.held.unlock();
  for (auto& one : all) EXPECT_NE(one.get().keys, nullptr);
  EXPECT_EQ(source.fetched, 1);
}

TEST(OauthKeysTest, NewOnesForAStrangeToken) {
  Source source;
  Keys keys(source.Fetch(), {.pause = milliseconds(0)});
  const Got first = Get(keys);
  const Got second = GetNewer(keys, first.keys);
  ASSERT_NE(second.keys, nullptr);
  EXPECT_NE(second.keys, first.keys);
  EXPECT_EQ(GetNewer(keys, first.keys).keys, second.keys) << "somebody else has fetched them";
  EXPECT_EQ(source.fetched, 2);
  // While they are fetched it is not sure that there are none.
  source.held.lock();
  std::future<Got> fetches =
      std::async(std::launch::async, [&] { return GetNewer(keys, second.keys); });
  source.WaitFor(3);
  EXPECT_NE(GetNewer(keys, second.keys, In(milliseconds(20))).fault, "");
  EXPECT_EQ(Get(keys).keys, second.keys) << "others go on";
  source.held.unlock();
  EXPECT_NE(fetches.get().keys, nullptr);
}

}  // namespace
}  // namespace poplar::oauth
