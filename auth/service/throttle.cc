#include "auth/service/throttle.h"

#include <arpa/inet.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "auth/service/seeded_mix.h"

namespace poplar::auth {
namespace {

constexpr size_t kNetworkBytes = 6;
constexpr uint32_t kDayS = 86'400;

// 8 bytes each.
constexpr uint32_t kAddressesMax = 32 * 1024;
constexpr uint32_t kNetworksMax = 4 * 1024;
constexpr uint32_t kUsersMax = 64 * 1024;
constexpr uint32_t kTenantsMax = 16 * 1024;
constexpr uint32_t kGuessesMax = 64 * 1024;
constexpr uint32_t kUnderWayMax = 32 * 1024;

// A phone tries its old password every few minutes; somebody who makes us compute hashes, at once.
constexpr uint32_t kRepeatsFree = 60;
constexpr uint32_t kRepeatsForgetMs = 500;

GuiltLimits LimitsOf(const ThrottleOptions& options, uint32_t free, uint32_t entries_max) {
  return {.free = free,
          .forget_ms = std::max(options.forget_ms / std::max(free, 1U), 1U),
          .delay_first_ms = options.delay_first_ms,
          .delay_max_ms = options.delay_max_ms,
          .entries_max = entries_max};
}

GuiltLimits LimitsOfUsers(const ThrottleOptions& options) {
  GuiltLimits limits = LimitsOf(options, options.free_user, kUsersMax);
  limits.delay_max_ms *= kUserDelayFactor;
  return limits;
}

GuiltLimits LimitsOfRepeats(const ThrottleOptions& options) {
  GuiltLimits limits = LimitsOf(options, kRepeatsFree, kAddressesMax);
  limits.forget_ms = kRepeatsForgetMs;
  return limits;
}

}  // namespace

std::string_view Name(PenaltyOf penalty) {
  constexpr std::array<std::string_view, kPenalties> kNames = {"address", "network", "user",
                                                               "tenant", "repeats"};
  return kNames[static_cast<size_t>(penalty)];
}

ClientPlace PlaceOf(const std::string& address) {
  ClientPlace place;
  in_addr v4{};
  if (::inet_pton(AF_INET, address.c_str(), &v4) == 1) {
    place.address = v4.s_addr;
    return place;
  }
  in6_addr v6{};
  if (::inet_pton(AF_INET6, address.c_str(), &v6) != 1) return place;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) {  // As the IPv4 address itself.
    std::memcpy(&v4, &v6.s6_addr[12], sizeof(v4));
    place.address = v4.s_addr;
    return place;
  }
  std::memcpy(&place.address, &v6, sizeof(place.address));
  std::memcpy(&place.network, &v6, kNetworkBytes);
  return place;
}

std::string TextOf(const ClientPlace& place) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (place.address <= UINT32_MAX && place.network == 0) {
    const in_addr v4{.s_addr = static_cast<in_addr_t>(place.address)};
    return ::inet_ntop(AF_INET, &v4, text.data(), text.size());
  }
  if (place.address == UINT64_MAX) return "";
  in6_addr v6{};
  std::memcpy(&v6, &place.address, sizeof(place.address));
  return std::string(::inet_ntop(AF_INET6, &v6, text.data(), text.size())) + "/64";
}

Throttle::Throttle(const ThrottleOptions& options)
    : seed_(NewSeed()),
      addresses_(LimitsOf(options, options.free_address, kAddressesMax)),
      networks_(LimitsOf(options, options.free_network, kNetworksMax)),
      users_(LimitsOfUsers(options)),
      tenants_(LimitsOf(options, options.free_tenant, kTenantsMax)),
      repeats_(LimitsOfRepeats(options)),
      known_({.ttl_s = options.known_days * kDayS, .entries_max = options.known_max}),
      guesses_({.ttl_s = kDayS, .entries_max = kGuessesMax}),
      under_way_(kUnderWayMax) {}

uint64_t Throttle::PairOf(uint64_t user, const ClientPlace& place) const {
  return SeededMix(seed_, user ^ SeededMix(seed_, place.address));
}

Penalty Throttle::Judge(const LoginSource& source, uint64_t now_us, uint32_t others) const {
  Penalty penalty;
  const auto consider = [&](PenaltyOf of, uint32_t delay_ms) {
    if (delay_ms > penalty.delay_ms) {
      penalty.delay_ms = delay_ms;
      penalty.because = of;
    }
  };
  const uint64_t pair = PairOf(source.user, source.place);
  penalty.known = known_.Contains(source.user, pair, now_us);
  const uint64_t here = penalty.known ? pair : source.place.address;
  consider(PenaltyOf::kAddress, addresses_.DelayMs(here, now_us, others));
  consider(PenaltyOf::kRepeats, repeats_.DelayMs(here, now_us));
  if (penalty.known) return penalty;
  if (source.place.network != 0) {
    consider(PenaltyOf::kNetwork, networks_.DelayMs(source.place.network, now_us, others));
  }
  consider(PenaltyOf::kUser, users_.DelayMs(source.user, now_us, others));
  consider(PenaltyOf::kTenant, tenants_.DelayMs(source.tenant, now_us, others));
  return penalty;
}

