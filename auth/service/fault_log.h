// Says that a back end fails, once in a while: a warning now, and how many more there were with the
// next one. One thread.

#pragma once

#include <cstdint>
#include <string_view>

namespace poplar::auth {

inline constexpr uint64_t kFaultLogIntervalUs = 10'000'000;

class FaultLog {
 public:
  // True: a line was written. `reason` holds no secret.
  bool Note(std::string_view reason, uint64_t now_us);

 private:
  uint64_t next_us_ = 0;
  uint64_t silent_ = 0;
};

struct AuthMetrics;
struct BackendAnswer;

// What went wrong with a question, if anything did: counted, and a back end's failure told.
void CountFault(const BackendAnswer& answer, uint64_t now_us, AuthMetrics& metrics,
                FaultLog& faults);

}  // namespace poplar::auth
