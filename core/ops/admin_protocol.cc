#include "core/ops/admin_protocol.h"

#include <utility>

namespace poplar::ops {
namespace {

using nlohmann::json;

// Text that is not UTF-8 (an address as a client sent it) is shown with replacement characters.
std::string Line(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

json Decoded(std::string_view line) {
  constexpr bool kAllowExceptions = false;
  return json::parse(line, nullptr, kAllowExceptions);
}

StatusCode CodeNamed(const std::string& name) {
  for (int code = 1; code <= static_cast<int>(StatusCode::kUnauthenticated); ++code)
    if (absl::StatusCodeToString(static_cast<StatusCode>(code)) == name)
      return static_cast<StatusCode>(code);
  return StatusCode::kUnknown;
}

Status NotUnderstood(std::string_view what) {
  return MakeStatus(StatusCode::kInvalidArgument, what);
}

}  // namespace

std::string EncodeRequest(std::string_view command, const json& arguments) {
  return Line({{"command", command}, {"arguments", arguments}});
}

std::string EncodeReply(const StatusOr<json>& result) {
  if (result.ok()) return Line({{"result", *result}});
  return Line({{"error",
                {{"code", absl::StatusCodeToString(result.status().code())},
                 {"message", Message(result.status())}}}});
}

StatusOr<AdminRequest> DecodeRequest(std::string_view line) {
  json request = Decoded(line);
  if (!request.is_object()) return NotUnderstood("a request is one line with a JSON object");
  const auto command = request.find("command");
  if (command == request.end() || !command->is_string())
    return NotUnderstood("a request has a \"command\", a text");
  json arguments = request.value("arguments", json::object());
  if (!arguments.is_object()) return NotUnderstood("\"arguments\" is an object");
  return AdminRequest{command->get<std::string>(), std::move(arguments)};
}

StatusOr<json> DecodeReply(std::string_view line) {
  json reply = Decoded(line);
  Status malformed = MakeStatus(StatusCode::kInternal,
                                "the server's answer on the admin socket is not understood");
  if (!reply.is_object()) return malformed;
  if (const auto result = reply.find("result"); result != reply.end()) return std::move(*result);
  const auto error = reply.find("error");
  if (error == reply.end() || !error->is_object()) return malformed;
  const auto code = error->find("code");
  const auto message = error->find("message");
  if (code == error->end() || !code->is_string() || message == error->end() ||
      !message->is_string())
    return malformed;
  return MakeStatus(CodeNamed(code->get<std::string>()), message->get<std::string>());
}

}  // namespace poplar::ops
