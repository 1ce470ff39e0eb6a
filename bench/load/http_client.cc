#include "bench/load/http_client.h"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

#include "bench/load/meter.h"

namespace poplar::load {
namespace {

constexpr std::string_view kOk = "HTTP/1.1 200 ";
constexpr std::string_view kContentLength = "Content-Length:";

// Of a "Content-Length" field; nothing when `line` is another.
std::optional<uint64_t> ContentLength(std::string_view line) {
  if (line.size() < kContentLength.size() ||
      strncasecmp(line.data(), kContentLength.data(), kContentLength.size()) != 0)
    return std::nullopt;
  std::string_view text = line.substr(kContentLength.size());
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  uint64_t octets = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), octets);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return octets;
}

}  // namespace

void HttpClient::SendGet(std::string_view path) {
  stream_->Write("GET ");
  stream_->Write(path);
  stream_->Write(" HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

Task<StatusOr<uint64_t>> HttpClient::ReadHead() {
  LOAD_CO_ASSIGN_OR_RETURN(std::string_view status, co_await stream_->ReadLine());
  if (!status.starts_with(kOk)) co_return ReplyError("GET", status);
  std::optional<uint64_t> octets;
  while (true) {
    LOAD_CO_ASSIGN_OR_RETURN(std::string_view line, co_await stream_->ReadLine());
    if (line.empty()) break;
    if (!octets) octets = ContentLength(line);
  }
  if (!octets) co_return CountError("GET: the reply does not say how long it is");
  co_return *octets;
}

Task<StatusOr<uint64_t>> HttpClient::ReadMessage() {
  LOAD_CO_ASSIGN_OR_RETURN(const uint64_t octets, co_await ReadHead());
  dots_.Begin();
  verifier_.Begin();
  uint64_t left = octets;
  while (left > 0) {
    const std::string_view piece = stream_->input().substr(0, left);
    const size_t taken =
        dots_.Feed(piece, [this](std::string_view text) { verifier_.Append(text); });
    left -= taken;
    stream_->Consume(taken);
    if (dots_.done() || left == 0) break;
    LOAD_CO_RETURN_IF_ERROR(co_await stream_->Fill());
  }
  if (!dots_.done() || left > 0) co_return ContentError("GET: the lone dot is not at the end");
  const Verdict verdict = verifier_.Finish();
  if (verdict != Verdict::kMatches)
    co_return ContentError(std::string("GET: the message ").append(VerdictName(verdict)));
  co_return octets;
}

}  // namespace poplar::load
