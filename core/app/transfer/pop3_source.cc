#include "core/app/transfer/pop3_source.h"

#include <deque>
#include <unordered_map>
#include <utility>

#include "core/app/transfer/content_name.h"
#include "core/app/transfer/dates.h"
#include "core/app/transfer/peeked_source.h"
#include "core/app/transfer/stop_flag.h"
#include "core/base/check.h"
#include "core/base/clock.h"

namespace poplar::app {
namespace {

constexpr size_t kTopBytesMax = 64 * 1024;

class Pop3Source final : public MailboxSource {
 public:
  explicit Pop3Source(Pop3Client& client) : client_(client) {}

  Status List() {
    POP_ASSIGN_OR_RETURN(const std::vector<Pop3Message> listed, client_.List());
    std::unordered_map<std::string_view, size_t> bearers;  // Of each UIDL.
    for (const Pop3Message& each : listed) ++bearers[each.uidl];
    std::vector<size_t> nameless;
    UidlGiver giver;
    for (const Pop3Message& each : listed) {
      SourceMessage& message = messages_.emplace_back();
      message.name = "message " + std::to_string(each.number);
      message.number = each.number;
      message.bytes = each.octets;
      message.received_us = base::SystemClock().WallUs();
      // Of several that bear the same UIDL none has it: at the next run another may be the first.
      const bool is_shared = !each.uidl.empty() && bearers[each.uidl] > 1;
      const UidlFate fate = is_shared ? UidlFate::kDuplicate : FateOf(each.uidl);
      if (fate == UidlFate::kKept) {
        giver.Give(each.uidl, "", message);
      } else {
        message.fate = fate;
        nameless.push_back(messages_.size() - 1);
      }
    }
    return NameByContents(nameless, giver);
  }

  void Expect(std::vector<size_t> messages) override {
    for (const size_t message : messages) {
      if (!lost_.contains(message)) to_ask_.push_back(message);
    }
  }

  StatusOr<std::unique_ptr<ByteSource>> Open(size_t message) override {
    const auto lost = lost_.find(message);
    if (lost != lost_.end()) return lost->second;
    POP_ASSIGN_OR_RETURN(std::unique_ptr<ByteSource> body, BodyOf(message));
    POP_ASSIGN_OR_RETURN(std::string begin, ReadBegin(*body, kTopBytesMax));
    const auto second = ReceivedByHeader(begin);
    if (second.has_value()) messages_[message].received_us = *second * 1'000'000;
    return std::make_unique<PeekedSource>(std::move(body), std::move(begin));
  }

 private:
  // Where a message stands and how long it is says nothing: at the next run another may stand there
  // that is as long, and would be taken for one that was imported. So such messages are told by
  // what they say, for which each is fetched once more.
  Status NameByContents(const std::vector<size_t>& nameless, UidlGiver& giver) {
    if (nameless.empty()) return OkStatus();
    notes_.push_back(std::to_string(nameless.size()) +
                     (nameless.size() == 1 ? " message has" : " messages have") +
                     " no UIDL there that could stay: told by the bytes, so fetched once more");
    Expect(nameless);
    for (const size_t i : nameless) {
      if (StopFlag::raised()) return MakeStatus(StatusCode::kCancelled, "interrupted");
      SourceMessage& message = messages_[i];
      const UidlFate fate = message.fate;
      const StatusOr<std::unique_ptr<ByteSource>> body = BodyOf(i);
      if (body.ok()) {
        POP_ASSIGN_OR_RETURN(const std::string name, NameByContent(**body));
        giver.Give("", name, message);
      } else if (body.status().code() == StatusCode::kDataLoss) {
        // It is never imported in this run, whatever its name.
        lost_.emplace(i, body.status());
        giver.Give("", message.name, message);
      } else {
        return body.status();
      }
      message.fate = fate;
    }
    return OkStatus();
  }

  // In the order of Expect.
  StatusOr<std::unique_ptr<ByteSource>> BodyOf(size_t message) {
    if (asked_.empty() && to_ask_.empty()) to_ask_.push_back(message);
    while (asked_.size() < client_.ahead_max() && !to_ask_.empty()) {
      POP_RETURN_IF_ERROR(client_.Ask(messages_[to_ask_.front()].number));
      asked_.push_back(to_ask_.front());
      to_ask_.pop_front();
    }
    POP_CHECK(asked_.front() == message);
    asked_.pop_front();
    return client_.NextBody();
  }

  Pop3Client& client_;
  std::unordered_map<size_t, Status> lost_;  // Messages that the server did not give, and why.
  std::deque<size_t> to_ask_;
  std::deque<size_t> asked_;
};

}  // namespace

StatusOr<std::unique_ptr<MailboxSource>> OpenPop3Source(Pop3Client& client) {
  auto source = std::make_unique<Pop3Source>(client);
  POP_RETURN_IF_ERROR(source->List());
  return source;
}

}  // namespace poplar::app
