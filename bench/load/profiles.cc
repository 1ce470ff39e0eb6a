#include <algorithm>
#include <array>

#include "bench/load/profile.h"

namespace poplar::load {
namespace {

constexpr bool kPop3 = true;
constexpr bool kLmtp = true;
constexpr bool kHttp = true;
constexpr bool kNo = false;

constexpr std::array<Profile, 9> kProfiles = {{
    {"session", "connect, log in, STAT, QUIT, wait for the close", PlaySession, kPop3, kNo},
    {"poll", "connect, CAPA, log in, STAT, UIDL, LIST, QUIT", PlayPoll, kPop3, kNo},
    {"retr", "log in once, then RETR (--depth, --octets)", PlayRetr, kPop3, kNo},
    {"fetch", "log in, UIDL, LIST, RETR of all, --delete, QUIT", PlayFetch, kPop3, kNo},
    {"noop", "log in once, then NOOP (--depth)", PlayNoop, kPop3, kNo},
    {"get", "files from a web server: the floor under retr (--depth, --expect)", PlayGet, kNo, kNo,
     kHttp},
    {"lmtp", "deliver messages (--octets, --recipients)", PlayLmtp, kNo, kLmtp},
    {"turnover",
     "mail comes and goes: --arrivals deliveries, then a session that fetches and\n"
     "            deletes; a third of the users leave mail on the server (--keep)",
     PlayTurnover, kPop3, kLmtp},
    {"churn",
     "all mixed: deliveries, fetches, deletions, slow readers, cut connections; needs\n"
     "            maildrops of its own, and empties them first",
     PlayChurn, kPop3, kLmtp},
}};

}  // namespace

std::span<const Profile> Profiles() { return kProfiles; }

const Profile* FindProfile(std::string_view name) {
  const auto* found = std::ranges::find(kProfiles, name, &Profile::name);
  return found == kProfiles.end() ? nullptr : found;
}

}  // namespace poplar::load
