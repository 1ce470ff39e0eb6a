// A POP3 client, blocking, for moving mailboxes: another server over TCP with or without TLS, or
// our own by the private socket of exports. One thread.
//
// Errors: kUnauthenticated where the server refuses the login, kUnavailable for everything that
// may be tried again, a maildrop in use included; otherwise as LineConnection's.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/app/transfer/byte_source.h"
#include "core/app/transfer/line_connection.h"
#include "core/base/secret.h"

namespace poplar::app {

// `pop3s://mail.example.org`, `pop3://[::1]:1110`: over pop3 TLS is asked for by STLS, unless the
// server does not offer it and `allow_cleartext` is set.
struct Pop3Server {
  std::string host;
  uint16_t port = 0;
  bool implicit_tls = false;
  bool allow_cleartext = false;
  TlsTrust trust;
  uint32_t timeout_s = kPeerTimeoutS;  // Of each wait.
};
// Fills host, port and implicit_tls. kInvalidArgument: no such URL.
StatusOr<Pop3Server> ParsePop3Url(std::string_view url);

struct Pop3Message {
  uint32_t number = 0;
  std::string uidl;
  uint64_t octets = 0;
  int64_t received_us = 0;  // Of exports only.
};

class Pop3Client {
 public:
  static StatusOr<std::unique_ptr<Pop3Client>> LogIn(const Pop3Server& server,
                                                     const std::string& user,
                                                     const base::Secret& password);
  // Opens the maildrop of `address` by the socket of exports. kNotFound: nobody has the address.
  static StatusOr<std::unique_ptr<Pop3Client>> OpenExport(const std::string& socket_path,
                                                          const std::string& address);

  // In the order of their numbers. UIDLs are empty where the server knows no UIDL; one that it has
  // but does not tell now is an error.
  StatusOr<std::vector<Pop3Message>> List();

  // Asks for the bodies of messages ahead of reading them: at most so many that were not read to
  // their ends. It is one where the server does not promise PIPELINING (RFC 2449 §6.6): such a one
  // may drop what comes before it has answered.
  size_t ahead_max() const { return pipelining_ ? kAheadMax : 1; }
  Status Ask(uint32_t number);
  // The next of those asked for, without its stuffing; it must be read to its end before the next
  // call of this client. kDataLoss: the server does not give this one.
  StatusOr<std::unique_ptr<ByteSource>> NextBody();

  Status Delete(uint32_t number);
  // Commits deletions.
  Status Quit();

 private:
  class Body;
  static constexpr size_t kAheadMax = 8;

  explicit Pop3Client(LineConnection connection) : connection_(std::move(connection)) {}
  // The line behind +OK, or the error that `refused` says.
  StatusOr<std::string> ReadReply(StatusCode refused = StatusCode::kUnavailable);
  StatusOr<std::string> Command(std::string_view line,
                                StatusCode refused = StatusCode::kUnavailable);
  // The lines of a listing, up to the lone dot.
  Status ReadListing(std::vector<std::string>& lines);
  Status StartStls(const Pop3Server& server);
  // What the server says of itself; nothing where it knows no CAPA.
  Status ReadCapabilities();

  LineConnection connection_;
  bool exports_ = false;
  bool has_uidl_ = false;  // By its own word.
  bool pipelining_ = false;
};

}  // namespace poplar::app
