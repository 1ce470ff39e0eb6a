// The server's side of an LMTP transcript: a session with a scripted driver.
//
// Directives. Set-up, before anything is sent:
//
//   @ size N                    message_octets_max
//   @ recipients-max N
//   @ bad-commands-max N
//   @ delimiter C
//   @ imports yes               the listener is for imports
//   @ xclient yes               the client is trusted to say XCLIENT
//   @ over-quota retry | refuse
//
// Verdicts, from here on (all is well unless told otherwise):
//
//   @ recipient ADDRESS OUTCOME   as Name(RecipientOutcome) says; for the address, else for its
//   base
//   @ deliver ADDRESS OUTCOME     as Name(DeliveryOutcome) says
//   @ begin ok | full | temporary
//   @ body ok | full | temporary
//   @ end drain | idle            an event: the server ends the session
//
// Expectations:
//
//   @ stored BYTES                the last message committed, behind our header, is this wire form
//   @ header LINE                 it has this line, CRLF not written
//   @ sizes OCTETS WIRE HEADER    its sizes, our header included
//   @ envelope SENDER RCPT...     `<>` for the null sender
//   @ imported UIDL RECEIVED      what XUIDL and XRECEIVED said; `-` for what was not said
//   @ client NAME ADDR PORT HELO LOGIN   what XCLIENT said last; `-` for what was not said, `?` for
//   what is not known
//   @ committed N                 so many messages were committed
//   @ aborted N                   so many that were begun were aborted
//   @ open
//   @ closed REASON               as Name(CloseReason) says

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tests/support/transcript.h"
#include "tests/unit/proto/lmtp/scripted_driver.h"

namespace poplar::test {

class LmtpPeer : public TranscriptPeer {
 public:
  // How a packet is fed to the session; what is said must not depend on it.
  enum class Pieces : uint8_t { kPackets, kBytes };

  explicit LmtpPeer(Pieces pieces);

  std::string Directive(std::string_view key, std::string_view value, std::string& output) override;
  void Start(std::string& output) override;
  void Receive(std::string_view packet, std::string& output) override;

 private:
  std::string SetUp(std::string_view key, std::string_view value);
  std::string Verdict(std::string_view key, std::string_view value, std::string& output);
  std::string Expect(std::string_view key, std::string_view value) const;
  std::string ExpectClient(std::string_view value) const;
  std::string ExpectMessage(std::string_view key, std::string_view value) const;
  void TakeOutput(std::string& output);

  const Pieces pieces_;
  lmtp::SessionOptions options_;
  bool xclient_ = false;
  std::map<std::string, lmtp::RecipientOutcome, std::less<>> recipients_;
  std::map<std::string, lmtp::DeliveryOutcome, std::less<>> deliveries_;
  std::optional<lmtp::StorageFailure> begin_failure_;
  std::optional<lmtp::StorageFailure> body_failure_;
  std::unique_ptr<lmtp::ScriptedDriver> driver_;  // From Start on.
};

}  // namespace poplar::test
