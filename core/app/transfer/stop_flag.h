// SIGINT and SIGTERM as a flag that long work looks at between messages, so that it ends in order.
// A second signal ends the process.

#pragma once

namespace poplar::app {

class StopFlag {
 public:
  // Takes the two signals for the rest of the process; SIGPIPE is ignored from here on.
  static void Install();
  static bool raised();
};

}  // namespace poplar::app
