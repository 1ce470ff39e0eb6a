#include "core/app/transfer/pop3_source.h"

#include <deque>
#include <utility>

#include "core/app/transfer/dates.h"
#include "core/app/transfer/peeked_source.h"
#include "core/base/check.h"
#include "core/base/clock.h"

namespace poplar::app {
namespace {

constexpr size_t kHeaderBytesMax = 64 * 1024;

class Pop3Source final : public MailboxSource {
 public:
  explicit Pop3Source(Pop3Client& client) : client_(client) {}

  Status List() {
    POP_ASSIGN_OR_RETURN(const std::vector<Pop3Message> listed, client_.List());
    UidlGiver giver;
    for (const Pop3Message& each : listed) {
      numbers_.push_back(each.number);
      SourceMessage& message = messages_.emplace_back();
      message.name = "message " + std::to_string(each.number);
      message.bytes = each.octets;
      message.received_us = base::SystemClock().WallUs();
      // A server without UIDL gives nothing to tell its messages by but where they stand.
      giver.Give(each.uidl, message.name + " " + std::to_string(each.octets), message);
    }
    return OkStatus();
  }

  void Expect(std::vector<size_t> messages) override {
    to_ask_.assign(messages.begin(), messages.end());
  }

  StatusOr<std::unique_ptr<ByteSource>> Open(size_t message) override {
    if (asked_.empty() && to_ask_.empty()) to_ask_.push_back(message);
    while (asked_.size() < client_.ahead_max() && !to_ask_.empty()) {
      POP_RETURN_IF_ERROR(client_.Ask(numbers_[to_ask_.front()]));
      asked_.push_back(to_ask_.front());
      to_ask_.pop_front();
    }
    POP_CHECK(asked_.front() == message);
    asked_.pop_front();
    POP_ASSIGN_OR_RETURN(std::unique_ptr<ByteSource> body, client_.NextBody());
    POP_ASSIGN_OR_RETURN(std::string begin, ReadBegin(*body, kHeaderBytesMax));
    const auto second = ReceivedByHeader(begin);
    if (second.has_value()) messages_[message].received_us = *second * 1'000'000;
    return std::make_unique<PeekedSource>(std::move(body), std::move(begin));
  }

 private:
  Pop3Client& client_;
  std::vector<uint32_t> numbers_;  // Of messages_.
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
