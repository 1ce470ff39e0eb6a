// Back ends asked in order, as one shard does it: the first that knows the name answers.
//
// - Nobody of that name here, or nothing there for what is asked: the next.
// - A wrong password or token, or an account that is switched off: the end, unless the link says
//   that the next is asked after a wrong one (an account may be moving from one to the other).
// - It could not answer: the end, for the name may be its own; or the next, where the link says so.
//   But then nobody further down may say that there is no such user: that stays unknown to us.
//
// A name that nobody knows costs a hash computation as well, so that time does not tell, and so
// does a wrong password for a back end that computes none on this machine.
//
// A password or a token that no link can judge is refused like any that is wrong: another answer
// would show strangers that the name's domain is a tenant's.
//
// A question for a verifier ends with one, of whomever (verifiers.h), unless it could not be asked.
// A link that has passwords, and no verifier of that name, is asked whether it knows the name: if
// so, that is a wrong password there. Else what is no good any more for PASS would still do for
// SCRAM, where a link further down has it. One that cannot look names up may know each.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "auth/schemes/hasher_pool.h"
#include "auth/service/backend_call.h"
#include "auth/service/chain_orders.h"
#include "auth/service/fair_key.h"
#include "auth/service/pool_port.h"
#include "auth/service/verifiers.h"

namespace poplar::auth {

struct ChainLink {
  std::unique_ptr<BackendPort> port;
  bool next_after_refused = false;
  bool next_after_failed = false;
};

bool CanAnswer(const Capabilities& capabilities, Operation operation);
// Whether the next link is asked, after this answer of one.
bool GoesOnAfter(const ChainLink& link, BackendOutcome outcome);
// Whether what a link answered takes the place of what the chain says so far.
bool Replaces(BackendOutcome so_far, BackendOutcome answer, bool goes_on);

class Chain {
 public:
  // `hashers`, `verifiers` and `hash_pool` outlive this.
  // The first `configured` links are everybody's, but for tenants that say otherwise.
  Chain(std::vector<ChainLink> links, size_t configured, const PolicyBoard* tenants,
        HasherPool& hashers, const VerifierMaker& verifiers, io::OffloadPool& hash_pool,
        io::Reactor& reactor);

  // What the back ends of a tenant's chain can do together; nullopt: those of all chains.
  Capabilities CapabilitiesOf(std::optional<TenantId> tenant);
  bool idle() const;
  const std::vector<ChainLink>& links() const { return links_; }
  // Whom to ask about a name, in order.
  std::shared_ptr<const ChainOrder> OrderOf(std::string_view login) { return orders_.Of(login); }
  // Whose turn its questions take.
  uint64_t FairKeyOf(std::string_view login) { return FairKey(orders_.Tenants(), login); }
  uint64_t now_us() const { return reactor_.now_us(); }

  // Answers `call` by whether its password is what `stored` is of: kOk, kRefused, or kTemporary
  // where that cannot be told. One hash computation.
  void Compare(base::Secret stored, WeakSchemes weak, BackendCall& call);
  // Answers it, with nothing, after one computation as well.
  void SpendOne(BackendCall& call);
  // Answers it with what `stored` is good for, if anything. Where passwords may be stored in clear,
  // it costs a computation, for everybody.
  void MakeVerifier(const base::Secret& stored, WeakSchemes weak, BackendCall& call);
  Verifier Decoy(const BackendQuestion& question) const {
    return verifiers_.Decoy(question.mechanism, question.login);
  }

 private:
  const std::vector<ChainLink> links_;
  ChainOrders orders_;
  HasherPool& hashers_;
  const VerifierMaker& verifiers_;
  io::OffloadPool& hash_pool_;
  io::Reactor& reactor_;
  PoolAsker computations_;
  bool clear_text_anywhere_ = false;  // Whatever tenants say.
};

// Of a password that a back end hands out for a name with this order.
inline WeakSchemes WeakSchemesOf(const BackendAnswer& answer, const ChainOrder& order) {
  return answer.weak_schemes || order.weak_schemes ? WeakSchemes::kAllow : WeakSchemes::kRefuse;
}

// A question on its way through a chain.
class ChainWalk final : private BackendCall {
 public:
  // Comes once, by the deadline at the latest, perhaps from within Begin. It may destroy the walk.
  using Ended = absl::AnyInvocable<void(ChainWalk&)>;

  ChainWalk(Chain& chain, BackendQuestion asked, uint64_t deadline_ms, Ended ended);

  void Begin() { AskNext(); }

  const std::shared_ptr<const ChainOrder>& order() const { return order_; }
  // In `ended`: what the chain says. The time is that of all back ends together.
  BackendAnswer& result() { return answer; }

 private:
  enum class Step : uint8_t { kAsking, kLookingUp, kComparing, kSpending, kMakingVerifier };

  const ChainLink& link() const { return chain_.links()[order_->links[next_ - 1]]; }
  void AskNext();
  void Answered() override;
  // Has this link, which has no verifier of the name, the name itself? As mail asks.
  void LookUp();
  void TakeLookUp();
  // Of `answer`: does somebody else know better?
  void Judge();
  // A password with what the back end has stored.
  void Compare();
  void TakeVerifier();
  void Conclude();
  void End();

  Chain& chain_;
  Ended ended_;
  const std::shared_ptr<const ChainOrder> order_;
  size_t next_ = 0;  // In it.
  Step step_ = Step::kAsking;
  std::string mechanism_;  // That is wanted, while a name is looked up.
  BackendAnswer found_;    // While its password is compared.
  BackendAnswer verdict_;  // So far.
  bool computed_ = false;  // A hash, on this machine.
  uint64_t asked_us_ = 0;
};

}  // namespace poplar::auth
