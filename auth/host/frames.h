// What the server and its plug-in hosts say to each other: one frame a packet of a Unix socket
// (SOCK_SEQPACKET), so that packets need no lengths of their own and several threads may send.
//
// A frame is a type and fields, each a tag, a length and its octets; both ends come from one
// binary, so there are no versions. Still nothing in a frame is believed: a plug-in shares its
// process with one end. Pure.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/plugin.h"
#include "core/base/secret.h"
#include "core/base/status.h"

namespace poplar::auth {

// Tokens are the longest things in them.
inline constexpr size_t kFrameBytesMax = 48 * 1024;
inline constexpr size_t kAnswerFieldBytesMax = 4 * 1024;
// Of all tenants in one answer.
inline constexpr size_t kTenantsBytesMax = 40 * 1024;

enum class FrameType : uint8_t {
  // On the control socket, to the host: what to load; an instance to make, to end.
  kLoad = 1,
  kOpen,
  kClose,
  // Back: what was loaded, or why not; what became of an instance; a line for the log.
  kLoaded,
  kOpened,
  kLog,
  // On a shard's socket, there and back.
  kQuestion,
  kAnswer,
};

// Of any frame of at least one octet; nullopt where there is none, or an unknown one.
std::optional<FrameType> TypeOf(std::string_view frame);

struct LoadFrame {
  uint32_t threads = 1;
  uint32_t instance_calls_max = 0;  // As poplar_host has it.
};

struct LoadedFrame {
  std::string fault;  // Empty: it is loaded.
  std::string name;
  uint32_t operations = 0;
};

using PluginSettings = std::vector<std::pair<std::string, std::string>>;

struct OpenFrame {
  uint32_t instance = 0;
  PluginSettings settings;
};

struct OpenedFrame {
  uint32_t instance = 0;
  std::string fault;  // Empty: it is open.
};

struct CloseFrame {
  uint32_t instance = 0;
};

struct LogFrame {
  uint32_t level = POPLAR_INFO;
  std::string sentence = {};
  uint64_t left_out = 0;  // Not 0: so many lines were too many, and this is none itself.
};

struct QuestionFrame {
  uint64_t id = 0;
  uint32_t instance = 0;
  uint32_t operation = 0;
  uint32_t deadline_ms = 0;
  std::string login;
  base::Secret secret;
  std::string mechanism;
  std::string client_address;
};

struct AnswerFrame {
  uint64_t id = 0;
  uint32_t outcome = POPLAR_TEMPORARY;
  std::string account;
  std::string address;
  std::optional<uint64_t> quota_octets;
  std::optional<uint64_t> quota_messages;
  base::Secret verifier;
  std::string reason;
  base::Secret stored_password;
  std::vector<std::string> tenants;  // Each as POPLAR_TENANT has it.
};

// The frame's octets; some hold secrets, so all are wiped when they end. kInvalidArgument: longer
// than a frame may be.
StatusOr<base::Secret> Encode(const LoadFrame& frame);
StatusOr<base::Secret> Encode(const LoadedFrame& frame);
StatusOr<base::Secret> Encode(const OpenFrame& frame);
StatusOr<base::Secret> Encode(const OpenedFrame& frame);
StatusOr<base::Secret> Encode(const CloseFrame& frame);
StatusOr<base::Secret> Encode(const LogFrame& frame);
StatusOr<base::Secret> Encode(const QuestionFrame& frame);
StatusOr<base::Secret> Encode(const AnswerFrame& frame);

// False: no such frame, or one that is cut, has a field twice or out of its bounds.
bool Decode(std::string_view bytes, LoadFrame& frame);
bool Decode(std::string_view bytes, LoadedFrame& frame);
bool Decode(std::string_view bytes, OpenFrame& frame);
bool Decode(std::string_view bytes, OpenedFrame& frame);
bool Decode(std::string_view bytes, CloseFrame& frame);
bool Decode(std::string_view bytes, LogFrame& frame);
bool Decode(std::string_view bytes, QuestionFrame& frame);
bool Decode(std::string_view bytes, AnswerFrame& frame);

}  // namespace poplar::auth
