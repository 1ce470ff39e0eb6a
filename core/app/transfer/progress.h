// How far a transfer is: one line on a terminal that is written over, or nothing. Any thread.

#pragma once

#include <cstdint>
#include <mutex>
#include <ostream>
#include <string>

#include "core/base/clock.h"

namespace poplar::app {

class Progress {
 public:
  // `shown`: `err` is a terminal.
  Progress(std::ostream& err, bool shown, uint64_t mailboxes);

  // A mailbox of so many messages and bytes was opened.
  void Found(uint64_t messages, uint64_t bytes);
  void Did(uint64_t messages, uint64_t bytes);
  void MailboxDone();
  // Takes the line away, so that other text can be written.
  void Clear();

 private:
  void Show();
  std::string Line(uint64_t now_us) const;

  std::ostream& err_;
  const bool shown_;
  const uint64_t mailboxes_;
  const uint64_t began_us_;
  std::mutex mutex_;
  uint64_t mailboxes_done_ = 0;
  uint64_t messages_ = 0;
  uint64_t messages_done_ = 0;
  uint64_t bytes_ = 0;
  uint64_t bytes_done_ = 0;
  uint64_t shown_us_ = 0;
  size_t width_ = 0;  // Of the line that stands there.
};

}  // namespace poplar::app
