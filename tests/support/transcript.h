// Transcripts: a protocol's tests as a reader of its RFC would write them down. One step a line:
//
//   # text          a comment; empty lines are skipped too
//   @ key value     set-up or an event, for the protocol's own peer to interpret
//   C: line         the client sends the line, CRLF appended, in a packet of its own
//   C+ line         as C:, but in the same packet as the step before (pipelining)
//   B: bytes        the client sends just these bytes, no CRLF appended
//   B+ bytes        as B:, in the same packet as the step before
//   S: line         the server says exactly this line, CRLF not written
//   S~ pattern      the server says a line that this ECMAScript expression matches as a whole
//
// C, B and S: lines and the values of directives understand \r \n \t \0 \\ \xNN, and \{600 A} for
// 600 times A (the thing that is repeated may be an escape). An S~ pattern is taken as it stands.
// All that the server says must be expected before the next packet is sent, and before the end.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/status.h"

namespace poplar::test {

struct TranscriptStep {
  enum class Kind : uint8_t { kDirective, kPacket, kExpectLine, kExpectPattern };

  Kind kind = Kind::kDirective;
  int line = 0;       // 1-based; of a packet, where it begins.
  std::string text;   // The directive's key, the packet's bytes, or the line or pattern.
  std::string value;  // The directive's value.
};

struct Transcript {
  std::string file;
  std::vector<TranscriptStep> steps;
};

// Fails with "file:line: reason".
StatusOr<Transcript> ParseTranscript(std::string_view file, std::string_view text);
StatusOr<Transcript> LoadTranscript(const std::string& path);

// The server's side of a transcript: a protocol's session and what its driver would do.
class TranscriptPeer {
 public:
  virtual ~TranscriptPeer() = default;

  // A directive. Those before the first other step are set-up. Returns what is wrong with it, or
  // nothing.
  virtual std::string Directive(std::string_view key, std::string_view value,
                                std::string& output) = 0;
  // After the set-up, before anything else: the greeting.
  virtual void Start(std::string& output) = 0;
  // Bytes that the client sent in one packet.
  virtual void Receive(std::string_view packet, std::string& output) = 0;
};

// Empty when the peer says what the transcript expects; else "file:line: what went wrong".
std::string RunTranscript(const Transcript& transcript, TranscriptPeer& peer);

using TranscriptPeerFactory = std::function<std::unique_ptr<TranscriptPeer>()>;

// Registers a gtest for every *.transcript in `folder`, named SUITE.FILE. REQUIRES: called before
// RUN_ALL_TESTS. Returns how many it found.
size_t RegisterTranscriptTests(const std::string& folder, const char* suite,
                               const TranscriptPeerFactory& make_peer);

}  // namespace poplar::test
