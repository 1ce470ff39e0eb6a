// A driver of one LMTP session, with a directory and a store that do as they are told: for unit
// tests, transcripts and the fuzz target. On the way it checks (POP_CHECK) all that a session
// promises its driver, and that what it is given to store is stored form.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.h"
#include "core/proto/lmtp/session.h"

namespace poplar::lmtp {

// 2024-02-29 12:34:56 UTC, always.
class FixedClock : public base::Clock {
 public:
  uint64_t MonotonicUs() const override { return 0; }
  int64_t WallUs() const override { return 1'709'210'096'000'000; }
};

class ScriptedDriver {
 public:
  struct Message {
    Envelope envelope;
    MessageSizes sizes;
    std::string wire;
  };

  // `xclient`: the client is trusted to say it.
  explicit ScriptedDriver(SessionOptions options, bool xclient = false);

  // Starts the session: the greeting.
  void Start() { Receive(""); }
  // Runs the session until it has consumed `bytes` and asks for more, or closes.
  void Receive(std::string_view bytes);
  void End(EndReason reason) { session_.End(reason); }

  // The script. Called for each recipient; by default all is well.
  std::function<RecipientOutcome(const Recipient&)> resolve;
  std::function<DeliveryOutcome(const Recipient&)> deliver;
  std::optional<StorageFailure> begin_failure;
  std::optional<StorageFailure> body_failure;
  size_t bodies_before_failure = 0;  // So many kBody of a message are stored first.
  // Called before a commit is answered: what happens while it is under way.
  std::function<void()> while_committing;

  // The record.
  std::string output;
  std::vector<Message> committed;
  std::vector<Xclient> clients;
  size_t begun = 0;
  size_t aborted = 0;
  size_t bodies = 0;
  size_t flushes = 0;
  size_t largest_out_bytes = 0;
  std::optional<CloseReason> closed;
  const SessionMetrics& metrics() const { return *metrics_; }
  // Whether a message was begun and neither committed nor aborted.
  bool message_open() const { return open_.has_value(); }

 private:
  bool Answer(const Action& action, std::string_view input, base::ByteBuffer& out);
  void Begin(const Action& action, base::ByteBuffer& out);
  void Store(const Action& action, base::ByteBuffer& out);
  void Commit(const Action& action, base::ByteBuffer& out);
  void Send(base::ByteBuffer& out);

  const SessionOptions options_;
  const FixedClock clock_;
  const std::unique_ptr<SessionMetrics> metrics_ = std::make_unique<SessionMetrics>();
  Session session_;
  std::optional<Message> open_;
  size_t open_bodies_ = 0;
};

// Checks that `wire` is stored form and has these sizes: CRLF line ends only, the terminator once
// and at the end, dots doubled.
void CheckStoredForm(std::string_view wire, const MessageSizes& sizes);

// The lines of `output` that end a reply; checks that every line is well-formed: code, enhanced
// code of the same class (but for 220, 354 and LHLO's), text without control bytes, 512 octets.
std::vector<std::string> FinalReplies(std::string_view output);

}  // namespace poplar::lmtp
