// One question at hand, and what is said to it. For the thread that answers it.

#pragma once

#include <string>
#include <string_view>

#include "auth/plugin.h"
#include "auth/plugins/common/deadline.h"

namespace poplar::plugins {

class Question {
 public:
  // All of these outlive it.
  Question(const poplar_host& host, const poplar_question& question, poplar_answer* answer);

  poplar_operation operation() const { return question_.operation; }
  std::string_view login() const { return question_.login; }
  std::string_view secret() const { return {question_.secret, question_.secret_bytes}; }
  std::string_view mechanism() const { return question_.mechanism; }
  std::string_view client_address() const { return question_.client_address; }
  // Somewhat before the host's, so that the answer is there in time.
  Deadline deadline() const { return deadline_; }

  // The outcome, with a reason for the log.
  poplar_outcome Say(poplar_outcome outcome, std::string_view reason) const;
  // False: it is too long.
  bool Set(poplar_field field, std::string_view value) const;
  // A number, or else a warning in the log that begins with `what`: then the tenant's quota holds.
  void SetQuota(poplar_field field, std::string_view value, const std::string& what) const;

 private:
  const poplar_host& host_;
  const poplar_question& question_;
  poplar_answer* const answer_;
  const Deadline deadline_;
};

}  // namespace poplar::plugins
