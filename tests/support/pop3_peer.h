// A POP3 session and a driver for it, without I/O: a maildrop in memory, accounts, and every
// outcome that the real driver may give. Transcripts and fuzz targets talk to it. A packet may be
// fed to the session in one piece, byte by byte or line by line: what is said must not depend on
// it.
//
// Directives. Set-up, before anything is sent:
//
//   @ tls yes               implicit TLS
//   @ exports yes           the listener is for exports
//   @ xclient yes           the client is trusted to say XCLIENT
//   @ stls yes              STLS is offered
//   @ clear-text no         logging in without TLS is refused (here it is allowed by default)
//   @ mechanisms PLAIN ...  instead of PLAIN LOGIN; `none` for none
//   @ utf8-headers asked-for | for-all   whether only who sent UTF8 gets mail with such headers
//   @ user no               USER and PASS are not offered
//   @ apop <TIMESTAMP>      APOP is; the digest of RFC 1939's example is right
//   @ tls-facts binding certificate   what is known after a handshake: one of the two, or both
//   @ allowed USER,PLAIN   what the tenant of the host leaves of all that; `allowed-login`: and
//   what
//                           that of the user does
//   @ expire 0 USER | 30 | NEVER   what the policies say before the login
//   @ expire-login 0 | NEVER       and after it
//   @ soft-max 512          octets that the output may hold before it is flushed
//   @ message 120 uidl      a message of so many octets
//   @ wire uidl bytes       a message in wire form, without its terminator
//   @ messages 1000 70      so many messages of so many octets, UIDLs u1, u2 ...
//
// Verdicts, from here on:
//
//   @ login OUTCOME         as Name(LoginOutcome) says, instead of looking at the password, which
//                           must be `secret` for any user otherwise: `@ login password`
//   @ body ready | temporary | permanent | gone
//   @ commit OUTCOME        as Name(CommitOutcome) says
//   @ welcome no            the client that XCLIENT names has as many connections as it may
//   @ end REASON            an event: the server ends the session, as Name(EndReason) says
//
// Expectations:
//
//   @ verified USER PASSWORD    the last login was asked for with these
//   @ client ADDRESS PORT       XCLIENT said so last; `-` for no address
//   @ committed [1 3 ...]       QUIT asked for these deletions
//   @ open
//   @ closed REASON             as Name(CloseReason) says
//   @ tls-started               a handshake has happened

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/byte_buffer.h"
#include "core/proto/pop3/session.h"
#include "tests/support/transcript.h"

namespace poplar::test {

// Messages in wire form, each with its terminator.
class MemoryMaildrop : public pop3::MaildropView {
 public:
  void Add(std::string_view wire_without_terminator, std::string_view uidl);
  // A message that measures so many octets. REQUIRES: octets >= 2.
  void AddOctets(uint64_t octets, std::string_view uidl);

  uint32_t count() const override { return static_cast<uint32_t>(messages_.size()); }
  uint64_t total_octets() const override { return total_octets_; }
  void CopyOctets(pop3::MessageIndex first, std::span<uint64_t> into) const override;
  void CopyUidls(pop3::MessageIndex first, std::span<UidlText> into) const override;
  // A second for each message, so that each differs.
  int64_t received_us(pop3::MessageIndex m) const override {
    return int64_t{1'000'000} * m.value() - 1;
  }
  std::string_view wire(pop3::MessageIndex m) const { return messages_[m.value()].wire; }

 private:
  struct Message {
    std::string wire;
    std::string uidl;
    uint64_t octets;
  };
  std::vector<Message> messages_;
  uint64_t total_octets_ = 0;
};

class Pop3Peer : public TranscriptPeer {
 public:
  enum class Pieces : uint8_t { kPackets, kBytes, kLines };
  explicit Pop3Peer(Pieces pieces) : pieces_(pieces) {}

  std::string Directive(std::string_view key, std::string_view value, std::string& output) override;
  void Start(std::string& output) override;
  void Receive(std::string_view packet, std::string& output) override;

  // One piece of a packet. False when the rest of the packet is to be dropped: the connection was
  // closed, or a handshake begins. REQUIRES: started, and not closed.
  bool Feed(std::string_view piece, std::string& output);

  // What the session asked for so far, one action a line.
  const std::string& trace() const { return trace_; }
  bool closed() const { return close_reason_.has_value(); }
  const pop3::Session& session() const { return *session_; }

 private:
  std::string SetUp(std::string_view key, std::string_view value);
  std::string SetVerdict(std::string_view key, std::string_view value, std::string& output);
  std::string Expect(std::string_view key, std::string_view value) const;

  bool Run(std::string_view& input, std::string& output);
  void Trace(const pop3::Action& action);
  void Verify(std::string_view user, std::string_view password);
  void RunSasl(const pop3::Action& action);
  void SendBody(const pop3::Action& action);
  void Flush(std::string& output);

  Pieces pieces_;
  pop3::SessionOptions options_{.hostname = "mail.example.org",
                                .login = {.user = true, .sasl = {"PLAIN", "LOGIN"}}};
  pop3::Transport transport_{.clear_text_login_allowed = true};
  pop3::TlsFacts tls_facts_;
  pop3::SessionMetrics metrics_;
  MemoryMaildrop maildrop_;
  std::unique_ptr<pop3::Session> session_;
  base::ByteBuffer out_;

  std::optional<pop3::LoginOutcome> login_verdict_;
  std::optional<pop3::BodyFailure> body_verdict_;
  pop3::CommitOutcome commit_verdict_ = pop3::CommitOutcome::kDone;
  std::string allowed_;                          // Before the login; empty: all.
  std::string allowed_login_;                    // After it.
  std::optional<pop3::Expiry> expiry_;           // Before the login.
  std::optional<pop3::Expiry> expiry_of_login_;  // After it.

  bool welcome_ = true;

  std::string sasl_user_;  // LOGIN's first answer.
  bool sasl_user_known_ = false;
  std::string verified_;  // "USER PASSWORD".
  std::optional<std::string> committed_;
  std::string client_;  // "ADDRESS PORT".
  std::string trace_;
  std::optional<pop3::CloseReason> close_reason_;
  bool tls_started_ = false;
};

}  // namespace poplar::test
