// An LMTP session with whatever a client may send. The first byte is the driver's script, the rest
// are packets, cut at 0xFF. The scripted driver checks what a session promises; this target adds
// that nothing depends on the cuts, and that what is stored begins with our header and no more.
//
// The first letter of a recipient decides its fate at RCPT and at the end.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/check.h"
#include "tests/unit/proto/lmtp/scripted_driver.h"

namespace {

using poplar::lmtp::DeliveryOutcome;
using poplar::lmtp::EndReason;
using poplar::lmtp::FinalReplies;
using poplar::lmtp::Recipient;
using poplar::lmtp::RecipientOutcome;
using poplar::lmtp::ScriptedDriver;
using poplar::lmtp::SessionOptions;
using poplar::lmtp::StorageFailure;

constexpr char kCut = '\xff';

SessionOptions Options(bool imports) {
  SessionOptions options;
  options.hostname = "pop.example";
  options.message_octets_max = 300;
  options.recipients_max = 3;
  options.out_bytes_soft_max = 200;
  options.imports = imports;
  return options;
}

RecipientOutcome Resolve(const Recipient& recipient) {
  switch (recipient.address[0]) {
    case 'u':
      return RecipientOutcome::kUnknown;
    case 't':
      return RecipientOutcome::kDirectoryDown;
    case 'q':
      return RecipientOutcome::kOverQuota;
    default:
      return RecipientOutcome::kOk;
  }
}

DeliveryOutcome Deliver(const Recipient& recipient) {
  switch (recipient.address[0]) {
    case 'f':
      return DeliveryOutcome::kFull;
    case 'p':
      return DeliveryOutcome::kPermanent;
    default:
      return DeliveryOutcome::kStored;
  }
}

void SetScript(ScriptedDriver& driver, uint8_t script) {
  driver.resolve = Resolve;
  driver.deliver = Deliver;
  if ((script & 1) != 0) driver.begin_failure = StorageFailure::kFull;
  if ((script & 2) != 0) {
    driver.body_failure = StorageFailure::kTemporary;
    driver.bodies_before_failure = (script >> 2) & 3;
  }
}

// Four lines of ours, whatever LHLO and MAIL said.
void CheckTrace(std::string_view wire) {
  for (const std::string_view begin : {"Return-Path: <", "Received: from ", "\tby pop.example ",
                                       "\tThu, 29 Feb 2024 12:34:56 +0000\r\n"}) {
    POP_CHECK(wire.starts_with(begin));
    wire.remove_prefix(wire.find("\r\n") + 2);
  }
}

void Finish(ScriptedDriver& driver, const SessionOptions& options) {
  POP_CHECK(driver.begun == driver.committed.size() + driver.aborted + driver.message_open());
  for (const ScriptedDriver::Message& message : driver.committed) {
    if (!options.imports) CheckTrace(message.wire);
    POP_CHECK(message.envelope.uidl.empty() || options.imports);
    POP_CHECK(message.envelope.recipients.size() <= (options.imports ? 1 : options.recipients_max));
  }
  driver.End(EndReason::kIdle);
  driver.Receive("");
  POP_CHECK(driver.closed.has_value());
  POP_CHECK(driver.begun == driver.committed.size() + driver.aborted);
  POP_CHECK(driver.largest_out_bytes < options.out_bytes_soft_max + 512);
  FinalReplies(driver.output);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  const uint8_t script = bytes[0];
  std::string_view rest(reinterpret_cast<const char*>(bytes) + 1, size - 1);

  const SessionOptions options = Options((script & 128) != 0);
  const bool xclient = (script & 64) != 0;
  ScriptedDriver packets(options, xclient);
  ScriptedDriver single_bytes(options, xclient);
  SetScript(packets, script);
  SetScript(single_bytes, script);
  packets.Start();
  single_bytes.Start();
  while (!rest.empty()) {
    const std::string_view packet = rest.substr(0, rest.find(kCut));
    packets.Receive(packet);
    for (size_t i = 0; i < packet.size(); ++i) single_bytes.Receive(packet.substr(i, 1));
    rest.remove_prefix(std::min(packet.size() + 1, rest.size()));
  }
  Finish(packets, options);
  Finish(single_bytes, options);
  // Which body fails depends on the cuts, and so does what is said of it.
  if (packets.body_failure) return 0;
  POP_CHECK(packets.output == single_bytes.output);
  POP_CHECK(packets.closed == single_bytes.closed);
  POP_CHECK(packets.clients.size() == single_bytes.clients.size());
  POP_CHECK(packets.begun == single_bytes.begun && packets.aborted == single_bytes.aborted);
  POP_CHECK(packets.committed.size() == single_bytes.committed.size());
  for (size_t i = 0; i < packets.committed.size(); ++i) {
    POP_CHECK(packets.committed[i].wire == single_bytes.committed[i].wire);
  }
  return 0;
}
