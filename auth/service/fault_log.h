// Says that a back end fails, of each once in a while: a warning now, and how many more there were
// with the next one. One thread.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace poplar::auth {

inline constexpr uint64_t kFaultLogIntervalUs = 10'000'000;

class FaultLog {
 public:
  // True: a line was written. `backend` is one of a configuration's; `reason` holds no secret.
  bool Note(std::string_view backend, std::string_view reason, uint64_t now_us);

 private:
  struct Pause {
    uint64_t until_us = 0;
    uint64_t silent = 0;
  };

  std::map<std::string, Pause, std::less<>> pauses_;  // By back end.
};

struct AuthMetrics;
struct BackendAnswer;

// What went wrong with a question, if anything did: counted, and a back end's failure told.
void CountFault(const BackendAnswer& answer, uint64_t now_us, AuthMetrics& metrics,
                FaultLog& faults);

}  // namespace poplar::auth
