#include "auth/plugins/common/question.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>

namespace poplar::plugins {

Question::Question(const poplar_host& host, const poplar_question& question, poplar_answer* answer)
    : host_(host),
      question_(question),
      answer_(answer),
      deadline_(Clock::now() +
                std::chrono::milliseconds(question.deadline_ms -
                                          std::min(question.deadline_ms / 10, 250U))) {}

poplar_outcome Question::Say(poplar_outcome outcome, std::string_view reason) const {
  // One that is too long for the host would be none.
  constexpr size_t kReasonBytesMax = 1024;
  host_.set(answer_, POPLAR_REASON, reason.data(), std::min(reason.size(), kReasonBytesMax));
  return outcome;
}

bool Question::Set(poplar_field field, std::string_view value) const {
  return host_.set(answer_, field, value.data(), value.size()) == 0;
}

void Question::SetQuota(poplar_field field, std::string_view value, const std::string& what) const {
  // What the host is given must be one.
  uint64_t number = 0;
  const auto parsed = std::from_chars(value.data(), value.data() + value.size(), number);
  const bool is_number = parsed.ec == std::errc() && parsed.ptr == value.data() + value.size();
  if (is_number && Set(field, value)) return;
  const std::string sentence =
      what + " is no number, so the quota is that of the tenant's maildrops";
  host_.log(POPLAR_WARNING, sentence.c_str());
}

}  // namespace poplar::plugins
