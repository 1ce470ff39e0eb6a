#include "bench/load/churn_model.h"

#include <set>

#include "bench/load/meter.h"

namespace poplar::load {

void MaildropModel::Deleted(const std::vector<uint64_t>& ids) {
  for (uint64_t id : ids) messages_.erase(id);
}

Status MaildropModel::SettleDeletion(const std::vector<SeenMessage>& seen) {
  if (maybe_deleted_.empty()) return OkStatus();
  std::set<uint64_t> seen_ids;
  for (const SeenMessage& message : seen) seen_ids.insert(message.id);
  size_t still_there = 0;
  for (uint64_t id : maybe_deleted_) still_there += seen_ids.contains(id) ? 1 : 0;
  if (still_there != 0 && still_there != maybe_deleted_.size()) {
    return ContentError("an interrupted QUIT deleted " +
                        std::to_string(maybe_deleted_.size() - still_there) + " of " +
                        std::to_string(maybe_deleted_.size()) + " messages");
  }
  if (still_there == 0) Deleted(maybe_deleted_);
  maybe_deleted_.clear();
  return OkStatus();
}

Status MaildropModel::CheckOne(const SeenMessage& message) {
  auto found = messages_.find(message.id);
  if (found == messages_.end()) {
    return ContentError("message " + std::to_string(message.id) +
                        " is there, but was deleted or never delivered here");
  }
  Expected& expected = found->second;
  expected.certain = true;
  if (expected.uidl.empty()) expected.uidl = message.uidl;
  if (expected.uidl != message.uidl) {
    return ContentError("message " + std::to_string(message.id) + " was " + expected.uidl +
                        " and is now " + message.uidl);
  }
  return OkStatus();
}

Status MaildropModel::Check(const std::vector<SeenMessage>& seen) {
  POP_RETURN_IF_ERROR(SettleDeletion(seen));
  std::set<uint64_t> seen_ids;
  for (const SeenMessage& message : seen) {
    if (!seen_ids.insert(message.id).second) {
      return ContentError("message " + std::to_string(message.id) + " is there twice");
    }
    POP_RETURN_IF_ERROR(CheckOne(message));
  }
  for (const auto& [id, expected] : messages_) {
    if (expected.certain && !seen_ids.contains(id)) {
      return ContentError("message " + std::to_string(id) + " was promised and is missing");
    }
  }
  return OkStatus();
}

}  // namespace poplar::load
