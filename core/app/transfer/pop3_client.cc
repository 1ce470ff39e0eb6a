#include "core/app/transfer/pop3_client.h"

#include <openssl/evp.h>
#include <strings.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

namespace poplar::app {
namespace {

// More messages than that no listing has.
constexpr size_t kListingLinesMax = 10'000'000;

template <class Number>
bool TakeNumber(std::string_view& text, Number& number) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(parsed.ptr - text.data()));
  if (!text.empty() && text.front() != ' ') return false;
  while (text.starts_with(' ')) text.remove_prefix(1);
  return true;
}

Status StrangeReply(std::string_view line) {
  return MakeStatus(StatusCode::kUnavailable,
                    "the POP3 server's answer is not understood: " + std::string(line));
}

std::string Base64(std::string_view text) {
  std::string encoded(4 * ((text.size() + 2) / 3) + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
  encoded.resize(static_cast<size_t>(length));
  return encoded;
}

// What would end a command line or be another command.
bool CanBeSent(std::string_view text) {
  return !text.empty() && std::none_of(text.begin(), text.end(),
                                       [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

}  // namespace

StatusOr<Pop3Server> ParsePop3Url(std::string_view url) {
  const auto wrong = [url] {
    return MakeStatus(StatusCode::kInvalidArgument,
                      std::string(url) + ": write pop3://HOST[:PORT] or pop3s://HOST[:PORT]");
  };
  Pop3Server server;
  server.implicit_tls = url.starts_with("pop3s://");
  if (!server.implicit_tls && !url.starts_with("pop3://")) return wrong();
  std::string_view rest = url.substr(url.find("//") + 2);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.starts_with('[')) {
    const size_t end = rest.find(']');
    if (end == std::string_view::npos) return wrong();
    server.host = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
  } else {
    server.host = rest.substr(0, rest.find(':'));
    rest.remove_prefix(server.host.size());
  }
  server.port = server.implicit_tls ? 995 : 110;
  if (rest.starts_with(':')) {
    rest.remove_prefix(1);
    if (!TakeNumber(rest, server.port) || server.port == 0) return wrong();
  }
  const bool has_path = server.host.find_first_of("/@ ") != std::string::npos;
  if (!rest.empty() || server.host.empty() || has_path) return wrong();
  return server;
}

StatusOr<std::string> Pop3Client::ReadReply(StatusCode refused) {
  POP_ASSIGN_OR_RETURN(std::string line, connection_.ReadLine());
  if (line.starts_with("+OK")) return line.substr(std::min<size_t>(4, line.size()));
  if (!line.starts_with("-ERR")) return StrangeReply(line);
  const bool later = line.find("[IN-USE]") != std::string::npos ||
                     line.find("[SYS/TEMP]") != std::string::npos ||
                     line.find("[LOGIN-DELAY]") != std::string::npos;
  return MakeStatus(later ? StatusCode::kUnavailable : refused,
                    line.substr(std::min<size_t>(5, line.size())));
}

StatusOr<std::string> Pop3Client::Command(std::string_view line, StatusCode refused) {
  POP_RETURN_IF_ERROR(connection_.Write(std::string(line) + "\r\n"));
  return ReadReply(refused);
}

Status Pop3Client::StartStls(const Pop3Server& server) {
  const auto offered = Command("STLS", StatusCode::kUnimplemented);
  if (offered.ok()) return connection_.StartTls(server.host, server.trust);
  if (offered.status().code() != StatusCode::kUnimplemented) return offered.status();
  if (server.allow_cleartext) return OkStatus();
  return MakeStatus(StatusCode::kFailedPrecondition,
                    server.host +
                        " has no STLS, so the password would be sent in clear; say "
                        "--cleartext if the way there is safe");
}

StatusOr<std::unique_ptr<Pop3Client>> Pop3Client::LogIn(const Pop3Server& server,
                                                        const std::string& user,
                                                        const base::Secret& password) {
  if (!CanBeSent(user) || !CanBeSent(password.Reveal())) {
    return MakeStatus(StatusCode::kInvalidArgument, "a user name or password cannot be sent");
  }
  POP_ASSIGN_OR_RETURN(LineConnection connection,
                       LineConnection::ToTcp(server.host, server.port, server.timeout_s));
  if (server.implicit_tls) {
    POP_RETURN_IF_ERROR(connection.StartTls(server.host, server.trust));
  }
  std::unique_ptr<Pop3Client> client(new Pop3Client(std::move(connection)));
  POP_RETURN_IF_ERROR(client->ReadReply().status());
  if (!server.implicit_tls) POP_RETURN_IF_ERROR(client->StartStls(server));
  constexpr auto kRefused = StatusCode::kUnauthenticated;
  POP_RETURN_IF_ERROR(client->Command("USER " + user, kRefused).status());
  const std::string line = "PASS " + std::string(password.Reveal());
  const Status logged_in = client->Command(line, kRefused).status();
  if (!logged_in.ok()) return Annotate(logged_in, user + " at " + server.host);
  // Only now: before the log-in they may be others.
  POP_RETURN_IF_ERROR(client->ReadCapabilities());
  return client;
}

Status Pop3Client::ReadCapabilities() {
  const Status told = Command("CAPA", StatusCode::kUnimplemented).status();
  if (told.code() == StatusCode::kUnimplemented) return OkStatus();
  POP_RETURN_IF_ERROR(told);
  std::vector<std::string> lines;
  POP_RETURN_IF_ERROR(ReadListing(lines));
  for (std::string& line : lines) {
    line.resize(std::min(line.find(' '), line.size()));
    has_uidl_ = has_uidl_ || strcasecmp(line.c_str(), "UIDL") == 0;
    pipelining_ = pipelining_ || strcasecmp(line.c_str(), "PIPELINING") == 0;
  }
  return OkStatus();
}

StatusOr<std::unique_ptr<Pop3Client>> Pop3Client::OpenExport(const std::string& socket_path,
                                                             const std::string& address) {
  POP_ASSIGN_OR_RETURN(LineConnection connection, LineConnection::ToOwn(socket_path));
  std::unique_ptr<Pop3Client> client(new Pop3Client(std::move(connection)));
  client->exports_ = client->has_uidl_ = client->pipelining_ = true;
  POP_RETURN_IF_ERROR(client->ReadReply().status());
  const std::string line = "AUTH EXTERNAL " + Base64(address);
  const Status opened = client->Command(line, StatusCode::kNotFound).status();
  if (opened.ok()) return client;
  if (opened.code() != StatusCode::kNotFound) return Annotate(opened, address);
  return MakeStatus(StatusCode::kNotFound, "there is no user " + address);
}

Status Pop3Client::ReadListing(std::vector<std::string>& lines) {
  while (lines.size() < kListingLinesMax) {
    POP_ASSIGN_OR_RETURN(std::string line, connection_.ReadLine());
    if (line == ".") return OkStatus();
    lines.push_back(std::move(line));
  }
  return StrangeReply("a listing without an end");
}

StatusOr<std::vector<Pop3Message>> Pop3Client::List() {
  std::vector<Pop3Message> messages;
  std::map<uint32_t, size_t> by_number;
  std::vector<std::string> lines;
  POP_RETURN_IF_ERROR(Command("LIST").status());
  POP_RETURN_IF_ERROR(ReadListing(lines));
  for (const std::string& line : lines) {
    std::string_view rest = line;
    Pop3Message message;
    if (!TakeNumber(rest, message.number) || !TakeNumber(rest, message.octets))
      return StrangeReply(line);
    if (!by_number.emplace(message.number, messages.size()).second) return StrangeReply(line);
    messages.push_back(std::move(message));
  }
  lines.clear();
  const Status told =
      Command("UIDL", has_uidl_ ? StatusCode::kUnavailable : StatusCode::kUnimplemented).status();
  if (told.code() == StatusCode::kUnimplemented) return messages;
  if (!told.ok()) return Annotate(told, "UIDL is refused");
  POP_RETURN_IF_ERROR(ReadListing(lines));
  for (const std::string& line : lines) {
    std::string_view rest = line;
    uint32_t number = 0;
    if (!TakeNumber(rest, number) || !by_number.contains(number)) return StrangeReply(line);
    messages[by_number[number]].uidl = rest;
  }
  if (!exports_) return messages;
  lines.clear();
  POP_RETURN_IF_ERROR(Command("XDATES").status());
  POP_RETURN_IF_ERROR(ReadListing(lines));
  for (const std::string& line : lines) {
    std::string_view rest = line;
    uint32_t number = 0;
    int64_t received_us = 0;
    if (!TakeNumber(rest, number) || !TakeNumber(rest, received_us)) return StrangeReply(line);
    if (by_number.contains(number)) messages[by_number[number]].received_us = received_us;
  }
  return messages;
}

// A multi-line reply's content: a doubled dot at a line's start is one, a lone one the end.
class Pop3Client::Body final : public ByteSource {
 public:
  explicit Body(LineConnection& connection) : connection_(connection) {}

  StatusOr<size_t> Read(std::span<char> into) override {
    while (taken_ == ready_.size() && !ended_) {
      POP_ASSIGN_OR_RETURN(const std::string_view bytes, connection_.Peek());
      ready_.clear();
      taken_ = 0;
      size_t used = 0;
      while (used < bytes.size() && !ended_) Step(bytes[used++]);
      connection_.Take(used);
    }
    const size_t bytes = std::min(into.size(), ready_.size() - taken_);
    std::copy_n(ready_.begin() + static_cast<ptrdiff_t>(taken_), bytes, into.begin());
    taken_ += bytes;
    return bytes;
  }

 private:
  enum class State : uint8_t { kLineStart, kDot, kDotCr, kInLine };

  void Step(char c) {
    switch (std::exchange(state_, c == '\n' ? State::kLineStart : State::kInLine)) {
      case State::kLineStart:
        if (c != '.') break;
        state_ = State::kDot;
        return;  // The end's, or stuffing.
      case State::kDot:
        ended_ = c == '\n';
        if (c == '\r') state_ = State::kDotCr;
        if (ended_ || c == '\r') return;
        break;
      case State::kDotCr:
        ended_ = c == '\n';
        if (ended_) return;
        ready_ += '\r';
        break;
      case State::kInLine:
        break;
    }
    ready_ += c;
  }

  LineConnection& connection_;
  State state_ = State::kLineStart;
  bool ended_ = false;
  std::string ready_;
  size_t taken_ = 0;  // Of `ready_`.
};

Status Pop3Client::Ask(uint32_t number) {
  return connection_.Write("RETR " + std::to_string(number) + "\r\n");
}

StatusOr<std::unique_ptr<ByteSource>> Pop3Client::NextBody() {
  POP_RETURN_IF_ERROR(ReadReply(StatusCode::kDataLoss).status());
  return std::make_unique<Body>(connection_);
}

Status Pop3Client::Delete(uint32_t number) {
  return Command("DELE " + std::to_string(number)).status();
}

Status Pop3Client::Quit() { return Command("QUIT").status(); }

}  // namespace poplar::app
