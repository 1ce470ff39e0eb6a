// What the admin socket speaks, once for both ends: a connection carries one request, one line of
// JSON, and its reply, one line of JSON.
//
//   {"command": "session.kick", "arguments": {"session": "17"}}
//   {"result": {"kicked": 1}}
//   {"error": {"code": "NOT_FOUND", "message": "there is no session 17"}}
//
// Private to core/ops.

#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/base/status.h"
#include "core/base/units.h"

namespace poplar::ops {

inline constexpr size_t kAdminRequestBytesMax = 64 * kKiB;
inline constexpr size_t kAdminReplyBytesMax = 64 * kMiB;

struct AdminRequest {
  std::string command;
  nlohmann::json arguments;  // An object.
};

// Both end in a line feed and hold no other.
std::string EncodeRequest(std::string_view command, const nlohmann::json& arguments);
std::string EncodeReply(const StatusOr<nlohmann::json>& result);

// Of a line without its end. kInvalidArgument says what is wrong with it.
StatusOr<AdminRequest> DecodeRequest(std::string_view line);
// The result, or the other side's error.
StatusOr<nlohmann::json> DecodeReply(std::string_view line);

}  // namespace poplar::ops
