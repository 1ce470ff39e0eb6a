// What one maildrop must hold, according to what its server promised to the only client that uses
// it. A promise (250, +OK to QUIT) is binding; what was cut off before its promise may or may not
// have happened, but a cut QUIT is all or nothing.
//
// Pure; one thread.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/base/status.h"

namespace poplar::load {

struct SeenMessage {
  uint64_t id = 0;  // of the corpus
  std::string uidl;
};

class MaildropModel {
 public:
  // Promised: it is there from now on.
  void Delivered(uint64_t id) { messages_[id].certain = true; }
  // Sent whole, but the reply was not read: it may turn up, now or later.
  void MaybeDelivered(uint64_t id) { messages_[id].certain = false; }
  // Promised by QUIT.
  void Deleted(const std::vector<uint64_t>& ids);
  // QUIT was sent, but its reply was not read: all of them are gone, or none.
  void MaybeDeleted(const std::vector<uint64_t>& ids) { maybe_deleted_ = ids; }

  // Compares with what a session saw. A message that is missing, unknown or there twice, a unique
  // id that changed, and half a QUIT are errors (kDataLoss). What was uncertain and shows is
  // settled.
  Status Check(const std::vector<SeenMessage>& seen);

  size_t size() const { return messages_.size(); }

 private:
  struct Expected {
    bool certain = false;
    std::string uidl;  // once seen
  };

  Status SettleDeletion(const std::vector<SeenMessage>& seen);
  Status CheckOne(const SeenMessage& message);

  std::map<uint64_t, Expected> messages_;
  std::vector<uint64_t> maybe_deleted_;
};

}  // namespace poplar::load
