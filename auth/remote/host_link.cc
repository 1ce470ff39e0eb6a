#include "auth/remote/host_link.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/base/check.h"

namespace poplar::auth {
namespace {

constexpr uint64_t kRetryMs = 10;

}  // namespace

struct HostLink::Question {
  Question(HostLink& owner, Lane& of, TenantId whose, QuestionFrame asked, Told to)
      : link(owner), lane(of), tenant(whose), frame(std::move(asked)), told(std::move(to)) {}

  void OnTime() { link.OnDeadline(*this); }

  HostLink& link;
  Lane& lane;
  const TenantId tenant;
  QuestionFrame frame;
  Told told;  // Empty once it was told.
  bool sent = false;
  uint64_t sent_us = 0;
  uint64_t deadline_us = 0;
  io::TimerFor<&Question::OnTime> deadline{&link.reactor_, this};
};

HostLink::HostLink(io::Reactor& reactor, const HostLinkOptions& options,
                   std::function<void()> replace)
    : reactor_(reactor),
      options_(options),
      replace_(std::move(replace)),
      packet_(kFrameBytesMax),
      retry_(&reactor, this) {}

HostLink::~HostLink() { POP_CHECK(closed()); }

void HostLink::Connect(base::UniqueFd socket) {
  Disconnect();
  next_socket_ = std::move(socket);
  Listen();
}

void HostLink::Disconnect() {
  connected_ = false;
  next_socket_.Reset();
  replace_asked_ = false;
  if (readable_.in_flight()) reactor_.Cancel(readable_);
  // What the host has is lost with it; what waits goes on waiting.
  lost_ = 0;
  while (!sent_.empty()) {
    Question& question = *sent_.front();
    Tell(question, nullptr, {.reason = "the auth host ended", .unreached = true});
    End(question);
  }
}

void HostLink::BeginClose() {
  Disconnect();
  while (!questions_.empty()) {
    Question& question = *questions_.begin()->second;
    question.lane.waiting.Remove(question.tenant, question.frame.id);
    Tell(question, nullptr, {.reason = "the server ends"});
    End(question);
  }
}

void HostLink::Listen() {
  if (readable_.in_flight() || !next_socket_.valid()) return;
  socket_ = std::move(next_socket_);
  connected_ = true;
  reactor_.PollMultishot(readable_, socket_.get(), POLLIN);
  Pump();
}

void HostLink::OnReadable(int32_t result, uint32_t /*flags*/) {
  if (readable_.in_flight()) return TakeAnswers();
  // The kernel may give up a multishot operation: then it is asked anew, and says what is there.
  if (result >= 0 && connected_) {
    next_socket_ = std::move(socket_);
  } else {
    socket_.Reset();
  }
  Listen();
}

void HostLink::TakeAnswers() {
  while (connected_) {
    const ssize_t got = ::recv(socket_.get(), packet_.data(), packet_.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return Disconnect();
    const auto bytes = static_cast<size_t>(got);
    AnswerFrame answer;
    const bool sound = Decode({packet_.data(), bytes}, answer);
    base::Wipe(packet_.data(), bytes);
    if (sound) OnAnswer(std::move(answer));
  }
}

void HostLink::OnAnswer(AnswerFrame answer) {
  const auto found = questions_.find(answer.id);
  if (found == questions_.end() || !found->second->sent) return;  // Of no question of ours.
  Question& question = *found->second;
  if (question.told == nullptr) {
    --lost_;  // Late, but its place is free again.
  } else {
    question.lane.metrics->answer_us.Observe(reactor_.now_us() - question.sent_us);
  }
  Tell(question, &answer, {});
  End(question);
  Pump();
}

void HostLink::OnDeadline(Question& question) {
  if (question.told == nullptr) return AskToReplace();  // It hangs.
  if (question.sent) {
    ++lost_;
    question.lane.metrics->late.Add();
    Tell(question, nullptr, {.reason = "the back end did not answer in time", .unreached = true});
    question.deadline.Arm(options_.hung_ms);
    if (lost_ >= options_.lost_max) AskToReplace();
    return;
  }
  question.lane.waiting.Remove(question.tenant, question.frame.id);
  Tell(question, nullptr,
       {.reason = "the back end was too busy to be asked in time", .unreached = true});
  End(question);
}

void HostLink::AskToReplace() {
  if (!std::exchange(replace_asked_, true)) replace_();
}

HostLink::Lane& HostLink::AddLane(uint32_t instance, RemoteMetrics& metrics) {
  return lanes_.emplace_back(Lane{.instance = instance,
                                  .metrics = &metrics,
                                  .waiting = {},
                                  .slow_tenants = SlowTenants(options_.slow_us)});
}

void HostLink::Ask(Lane& lane, TenantId tenant, QuestionFrame question, uint64_t deadline_us,
                   Told told) {
  if (lane.waiting.size() >= options_.waiting_max) {
    told(nullptr, {.reason = "too many questions wait for the back end"});
    return;
  }
  if (lane.waiting.SizeOf(tenant) >= std::max(options_.waiting_max / 2, 1U)) {
    told(nullptr, {.reason = "too many questions of this tenant wait for the back end"});
    return;
  }
  question.id = ++last_id_;
  question.instance = lane.instance;
  auto made = std::make_unique<Question>(*this, lane, tenant, std::move(question), std::move(told));
  made->deadline_us = deadline_us;
  const uint64_t now_us = reactor_.now_us();
  made->deadline.Arm((deadline_us - std::min(deadline_us, now_us)) / 1000);
  lane.waiting.Push(tenant, made->frame.id);
  lane.metrics->waiting.Add(1);
  questions_.emplace(made->frame.id, std::move(made));
  if (!std::exchange(lane.in_turns, true)) turns_.push_back(&lane);
  Pump();
}

bool HostLink::IsSlow(const Question& question) const {
  return reactor_.now_us() - question.sent_us > options_.slow_us;
}

bool HostLink::Slow(const Lane& lane) const {
  return lane.pace.SlowerThan(options_.slow_us, reactor_.now_us()) ||
         std::ranges::any_of(sent_, [&](const Question* question) {
           return &question->lane == &lane && IsSlow(*question);
         });
}

bool HostLink::Slow(const Lane& lane, TenantId tenant) const {
  return lane.slow_tenants.Contains(tenant, reactor_.now_us()) ||
         std::ranges::any_of(sent_, [&](const Question* question) {
           return &question->lane == &lane && question->tenant == tenant && IsSlow(*question);
         });
}

size_t HostLink::AskedOfSlowLanes() const {
  return static_cast<size_t>(
      std::ranges::count_if(sent_, [&](const Question* question) { return Slow(question->lane); }));
}

size_t HostLink::AskedOfSlowTenants(const Lane& lane) const {
  return static_cast<size_t>(std::ranges::count_if(sent_, [&](const Question* question) {
    return &question->lane == &lane && Slow(lane, question->tenant);
  }));
}

size_t HostLink::AskedOf(const Lane& lane, TenantId tenant) const {
  return static_cast<size_t>(std::ranges::count_if(sent_, [&](const Question* question) {
    return &question->lane == &lane && question->tenant == tenant;
  }));
}

// Of a lane with somebody waiting: whose turn it is, and who leaves places to the others.
std::optional<uint64_t> HostLink::NextOf(const Lane& lane) const {
  if (!lane.has_tenants) {
    return lane.waiting.Next([](TenantId) { return true; });
  }
  const uint32_t places = options_.instance_calls_max;
  const bool room_for_slow = AskedOfSlowTenants(lane) < std::max(places / 2, 1U);
  return lane.waiting.Next([&](TenantId tenant) {
    return AskedOf(lane, tenant) < std::max(places - 1, 1U) &&
           (room_for_slow || !Slow(lane, tenant));
  });
}

// Lanes in turns; one that may not ask now keeps its turn.
HostLink::Question* HostLink::NextToAsk() {
  for (size_t i = 0; i < turns_.size(); ++i) {
    Lane& lane = *turns_.front();
    turns_.pop_front();
    if (lane.waiting.empty()) {
      lane.in_turns = false;
      --i;
      if (turns_.empty()) return nullptr;
      continue;
    }
    turns_.push_back(&lane);
    if (lane.asked >= options_.instance_calls_max) continue;
    if (Slow(lane) && AskedOfSlowLanes() >= std::max(options_.calls_max / 2, 1U)) continue;
    const std::optional<uint64_t> next = NextOf(lane);
    if (next.has_value()) return questions_.at(*next).get();
  }
  return nullptr;
}

void HostLink::Pump() {
  while (connected_ && sent_.size() < options_.calls_max) {
    Question* const question = NextToAsk();
    if (question == nullptr) return;
    if (!Send(*question)) return;
  }
}

bool HostLink::Send(Question& question) {
  const uint64_t now_us = reactor_.now_us();
  question.frame.deadline_ms =
      static_cast<uint32_t>((question.deadline_us - std::min(question.deadline_us, now_us)) / 1000);
  const StatusOr<base::Secret> bytes = Encode(question.frame);
  if (!bytes.ok()) {
    question.lane.waiting.Remove(question.tenant, question.frame.id);
    Tell(question, nullptr, {.reason = Message(bytes.status())});
    End(question);
    return true;
  }
  const std::string_view packet = bytes->Reveal();
  if (::send(socket_.get(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    // Full, or gone: then the poll tells.
    retry_.Arm(kRetryMs);
    return false;
  }
  question.lane.waiting.Remove(question.tenant, question.frame.id);
  question.frame.secret.Clear();
  question.sent = true;
  question.sent_us = now_us;
  ++question.lane.asked;
  question.lane.metrics->asked.Add(1);
  sent_.push_back(&question);
  return true;
}

void HostLink::Tell(Question& question, AnswerFrame* answer, const NoAnswer& why) {
  const Told told = std::exchange(question.told, nullptr);
  if (told == nullptr) return;
  question.deadline.Disarm();
  question.lane.metrics->waiting.Add(-1);
  told(answer, why);
}

void HostLink::End(Question& question) {
  if (question.sent) {
    const uint64_t now_us = reactor_.now_us();
    question.lane.pace.Took(now_us - question.sent_us, now_us);
    question.lane.slow_tenants.Took(question.tenant, now_us - question.sent_us, now_us);
    --question.lane.asked;
    question.lane.metrics->asked.Add(-1);
    std::erase(sent_, &question);
  }
  questions_.erase(question.frame.id);
}

}  // namespace poplar::auth
