#include "tests/transcripts/lmtp/lmtp_peer.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace poplar::test {
namespace {

using lmtp::DeliveryOutcome;
using lmtp::RecipientOutcome;
using lmtp::StorageFailure;

constexpr std::string_view kUnknownValue = "a directive's value is not understood";

std::string_view TakeWord(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(std::min(word.size() + 1, text.size()));
  return word;
}

uint64_t Number(std::string_view text) {
  return std::strtoull(std::string(text).c_str(), nullptr, 10);
}

template <class Outcome>
std::optional<Outcome> ByName(std::string_view name, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (Name(static_cast<Outcome>(i)) == name) return static_cast<Outcome>(i);
  }
  return std::nullopt;
}

bool ParseFailure(std::string_view name, std::optional<StorageFailure>& failure) {
  failure.reset();
  if (name == "full") failure = StorageFailure::kFull;
  if (name == "temporary") failure = StorageFailure::kTemporary;
  return failure.has_value() || name == "ok";
}

// A message without our header, which is four lines.
std::string_view BehindTrace(std::string_view wire) {
  for (int line = 0; line < 4; ++line) wire.remove_prefix(wire.find('\n') + 1);
  return wire;
}

std::string Differs(std::string_view what, std::string_view is) {
  return std::string(what) + " is " + std::string(is);
}

}  // namespace

LmtpPeer::LmtpPeer(Pieces pieces) : pieces_(pieces) { options_.hostname = "pop.example"; }

void LmtpPeer::Start(std::string& output) {
  driver_ = std::make_unique<lmtp::ScriptedDriver>(options_, xclient_);
  driver_->resolve = [this](const lmtp::Recipient& recipient) {
    auto found = recipients_.find(recipient.address);
    if (found == recipients_.end()) found = recipients_.find(recipient.base_address);
    return found == recipients_.end() ? RecipientOutcome::kOk : found->second;
  };
  driver_->deliver = [this](const lmtp::Recipient& recipient) {
    const auto found = deliveries_.find(recipient.address);
    return found == deliveries_.end() ? DeliveryOutcome::kStored : found->second;
  };
  driver_->Start();
  TakeOutput(output);
}

void LmtpPeer::Receive(std::string_view packet, std::string& output) {
  driver_->begin_failure = begin_failure_;
  driver_->body_failure = body_failure_;
  const size_t piece = pieces_ == Pieces::kPackets ? packet.size() : 1;
  for (; !packet.empty(); packet.remove_prefix(std::min(piece, packet.size()))) {
    driver_->Receive(packet.substr(0, piece));
  }
  TakeOutput(output);
}

void LmtpPeer::TakeOutput(std::string& output) { output += std::exchange(driver_->output, {}); }

std::string LmtpPeer::Directive(std::string_view key, std::string_view value, std::string& output) {
  std::string fault = driver_ ? "unknown" : SetUp(key, value);
  if (fault == "unknown") fault = Verdict(key, value, output);
  if (fault == "unknown" && driver_) fault = Expect(key, value);
  return fault == "unknown" ? "unknown directive, or not here" : fault;
}

std::string LmtpPeer::SetUp(std::string_view key, std::string_view value) {
  if (key == "size") {
    options_.message_octets_max = Number(value);
  } else if (key == "recipients-max") {
    options_.recipients_max = static_cast<uint32_t>(Number(value));
  } else if (key == "bad-commands-max") {
    options_.bad_commands_max = static_cast<uint32_t>(Number(value));
  } else if (key == "imports") {
    options_.imports = value == "yes";
  } else if (key == "xclient") {
    xclient_ = value == "yes";
  } else if (key == "over-quota" && (value == "retry" || value == "refuse")) {
    options_.over_quota = value == "refuse" ? lmtp::OverQuota::kRefuse : lmtp::OverQuota::kRetry;
  } else if (key == "delimiter") {
    options_.subaddress_delimiter = value.empty() ? '\0' : value[0];
  } else {
    return "unknown";
  }
  return "";
}

