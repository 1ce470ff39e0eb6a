#include "bench/load/lmtp_client.h"

#include "bench/load/meter.h"

namespace poplar::load {
namespace {

bool AreDigits(std::string_view text) {
  return text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

Task<Status> LmtpClient::ReadReply(char code_class, std::string_view what, std::string* lines) {
  while (true) {
    StatusOr<std::string_view> line = co_await stream_->ReadLine();
    if (!line.ok()) co_return line.status();
    bool ok = line->size() >= 4 && AreDigits(line->substr(0, 3)) && !line->ends_with('\n') &&
              ((*line)[3] == ' ' || (*line)[3] == '-');
    if (!ok || line->front() != code_class) co_return ReplyError(what, *line);
    if (lines != nullptr) lines->append(line->substr(4)).append("\n");
    if ((*line)[3] == ' ') co_return OkStatus();
  }
}

Task<Status> LmtpClient::Open() {
  LOAD_CO_RETURN_IF_ERROR(co_await ReadReply('2', "LMTP greeting", nullptr));
  stream_->Write("LHLO load.example.org\r\n");
  std::string extensions;
  LOAD_CO_RETURN_IF_ERROR(co_await ReadReply('2', "LHLO", &extensions));
  // RFC 2033 section 5 demands it.
  if (extensions.find("PIPELINING") == std::string::npos) {
    co_return ReplyError("LHLO without PIPELINING", extensions);
  }
  co_return OkStatus();
}

Task<Status> LmtpClient::Begin(const std::vector<std::string>* recipients, size_t size) {
  stream_->Write("MAIL FROM:<load@example.org>");
  if (size > 0) stream_->Write(" SIZE=" + std::to_string(size));
  stream_->Write("\r\n");
  for (const std::string& recipient : *recipients) {
    stream_->Write("RCPT TO:<");
    stream_->Write(recipient);
    stream_->Write(">\r\n");
  }
  stream_->Write("DATA\r\n");
  LOAD_CO_RETURN_IF_ERROR(co_await ReadReply('2', "MAIL", nullptr));
  for (size_t i = 0; i < recipients->size(); ++i) {
    LOAD_CO_RETURN_IF_ERROR(co_await ReadReply('2', "RCPT", nullptr));
  }
  co_return co_await ReadReply('3', "DATA", nullptr);
}

Task<Status> LmtpClient::Deliver(const std::vector<std::string>* recipients, std::string_view wire,
                                 bool declare_size) {
  const size_t size = declare_size ? wire.size() : 0;
  LOAD_CO_RETURN_IF_ERROR(co_await Begin(recipients, size));
  stream_->Write(wire);
  LOAD_CO_RETURN_IF_ERROR(co_await stream_->Flush());
  for (size_t i = 0; i < recipients->size(); ++i) {
    LOAD_CO_RETURN_IF_ERROR(co_await ReadReply('2', "the message", nullptr));
  }
  co_return OkStatus();
}

Task<Status> LmtpClient::DeliverPart(const std::vector<std::string>* recipients,
                                     std::string_view wire, size_t wire_bytes) {
  LOAD_CO_RETURN_IF_ERROR(co_await Begin(recipients, 0));
  stream_->Write(wire.substr(0, wire_bytes));
  co_return co_await stream_->Flush();
}

Task<Status> LmtpClient::Quit() {
  stream_->Write("QUIT\r\n");
  LOAD_CO_RETURN_IF_ERROR(co_await ReadReply('2', "QUIT", nullptr));
  co_return co_await stream_->WaitClose();
}

}  // namespace poplar::load
