// What a client does, by name. Each profile is a file in profiles/, one function that reads like
// the session it plays; a new one is that file, a line in profiles.cc and one in CMakeLists.txt.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "bench/load/task.h"
#include "bench/load/worker.h"

namespace poplar::load {

// Plays one client until worker->NextOperation says that there is nothing more to do. After an
// error it is called again. `slot` numbers the clients of the whole run from 0.
using PlayClient = Task<Status> (*)(Worker* worker, uint32_t slot);

struct Profile {
  std::string_view name;
  std::string_view summary;
  PlayClient play;
  bool needs_pop3 = false;
  bool needs_lmtp = false;
  bool needs_http = false;
  bool needs_users = true;
  bool takes_rate = false;  // its operations are independent of each other
  bool pipelines = false;   // several of its operations (--depth) may be on a connection at once
  bool gathers = false;     // every client calls Worker::Gather, and only then the run begins
  bool is_crowd = false;    // gathers; being there is the point, so no operation need be completed
};

std::span<const Profile> Profiles();
// nullptr when there is none of this name.
const Profile* FindProfile(std::string_view name);

Task<Status> PlaySession(Worker* worker, uint32_t slot);
Task<Status> PlayPoll(Worker* worker, uint32_t slot);
Task<Status> PlayHandshake(Worker* worker, uint32_t slot);
Task<Status> PlayRetr(Worker* worker, uint32_t slot);
Task<Status> PlaySlow(Worker* worker, uint32_t slot);
Task<Status> PlayFetch(Worker* worker, uint32_t slot);
Task<Status> PlayNoop(Worker* worker, uint32_t slot);
Task<Status> PlayIdle(Worker* worker, uint32_t slot);
Task<Status> PlayGet(Worker* worker, uint32_t slot);
Task<Status> PlayLmtp(Worker* worker, uint32_t slot);
Task<Status> PlayTurnover(Worker* worker, uint32_t slot);
Task<Status> PlayDay(Worker* worker, uint32_t slot);
Task<Status> PlayChurn(Worker* worker, uint32_t slot);

}  // namespace poplar::load