std::string LmtpPeer::Verdict(std::string_view key, std::string_view value, std::string& output) {
  bool understood = true;
  if (key == "recipient") {
    const std::string address(TakeWord(value));
    const auto outcome = ByName<RecipientOutcome>(value, lmtp::kRecipientOutcomes);
    understood = outcome.has_value();
    if (outcome) recipients_[address] = *outcome;
  } else if (key == "deliver") {
    const std::string address(TakeWord(value));
    const auto outcome = ByName<DeliveryOutcome>(value, lmtp::kDeliveryOutcomes);
    understood = outcome.has_value();
    if (outcome) deliveries_[address] = *outcome;
  } else if (key == "begin") {
    understood = ParseFailure(value, begin_failure_);
  } else if (key == "body") {
    understood = ParseFailure(value, body_failure_);
  } else if (key == "end" && driver_) {
    understood = value == "drain" || value == "idle";
    driver_->End(value == "idle" ? lmtp::EndReason::kIdle : lmtp::EndReason::kDrain);
    driver_->Receive("");
    TakeOutput(output);
  } else {
    return "unknown";
  }
  return understood ? "" : std::string(kUnknownValue);
}

std::string LmtpPeer::Expect(std::string_view key, std::string_view value) const {
  if (key == "committed") {
    const size_t committed = driver_->committed.size();
    return committed == Number(value) ? "" : Differs(key, std::to_string(committed));
  }
  if (key == "aborted") {
    return driver_->aborted == Number(value) ? "" : Differs(key, std::to_string(driver_->aborted));
  }
  if (key == "client") return ExpectClient(value);
  const std::optional<lmtp::CloseReason> closed = driver_->closed;
  const std::string_view state = closed ? Name(*closed) : "open";
  if (key == "open") return state == "open" ? "" : Differs("the session", state);
  if (key == "closed") return state == value ? "" : Differs("the session", state);
  if (driver_->committed.empty()) return "no message was committed, or unknown directive";
  return ExpectMessage(key, value);
}

std::string LmtpPeer::ExpectClient(std::string_view value) const {
  if (driver_->clients.empty()) return "there was no XCLIENT";
  const lmtp::Xclient& client = driver_->clients.back();
  const auto text = [](const std::optional<std::string>& said) {
    return said ? (said->empty() ? "?" : *said) : "-";
  };
  const std::string address = client.address ? client.address->Text() : "?";
  const std::string port = client.port ? std::to_string(*client.port) : "-";
  const std::string is = text(client.name) + " " + (client.tells_address ? address : "-") + " " +
                         (port == "0" ? "?" : port) + " " + text(client.helo) + " " +
                         text(client.login);
  return is == value ? "" : Differs("the client", is);
}

std::string LmtpPeer::ExpectMessage(std::string_view key, std::string_view value) const {
  const lmtp::ScriptedDriver::Message& message = driver_->committed.back();
  if (key == "stored") {
    const std::string_view stored =
        options_.imports ? std::string_view(message.wire) : BehindTrace(message.wire);
    return stored == value ? "" : Differs("what is stored", stored);
  }
  if (key == "header") {
    const std::string line = std::string(value) + "\r\n";
    return message.wire.find(line) < message.sizes.header_bytes
               ? ""
               : Differs("the message", message.wire);
  }
  if (key == "sizes") {
    const std::string sizes = std::to_string(message.sizes.octets) + " " +
                              std::to_string(message.sizes.wire_bytes) + " " +
                              std::to_string(message.sizes.header_bytes);
    return sizes == value ? "" : Differs(key, sizes);
  }
  if (key == "imported") {
    const lmtp::Envelope& envelope = message.envelope;
    const std::string imported =
        (envelope.uidl.empty() ? "-" : envelope.uidl) + " " +
        (envelope.received_us ? std::to_string(*envelope.received_us) : "-");
    return imported == value ? "" : Differs(key, imported);
  }
  if (key == "envelope") {
    std::string envelope = message.envelope.sender.empty() ? "<>" : message.envelope.sender;
    for (const lmtp::Recipient& recipient : message.envelope.recipients) {
      envelope += " " + recipient.address;
    }
    return envelope == value ? "" : Differs(key, envelope);
  }
  return "unknown";
}

}  // namespace poplar::test
