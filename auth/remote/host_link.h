// One shard's way to one auth host: questions go out as the host has room for them, each within its
// deadline, and several back ends (instances) of the host share it fairly, and tenants each back
// end.
//
// - At most `calls_max` questions are with the host, at most `instance_calls_max` of one instance,
//   and at most half of `calls_max` of instances that are slow: directories that are down hold up
//   nobody else's. In the same way, where there are several tenants, one of them never has all that
//   an instance may have out, and those whose questions are slow have half of it together. Slow is
//   who has a question out for long, or had one lately (pace.h).
// - A question that is late is answered so; its place stays taken until the host answers after all.
//   When too many places are lost, or one for too long, the host is to be replaced.
// - While there is no host, questions wait for the next one, within their deadlines.
//
// Lives on its shard.

#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "auth/host/frames.h"
#include "auth/remote/pace.h"
#include "auth/remote/remote_metrics.h"
#include "auth/remote/tenant_queue.h"
#include "auth/service/backend_call.h"
#include "auth/service/pending.h"
#include "core/base/fd.h"
#include "core/io/reactor.h"
#include "core/io/timer.h"

namespace poplar::auth {

struct HostLinkOptions {
  uint32_t calls_max = 4;
  uint32_t instance_calls_max = 2;
  uint32_t waiting_max = 1024;  // For each instance; of one tenant half of it.
  uint32_t lost_max = 2;
  uint32_t hung_ms = 20'000;   // After its deadline; a tenant may have no other place.
  uint64_t slow_us = 500'000;  // A question that takes longer is slow.
};

// Why a question has no answer.
struct NoAnswer {
  std::string_view reason;
  bool unreached = false;  // It was asked in vain, or could not be for too long.
};

class HostLink {
 public:
  // One back end's questions.
  struct Lane {
    uint32_t instance = 0;
    RemoteMetrics* metrics = nullptr;
    bool has_tenants = false;  // Several may ask, also if only one has so far.

    // For the link alone.
    TenantQueue waiting;
    uint32_t asked = 0;
    bool in_turns = false;
    Pace pace = {};
    SlowTenants slow_tenants;
  };
  // What the host said; null: it never did.
  using Told = std::function<void(AnswerFrame* answer, const NoAnswer& why)>;

  // `replace` is called when too many places are lost; on this shard.
  HostLink(io::Reactor& reactor, const HostLinkOptions& options, std::function<void()> replace);
  HostLink(const HostLink&) = delete;
  HostLink& operator=(const HostLink&) = delete;
  ~HostLink();

  // A host, from now on, instead of the last one. Questions that the last had are answered.
  void Connect(base::UniqueFd socket);
  // No host, until the next.
  void Disconnect();
  // For the end: as Disconnect; closed() is true a while later, and then it may be destroyed.
  void BeginClose();
  bool closed() const { return !readable_.in_flight() && questions_.empty(); }

  // For Ask. It lives as long as the link: questions of its own may be lost in the host when
  // nobody asks any more. `metrics` outlives the link.
  Lane& AddLane(uint32_t instance, RemoteMetrics& metrics);

  // `told` comes once, by `deadline_us` at the latest, perhaps from within the call.
  void Ask(Lane& lane, TenantId tenant, QuestionFrame question, uint64_t deadline_us, Told told);

 private:
  struct Question;

  void OnReadable(int32_t result, uint32_t flags);
  void OnRetry() { Pump(); }
  void Listen();
  void TakeAnswers();
  void OnAnswer(AnswerFrame answer);
  void OnDeadline(Question& question);
  void AskToReplace();
  void Pump();
  Question* NextToAsk();
  bool IsSlow(const Question& question) const;
  bool Slow(const Lane& lane) const;
  bool Slow(const Lane& lane, TenantId tenant) const;
  size_t AskedOfSlowLanes() const;
  size_t AskedOfSlowTenants(const Lane& lane) const;
  size_t AskedOf(const Lane& lane, TenantId tenant) const;
  std::optional<uint64_t> NextOf(const Lane& lane) const;
  bool Send(Question& question);
  void Tell(Question& question, AnswerFrame* answer, const NoAnswer& why);
  void End(Question& question);

  io::Reactor& reactor_;
  const HostLinkOptions options_;
  const std::function<void()> replace_;
  base::UniqueFd socket_;
  base::UniqueFd next_socket_;  // While the last operation on the old one ends.
  bool connected_ = false;
  bool replace_asked_ = false;
  uint64_t last_id_ = 0;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Question>> questions_;
  std::deque<Lane> lanes_;
  std::deque<Lane*> turns_;      // Lanes with somebody waiting.
  std::vector<Question*> sent_;  // That the host has, lost ones too.
  uint32_t lost_ = 0;
  std::vector<char> packet_;
  io::OpFor<&HostLink::OnReadable> readable_{this};
  io::TimerFor<&HostLink::OnRetry> retry_;
};

}  // namespace poplar::auth
