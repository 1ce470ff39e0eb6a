// The POP3 session against arbitrary bytes. The first byte chooses the listener, the second how
// much output is gathered; in the rest, 0xFE ends a packet and 0xFD with the byte behind it is a
// verdict or an event from kVerdicts, whose order corpora rely on: more go to its end.
//
// The conversation runs three times, the packets fed whole, byte by byte and line by line. What is
// said and asked for must be the same, every line gets exactly one well-formed reply, nothing of
// what came is said back, and of a line that ended nothing is kept.

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "tests/support/pop3_peer.h"

namespace {

using poplar::test::Pop3Peer;

constexpr char kPacketEnd = '\xFE';
constexpr char kVerdict = '\xFD';

struct Verdict {
  const char* key;
  const char* value;
};
constexpr Verdict kVerdicts[] = {{"login", "password"},
                                 {"login", "ok"},
                                 {"login", "bad_credentials"},
                                 {"login", "disabled"},
                                 {"login", "in_use"},
                                 {"login", "temporary"},
                                 {"login", "permanent"},
                                 {"body", "ready"},
                                 {"body", "temporary"},
                                 {"body", "permanent"},
                                 {"body", "gone"},
                                 {"commit", "done"},
                                 {"commit", "refused"},
                                 {"commit", "failed"},
                                 {"commit", "unknown"},
                                 {"end", "idle"},
                                 {"end", "drain"},
                                 {"end", "kicked"},
                                 {"login", "too_many_failures"},
                                 {"login", "throttled"},
                                 {"end", "lease_lost"},
                                 {"welcome", "no"},
                                 {"login", "tls_required"},
                                 {"login", "mechanism_off"},
                                 {"login", "limited"},
                                 {"login", "too_soon"},
                                 {"end", "login_timeout"},
                                 {"end", "session_age"}};

void Tell(Pop3Peer& peer, std::string_view key, std::string_view value, std::string& output) {
  POP_CHECK(peer.Directive(key, value, output).empty());
}

void SetUp(Pop3Peer& peer, uint8_t listener, uint8_t soft_max) {
  std::string output;
  Tell(peer, "tls", (listener & 1) != 0 ? "yes" : "no", output);
  Tell(peer, "stls", (listener & 2) != 0 ? "yes" : "no", output);
  Tell(peer, "clear-text", (listener & 4) != 0 ? "no" : "yes", output);
  if ((listener & 8) != 0) Tell(peer, "mechanisms", "none", output);
  if ((listener & 16) != 0) Tell(peer, "login", "ok", output);
  if ((listener & 32) != 0) Tell(peer, "exports", "yes", output);
  if ((listener & 64) != 0) {
    Tell(peer, "apop", "<1896.697170952@dbc.mtview.ca.us>", output);
    Tell(peer, "xclient", "yes", output);
  }
  if ((listener & 128) != 0) {
    Tell(peer, "user", "no", output);
    Tell(peer, "tls-facts", "binding", output);
    Tell(peer, "mechanisms", "LOGIN SCRAM-SHA-256-PLUS EXTERNAL PLAIN", output);
  }
  Tell(peer, "soft-max", std::to_string(1 + soft_max * 8), output);
  Tell(peer, "wire", "dots A: b\r\n\r\n..\r\n..x\r\n\r\nlast\r\n", output);
  Tell(peer, "wire", "header Only: header\r\n", output);
  Tell(peer, "messages", "64 20", output);
  Tell(peer, "wire", "utf8 Subject: \xC3\xA5\r\n\r\nbody\r\n", output);
  Tell(peer, "utf8-headers", "asked-for", output);
  POP_CHECK(output.empty());
}

// A letter of the languages that LANG offers, and of the message whose header wants UTF8: ones
// from U+00C0 to U+00FF.
bool IsLetter(std::string_view bytes) {
  return bytes.size() >= 2 && bytes[0] == '\xC3' && (static_cast<uint8_t>(bytes[1]) & 0xC0) == 0x80;
}

// Lines end in CRLF and hold what may be shown; nothing of the input gets here.
void CheckBytes(std::string_view output) {
  for (size_t i = 0; i < output.size(); ++i) {
    const auto byte = static_cast<uint8_t>(output[i]);
    if (byte == '\r') {
      POP_CHECK(i + 1 < output.size() && output[i + 1] == '\n');
    } else if (byte == '\n') {
      POP_CHECK(i > 0 && output[i - 1] == '\r');
    } else if (IsLetter(output.substr(i))) {
      ++i;
    } else {
      POP_CHECK(byte >= 0x20 && byte < 0x7F);
    }
  }
}

// One reply: a line, or lines up to the first that is a lone dot.
void CheckOneReply(std::string_view reply) {
  POP_CHECK(reply.starts_with("+OK") || reply.starts_with("-ERR ") || reply.starts_with("+ "));
  POP_CHECK(reply.ends_with("\r\n"));
  if (reply.find("\r\n") + 2 == reply.size()) return;
  POP_CHECK(reply.starts_with("+OK") && reply.find("\r\n.\r\n") + 5 == reply.size());
}

void CheckPiece(const Pop3Peer& peer, std::string_view piece, std::string_view reply) {
  POP_CHECK(peer.session().kept_bytes() <= poplar::kSaslLineBytesMax);
  if (piece.ends_with('\n')) {
    CheckOneReply(reply);
    POP_CHECK(peer.session().kept_bytes() == 0);
  } else {
    POP_CHECK(reply.empty());
  }
}

void SendByLines(Pop3Peer& peer, std::string_view packet, std::string& output) {
  while (!packet.empty() && !peer.closed()) {
    const size_t end = packet.find('\n');
    const std::string_view piece = packet.substr(0, end == packet.npos ? end : end + 1);
    packet.remove_prefix(piece.size());
    std::string reply;
    const bool more = peer.Feed(piece, reply);
    CheckPiece(peer, piece, reply);
    output += reply;
    if (!more) return;
  }
}

std::string Converse(std::string_view script, Pop3Peer& peer, bool by_lines) {
  std::string output;
  peer.Start(output);
  while (!script.empty() && !peer.closed()) {
    if (script.front() == kVerdict) {
      const size_t choice = script.size() > 1 ? static_cast<uint8_t>(script[1]) : 0;
      const Verdict& verdict = kVerdicts[choice % std::size(kVerdicts)];
      Tell(peer, verdict.key, verdict.value, output);
      script.remove_prefix(script.size() > 1 ? 2 : 1);
      continue;
    }
    const std::string_view packet = script.substr(0, script.find_first_of("\xFD\xFE"));
    script.remove_prefix(packet.size());
    if (script.starts_with(kPacketEnd)) script.remove_prefix(1);
    if (by_lines) {
      SendByLines(peer, packet, output);
    } else {
      peer.Receive(packet, output);
    }
  }
  return output + (peer.closed() ? "closed\n" : "open\n") + peer.trace();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view script(reinterpret_cast<const char*>(data) + 2, size - 2);
  Pop3Peer whole(Pop3Peer::Pieces::kPackets);
  Pop3Peer bytes(Pop3Peer::Pieces::kBytes);
  Pop3Peer lines(Pop3Peer::Pieces::kLines);
  for (Pop3Peer* const peer : {&whole, &bytes, &lines}) SetUp(*peer, data[0], data[1]);
  const std::string said = Converse(script, whole, false);
  POP_CHECK(said == Converse(script, bytes, false));
  POP_CHECK(said == Converse(script, lines, true));
  CheckBytes(std::string_view(said).substr(0, said.rfind(whole.closed() ? "closed\n" : "open\n")));
  return 0;
}
