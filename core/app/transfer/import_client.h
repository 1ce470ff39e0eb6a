// One maildrop's way into the server: LMTP on the private socket of imports, which takes a UIDL and
// a date with each message. A message costs one round trip. Blocking; one thread.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/app/transfer/byte_source.h"
#include "core/app/transfer/line_connection.h"

namespace poplar::app {

enum class ImportOutcome : uint8_t {
  kStored,        // Durable.
  kAlreadyThere,  // The maildrop holds a message with this UIDL.
  kRefused,       // For good; others may be taken.
};

struct ImportResult {
  ImportOutcome outcome = ImportOutcome::kStored;
  std::string why;  // Of kRefused: what the server said.
};

struct ImportMessage {
  std::string_view uidl;
  int64_t received_us = 0;
};

class ImportClient {
 public:
  // Errors as LineConnection's; kUnavailable where no server runs any more.
  static StatusOr<ImportClient> Connect(const std::string& socket_path);

  // Stores what `source` gives in the maildrop of `address`. Errors end the connection's use:
  // kNotFound and kPermissionDenied say that nobody, or nobody who is enabled, has the address;
  // kUnavailable and kResourceExhausted that the server cannot take it now; kDataLoss that the
  // source broke in the middle.
  StatusOr<ImportResult> Import(const std::string& address, const ImportMessage& message,
                                ByteSource& source);

  // Says goodbye; the connection is closed with the object.
  void Quit();

 private:
  struct Reply {
    int code = 0;
    std::string text;  // Of the last line, behind the code.
  };

  explicit ImportClient(LineConnection connection) : connection_(std::move(connection)) {}
  StatusOr<Reply> ReadReply();
  Status ReadChunkReplies(size_t leave);
  static StatusOr<ImportResult> Judge(const Reply& done);

  LineConnection connection_;
  std::string buffer_;
  size_t chunk_replies_owed_ = 0;
};

// The xtext of RFC 3461 §4.
std::string ToXtext(std::string_view text);

}  // namespace poplar::app
