#include "core/app/lmtp_delivery.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/app/lmtp_conversation.h"
#include "core/app/wire_encoder.h"
#include "core/base/units.h"

namespace poplar::app {
namespace {

constexpr size_t kChunkBytes = 64 * kKiB;

bool IsAscii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool NeedsSmtpUtf8(const LmtpDelivery& delivery) {
  return !IsAscii(delivery.from) || !std::ranges::all_of(delivery.recipients, IsAscii);
}

// Whether a line of LHLO's reply is this keyword, alone or with parameters.
bool Offers(const LmtpReply& lhlo, std::string_view keyword) {
  std::string_view rest = lhlo.text;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    if (line.substr(0, line.find(' ')) == keyword) return true;
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  return false;
}

class Delivery {
 public:
  Delivery(const LmtpDelivery& delivery, LmtpConversation conversation)
      : delivery_(delivery), conversation_(std::move(conversation)) {
    for (const std::string& recipient : delivery.recipients) results_.push_back({recipient, 0, ""});
  }

  StatusOr<std::vector<RecipientResult>> Run() {
    POP_ASSIGN_OR_RETURN(const bool has_sender, Greet());
    if (has_sender) {
      POP_ASSIGN_OR_RETURN(const bool has_recipient, NameRecipients());
      if (has_recipient) POP_RETURN_IF_ERROR(SendMessage());
    }
    // The results are known; how the server says goodbye changes nothing.
    conversation_.Command("QUIT").status().IgnoreError();
    return std::move(results_);
  }

 private:
  // Up to MAIL. False: refused, and every result says so.
  StatusOr<bool> Greet() {
    POP_ASSIGN_OR_RETURN(const LmtpReply greeting, conversation_.ReadReply());
    if (!greeting.positive()) return RefuseAll(greeting);
    POP_ASSIGN_OR_RETURN(const LmtpReply lhlo, conversation_.Command("LHLO localhost"));
    if (!lhlo.positive()) return RefuseAll(lhlo);
    std::string mail = "MAIL FROM:<" + delivery_.from + ">";
    if (Offers(lhlo, "8BITMIME")) mail += " BODY=8BITMIME";
    if (NeedsSmtpUtf8(delivery_)) mail += " SMTPUTF8";
    POP_ASSIGN_OR_RETURN(const LmtpReply sender, conversation_.Command(mail));
    return sender.positive() || RefuseAll(sender);
  }

  StatusOr<bool> NameRecipients() {
    bool has_recipient = false;
    for (RecipientResult& result : results_) {
      POP_ASSIGN_OR_RETURN(const LmtpReply reply,
                           conversation_.Command("RCPT TO:<" + result.recipient + ">"));
      if (reply.positive())
        has_recipient = true;
      else
        Note(reply, result);
    }
    return has_recipient;
  }

  Status SendMessage() {
    POP_ASSIGN_OR_RETURN(const LmtpReply go_ahead, conversation_.Command("DATA"));
    if (go_ahead.code != 354) {
      if (go_ahead.positive())
        return MakeStatus(StatusCode::kUnavailable, "the LMTP server answered DATA strangely");
      RefuseAll(go_ahead);
      return OkStatus();
    }
    Status streamed = Stream();
    if (streamed.code() == StatusCode::kDataLoss) return streamed;
    // RFC 2033 §4.2: a reply for each recipient that RCPT accepted, in order. A server that closed
    // early may have said why.
    for (RecipientResult& result : results_) {
      if (result.code != 0) continue;
      const auto reply = conversation_.ReadReply();
      if (!reply.ok()) return streamed.ok() ? reply.status() : streamed;
      Note(*reply, result);
    }
    return OkStatus();
  }

  Status Stream() {
    WireEncoder encoder;
    std::string chunk(kChunkBytes, '\0');
    std::string wire;
    for (bool first = true; delivery_.message.good(); first = false) {
      delivery_.message.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
      const auto got = static_cast<size_t>(delivery_.message.gcount());
      std::string_view text = std::string_view(chunk).substr(0, got);
      if (first) text = WithoutMboxLine(text);
      wire.clear();
      encoder.Feed(text, wire);
      POP_RETURN_IF_ERROR(conversation_.Send(wire));
    }
    // Without its end the message is nobody's: the server drops it.
    if (delivery_.message.bad() || !delivery_.message.eof())
      return MakeStatus(StatusCode::kDataLoss, "the message could not be read to its end");
    wire.clear();
    encoder.Finish(wire);
    return conversation_.Send(wire);
  }

  // RFC 4155: the line that begins a message in an mbox, which MTAs also write to a pipe. It is no
  // header field, and would end the header for whoever reads it.
  static std::string_view WithoutMboxLine(std::string_view text) {
    if (!text.starts_with("From ")) return text;
    const size_t end = text.find('\n');
    return end == std::string_view::npos ? text : text.substr(end + 1);
  }

  static void Note(const LmtpReply& reply, RecipientResult& result) {
    result.code = reply.code;
    result.text = reply.text;
    std::ranges::replace(result.text, '\n', ' ');
  }

  // Always false.
  bool RefuseAll(const LmtpReply& reply) {
    for (RecipientResult& result : results_)
      if (result.code == 0) Note(reply, result);
    return false;
  }

  const LmtpDelivery& delivery_;
  LmtpConversation conversation_;
  std::vector<RecipientResult> results_;  // Code 0: not decided yet.
};

}  // namespace

StatusOr<std::vector<RecipientResult>> DeliverByLmtp(const LmtpDelivery& delivery) {
  POP_ASSIGN_OR_RETURN(LmtpConversation conversation,
                       LmtpConversation::Connect(delivery.server, delivery.timeout_s));
  return Delivery(delivery, std::move(conversation)).Run();
}

}  // namespace poplar::app
