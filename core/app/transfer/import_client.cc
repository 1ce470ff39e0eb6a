#include "core/app/transfer/import_client.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace poplar::app {
namespace {

// One chunk holds most messages whole.
constexpr size_t kChunkBytes = 256 * 1024;
// So many replies to chunks may be on their way: they fit any socket's buffer.
constexpr size_t kChunkRepliesMax = 64;

Status Strange(std::string_view what) {
  return MakeStatus(StatusCode::kUnavailable,
                    "the server's answer is not understood: " + std::string(what));
}

// What a refusal means for the whole maildrop.
Status StatusOfCode(int code, std::string_view text) {
  if (code == 550 && text.starts_with("5.1.1")) return MakeStatus(StatusCode::kNotFound, text);
  if (code == 550 && text.starts_with("5.2.1")) {
    return MakeStatus(StatusCode::kPermissionDenied, text);
  }
  if (code == 452 && text.starts_with("4.2.2")) {
    return MakeStatus(StatusCode::kResourceExhausted,
                      "the maildrop or its tenant is over its quota here (" + std::string(text) +
                          "): raise it (`poplar user set`, `poplar tenant set`), then the same "
                          "command goes on");
  }
  if (code == 452) return MakeStatus(StatusCode::kResourceExhausted, text);
  return MakeStatus(StatusCode::kUnavailable, text);
}

// Fills the buffer; less than its size is the end.
StatusOr<size_t> Fill(ByteSource& source, std::span<char> buffer) {
  size_t length = 0;
  while (length < buffer.size()) {
    POP_ASSIGN_OR_RETURN(const size_t got, source.Read(buffer.subspan(length)));
    if (got == 0) break;
    length += got;
  }
  return length;
}

}  // namespace

std::string ToXtext(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string xtext;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x21 || byte > 0x7E || c == '+' || c == '=') {
      xtext += {'+', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      xtext += c;
    }
  }
  return xtext;
}

StatusOr<ImportClient> ImportClient::Connect(const std::string& socket_path) {
  POP_ASSIGN_OR_RETURN(LineConnection connection, LineConnection::ToOwn(socket_path));
  ImportClient client(std::move(connection));
  POP_ASSIGN_OR_RETURN(const Reply greeting, client.ReadReply());
  if (greeting.code != 220) return StatusOfCode(greeting.code, greeting.text);
  POP_RETURN_IF_ERROR(client.connection_.Write("LHLO localhost\r\n"));
  POP_ASSIGN_OR_RETURN(const Reply lhlo, client.ReadReply());
  if (lhlo.code != 250) return Strange(lhlo.text);
  return client;
}

StatusOr<ImportClient::Reply> ImportClient::ReadReply() {
  while (true) {
    POP_ASSIGN_OR_RETURN(const std::string line, connection_.ReadLine());
    Reply reply;
    const auto parsed = std::from_chars(line.data(), line.data() + line.size(), reply.code);
    if (parsed.ec != std::errc() || parsed.ptr != line.data() + 3) return Strange(line);
    if (line.size() > 3 && line[3] == '-') continue;
    if (line.size() > 4) reply.text = line.substr(4);
    return reply;
  }
}

// What the server says of chunks before the last counts only where the message fails, and then the
// last one is answered so, too.
Status ImportClient::ReadChunkReplies(size_t leave) {
  for (; chunk_replies_owed_ > leave; --chunk_replies_owed_) {
    POP_RETURN_IF_ERROR(ReadReply().status());
  }
  return OkStatus();
}

StatusOr<ImportResult> ImportClient::Import(const std::string& address,
                                            const ImportMessage& message, ByteSource& source) {
  const bool can_be_sent = std::all_of(address.begin(), address.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte != 0x7F && c != '<' && c != '>';
  });
  if (!can_be_sent) return MakeStatus(StatusCode::kInvalidArgument, address + " is no address");
  std::string commands = "MAIL FROM:<> XUIDL=" + ToXtext(message.uidl) +
                         " XRECEIVED=" + std::to_string(message.received_us) +
                         " SMTPUTF8\r\nRCPT TO:<" + address + ">\r\n";
  buffer_.resize(kChunkBytes);
  Reply mail;
  Reply rcpt;
  bool is_first = true;
  for (bool last = false; !last;) {
    POP_ASSIGN_OR_RETURN(const size_t bytes, Fill(source, buffer_));
    last = bytes < buffer_.size();
    commands += "BDAT " + std::to_string(bytes) + (last ? " LAST\r\n" : "\r\n");
    commands.append(buffer_, 0, bytes);
    POP_RETURN_IF_ERROR(connection_.Write(commands));
    commands.clear();
    if (std::exchange(is_first, false)) {
      POP_ASSIGN_OR_RETURN(mail, ReadReply());
      POP_ASSIGN_OR_RETURN(rcpt, ReadReply());
      if (mail.code != 250 || rcpt.code != 250) break;  // No need to send the rest.
    }
    ++chunk_replies_owed_;
    POP_RETURN_IF_ERROR(ReadChunkReplies(kChunkRepliesMax));
  }
  if (mail.code != 250) return Strange(mail.text);
  if (rcpt.code != 250) return StatusOfCode(rcpt.code, rcpt.text);
  POP_RETURN_IF_ERROR(ReadChunkReplies(1));
  POP_ASSIGN_OR_RETURN(const Reply done, ReadReply());
  chunk_replies_owed_ = 0;
  return Judge(done);
}

StatusOr<ImportResult> ImportClient::Judge(const Reply& done) {
  if (done.code == 250) {
    const bool repeated = done.text.starts_with("2.2.0");
    return ImportResult{repeated ? ImportOutcome::kAlreadyThere : ImportOutcome::kStored, ""};
  }
  if (done.code == 552 || done.code == 554) {
    return ImportResult{ImportOutcome::kRefused, std::to_string(done.code) + " " + done.text};
  }
  return StatusOfCode(done.code, done.text);
}

void ImportClient::Quit() { connection_.Write("QUIT\r\n").IgnoreError(); }

}  // namespace poplar::app
