// Penalties for failed log-ins: attempts wait, the longer the more failures there were lately from
// the client's address (IPv4 /32, IPv6 /64), from its network (IPv6 /48), for the login name, and
// for its tenant. Nobody is locked out; what is not repeated is forgotten.
//
// - Who logged in well from an address prefix before is known there: he waits for nobody's failures
//   but those of his own name from there. That is remembered by keyed hashes, in memory only, for
//   `known_days`; only a success puts anything there.
// - The same wrong password for the same name from the same place counts once (a phone with an old
//   one), as long as it is not tried more than twice a second for long: that is a load of its own.
// - A name counts whether anybody has it or not, by a hash (login_source.h).
// - One that found the queue full counts for its place, where the name is not known.
// - Attempts under way count for those of the same name from the same place as if they had failed,
//   until they end; and of those that wait one goes at a time. Or whoever has many connections
//   would have as many guesses before the first of them counts.
//
// One set of fixed tables for all shards (guilt_table.h, recent_set.h, under_way.h). Any thread.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/service/guilt_table.h"
#include "auth/service/last_places.h"
#include "auth/service/recent_set.h"
#include "auth/service/under_way.h"

namespace poplar::auth {

struct ThrottleOptions {
  // So many failures cost nothing, and all of them are forgotten again within `forget_ms`.
  uint32_t free_address = 5;
  uint32_t free_network = 50;
  uint32_t free_user = 20;
  uint32_t free_tenant = 1'000;
  uint32_t forget_ms = 300'000;
  uint32_t delay_first_ms = 250;
  uint32_t delay_max_ms = 4'000;  // For a name, kUserDelayFactor times as much; 0: nobody waits.
  uint32_t known_days = 30;
  uint32_t known_max = 256 * 1024;  // Of a name at a place each, 8 bytes; to a power of two.
  // Attempts that wait at one time, on each shard; beyond it they are refused at once. Of those who
  // are known, as many again.
  uint32_t waiting_max = 1'024;
};

// Guesses at one name come from many addresses at once, so each of them waits longer.
inline constexpr uint32_t kUserDelayFactor = 4;

// What attempts wait for. In the order of their names.
enum class PenaltyOf : uint8_t { kAddress, kNetwork, kUser, kTenant, kRepeats };
inline constexpr size_t kPenalties = static_cast<size_t>(PenaltyOf::kRepeats) + 1;
std::string_view Name(PenaltyOf penalty);

ClientPlace PlaceOf(const std::string& address);

// The other way round: "192.0.2.7", "2001:db8:0:1::/64"; empty: it could not be read.
std::string TextOf(const ClientPlace& place);

// What a log-in is judged by. `user` and `tenant` are keyed hashes, of the name and of its domain:
// strangers choose them.
struct LoginSource {
  ClientPlace place;
  uint64_t user = 0;
  uint64_t tenant = 0;
};

struct Penalty {
  uint32_t delay_ms = 0;  // 0: none.
  PenaltyOf because = PenaltyOf::kAddress;
  bool known = false;  // Who has logged in from there before.
};

// Whether an attempt may go on, or has to wait.
struct Admission {
  Penalty penalty;     // To be waited for; then AdmitAgain.
  UnderWay under_way;  // Of one that may go on: to be held until its end is counted.
  uint32_t turn = 0;   // For AdmitAgain.
};

// A penalty as it is told to whoever asks why somebody waits.
struct HeldPenalty {
  PenaltyOf because = PenaltyOf::kAddress;
  uint32_t delay_ms = 0;
  uint64_t lasts_ms = 0;  // If nothing else fails meanwhile.
  std::string place;      // Of those that are a place's; empty: those who come from anywhere wait.
};

class Throttle {
 public:
  explicit Throttle(const ThrottleOptions& options);

  // What it would wait, while so many `others` of its name are under way from its place.
  Penalty Judge(const LoginSource& source, uint64_t now_us, uint32_t others = 0) const;

  Admission Admit(const LoginSource& source, uint64_t now_us);
  // One that has waited: it waits anew if another one of its name from its place went meanwhile.
  // `turn` as it was told.
  Admission AdmitAgain(const LoginSource& source, uint32_t turn, uint64_t now_us);

  struct Counted {
    bool repeated = false;  // That guess was counted before.
    std::array<bool, kPenalties>
        begun{};  // By PenaltyOf: who comes next waits, and did not before.

    void Note(PenaltyOf of, bool begins) { begun[static_cast<size_t>(of)] |= begins; }
  };
  // `guess`: a keyed hash of name and password, if that can be known.
  Counted AddFailure(const LoginSource& source, std::optional<uint64_t> guess, uint64_t now_us);
  // One that nobody looked at, as too many wait: its place keeps the queue full, unless the name is
  // known there. The name and its tenant are whose they are; the right password may have been told.
  Counted AddNotAsked(const LoginSource& source, uint64_t now_us);
  // All that hold for a name: from anywhere, and at the place where it failed last.
  std::vector<HeldPenalty> Held(uint64_t user, uint64_t tenant, uint64_t now_us) const;
  // How many were pushed out of what is known, though they were there less than `known_days` ago.
  uint64_t known_forgotten() const { return known_.forgotten(); }
  // A log-in that was right.
  void AddSuccess(uint64_t user, const ClientPlace& place, uint64_t now_us);

 private:
  // Of a name at a place.
  uint64_t PairOf(uint64_t user, const ClientPlace& place) const;
  // A failure, of whatever name.
  void AddAtPlace(const ClientPlace& place, Counted& counted, uint64_t now_us);

  const uint64_t seed_;
  GuiltTable addresses_;  // Also names at places where they are known.
  GuiltTable networks_;
  GuiltTable users_;
  GuiltTable tenants_;
  GuiltTable repeats_;       // By address, or name at a place.
  RecentSet known_;          // Places, by name.
  RecentSet guesses_;        // That were counted.
  LastPlaces last_;          // Of failures, by name.
  UnderWayTable under_way_;  // By name at a place.
};

}  // namespace poplar::auth