Admission Throttle::Admit(const LoginSource& source, uint64_t now_us) {
  const uint64_t pair = PairOf(source.user, source.place);
  // First it is counted, then judged: of those that come at once each sees the ones before.
  UnderWayTable::Entered entered = under_way_.Enter(pair);
  Admission admission{.penalty = Judge(source, now_us, entered.others),
                      .under_way = nullptr,
                      .turn = under_way_.Turn(pair)};
  if (admission.penalty.delay_ms == 0) admission.under_way = std::move(entered.under_way);
  return admission;
}

Admission Throttle::AdmitAgain(const LoginSource& source, uint32_t turn, uint64_t now_us) {
  Admission admission = Admit(source, now_us);
  if (admission.under_way) return admission;
  const uint64_t pair = PairOf(source.user, source.place);
  admission.turn = turn;
  if (under_way_.TakeTurn(pair, admission.turn)) {
    admission.under_way = under_way_.Enter(pair).under_way;
  }
  return admission;
}

Throttle::Counted Throttle::AddFailure(const LoginSource& source, std::optional<uint64_t> guess,
                                       uint64_t now_us) {
  Counted counted;
  last_.Set(source.user, source.place);
  const uint64_t pair = PairOf(source.user, source.place);
  const bool known = known_.Contains(source.user, pair, now_us);
  // By place: whether somebody else uses that password, or did, is not to be seen from elsewhere.
  counted.repeated =
      guess && guesses_.Add(*guess, SeededMix(seed_, *guess ^ source.place.address), now_us);
  if (counted.repeated) {
    counted.Note(PenaltyOf::kRepeats, repeats_.Add(known ? pair : source.place.address, now_us));
    return counted;
  }
  if (known) counted.Note(PenaltyOf::kAddress, addresses_.Add(pair, now_us));
  AddAtPlace(source.place, counted, now_us);
  counted.Note(PenaltyOf::kUser, users_.Add(source.user, now_us));
  counted.Note(PenaltyOf::kTenant, tenants_.Add(source.tenant, now_us));
  return counted;
}

Throttle::Counted Throttle::AddNotAsked(const LoginSource& source, uint64_t now_us) {
  Counted counted;
  const bool known = known_.Contains(source.user, PairOf(source.user, source.place), now_us);
  if (!known) AddAtPlace(source.place, counted, now_us);
  return counted;
}

void Throttle::AddAtPlace(const ClientPlace& place, Counted& counted, uint64_t now_us) {
  counted.Note(PenaltyOf::kAddress, addresses_.Add(place.address, now_us));
  if (place.network != 0) counted.Note(PenaltyOf::kNetwork, networks_.Add(place.network, now_us));
}

std::vector<HeldPenalty> Throttle::Held(uint64_t user, uint64_t tenant, uint64_t now_us) const {
  std::vector<HeldPenalty> held;
  const auto consider = [&](PenaltyOf of, const GuiltTable::Wait& wait, const std::string& place) {
    if (wait.delay_ms > 0) held.push_back({of, wait.delay_ms, wait.lasts_ms, place});
  };
  consider(PenaltyOf::kUser, users_.WaitOf(user, now_us), "");
  consider(PenaltyOf::kTenant, tenants_.WaitOf(tenant, now_us), "");
  const std::optional<ClientPlace> last = last_.Of(user);
  if (!last) return held;
  const std::string text = TextOf(*last);
  const uint64_t pair = PairOf(user, *last);
  const bool known = known_.Contains(user, pair, now_us);
  const uint64_t here = known ? pair : last->address;
  consider(PenaltyOf::kAddress, addresses_.WaitOf(here, now_us), text);
  consider(PenaltyOf::kRepeats, repeats_.WaitOf(here, now_us), text);
  if (known || last->network == 0) return held;
  consider(PenaltyOf::kNetwork, networks_.WaitOf(last->network, now_us), text);
  return held;
}

void Throttle::AddSuccess(uint64_t user, const ClientPlace& place, uint64_t now_us) {
  known_.Add(user, PairOf(user, place), now_us);
}

}  // namespace poplar::auth
