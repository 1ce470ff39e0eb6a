#include <algorithm>
#include <array>

#include "bench/load/profile.h"

namespace poplar::load {
namespace {

constexpr std::array<Profile, 13> kProfiles = {{
    {.name = "session",
     .summary = "connect, log in, STAT, QUIT, wait for the close",
     .play = PlaySession,
     .needs_pop3 = true,
     .takes_rate = true},
    {.name = "poll",
     .summary = "connect, CAPA, log in, STAT, UIDL, LIST, QUIT",
     .play = PlayPoll,
     .needs_pop3 = true,
     .takes_rate = true},
    {.name = "handshake",
     .summary = "connect, TLS (--tls or --stls, --tls-resume), greeting, QUIT",
     .play = PlayHandshake,
     .needs_pop3 = true,
     .needs_users = false,
     .takes_rate = true},
    {.name = "retr",
     .summary = "log in once, then RETR (--depth, --octets)",
     .play = PlayRetr,
     .needs_pop3 = true,
     .takes_rate = true,
     .pipelines = true},
    {.name = "fetch",
     .summary = "log in, UIDL, LIST, RETR of all, --delete, QUIT",
     .play = PlayFetch,
     .needs_pop3 = true,
     .takes_rate = true},
    {.name = "noop",
     .summary = "log in once, then NOOP (--depth)",
     .play = PlayNoop,
     .needs_pop3 = true,
     .takes_rate = true,
     .pipelines = true},
    {.name = "get",
     .summary = "files from a web server: the floor under retr (--depth, --expect)",
     .play = PlayGet,
     .needs_http = true,
     .takes_rate = true,
     .pipelines = true},
    {.name = "lmtp",
     .summary = "deliver messages (--octets, --recipients)",
     .play = PlayLmtp,
     .needs_lmtp = true,
     .takes_rate = true},
    {.name = "turnover",
     .summary = "mail comes and goes: --arrivals deliveries, then a session that fetches and\n"
                "            deletes; a third of the users leave mail on the server (--keep)",
     .play = PlayTurnover,
     .needs_pop3 = true,
     .needs_lmtp = true},
    {.name = "day",
     .summary = "a day of mail: most sessions find nothing, the others fetch, and mail comes in\n"
                "            (--octets); needs maildrops of its own, and empties them first",
     .play = PlayDay,
     .needs_pop3 = true,
     .needs_lmtp = true,
     .takes_rate = true,
     .gathers = true},
    {.name = "churn",
     .summary = "all mixed: deliveries, fetches, deletions, slow readers, cut connections; needs\n"
                "            maildrops of its own, and empties them first",
     .play = PlayChurn,
     .needs_pop3 = true,
     .needs_lmtp = true},
    {.name = "idle",
     .summary = "a crowd: all log in (--no-login: are greeted), then sit there (--pause-ms)",
     .play = PlayIdle,
     .needs_pop3 = true,
     .gathers = true,
     .is_crowd = true},
    {.name = "slow",
     .summary = "a crowd that reads RETR slowly (--read-bytes-per-second, --octets, --depth)",
     .play = PlaySlow,
     .needs_pop3 = true,
     .gathers = true,
     .is_crowd = true},
}};

}  // namespace

std::span<const Profile> Profiles() { return kProfiles; }

const Profile* FindProfile(std::string_view name) {
  const auto* found = std::ranges::find(kProfiles, name, &Profile::name);
  return found == kProfiles.end() ? nullptr : found;
}

}  // namespace poplar::load
