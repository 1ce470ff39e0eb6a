// A connection to one server. No call waits longer than its deadline, whatever the other end does:
// the socket never blocks, and libldap, which may want to read and write, waits only by poll.
//
// One thread at a time.

#pragma once

#include <ldap.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "auth/plugins/common/deadline.h"
#include "auth/plugins/ldap/settings.h"

namespace poplar::ldap {

using plugins::Clock;
using plugins::Deadline;

struct Reply {
  // A result of LDAP's (RFC 4511 section 4.1.9); negative is libldap's own: no answer came.
  int code = LDAP_SUCCESS;
  std::string text;  // For logs: what the code means, and what the server adds.
  LDAPPasswordPolicyError policy = PP_noError;  // What the server tells with a bind.

  bool answered() const { return code >= 0; }
};

struct Entry {
  std::string dn;
  // Names in lower case.
  std::map<std::string, std::vector<std::string>> attributes;
};

class Connection {
 public:
  // Connects, and negotiates TLS where it is asked for; the server's certificate must be trusted
  // and hold its name. Null: `fault` says why.
  static std::unique_ptr<Connection> Open(const Settings& settings, const Server& server,
                                          Deadline deadline, std::string& fault);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // Simple bind. REQUIRES: a password that is not empty (RFC 4513 section 5.1.2).
  Reply Bind(const std::string& dn, std::string_view password, Deadline deadline);
  // At most two entries: whoever sees two knows enough. Referrals are not followed.
  Reply Search(const std::string& base, int scope, const std::string& filter,
               const std::vector<std::string>& attributes, Deadline deadline,
               std::vector<Entry>& entries);

  // False: an operation was not answered, or the other end has closed it meanwhile.
  bool Usable() const;

 private:
  Connection() = default;

  bool Dial(const Settings& settings, const Server& server, Deadline deadline, std::string& fault);
  Reply Secure(const Settings& settings, Deadline deadline);
  Reply StartTls(Deadline deadline);
  // What became of an operation that was sent with `code`. `message` is the caller's to free.
  Reply Finish(int code, int id, Deadline deadline, LDAPMessage*& message);
  Reply Fault(int code);
  // The other end has not closed it.
  bool IsOpen() const;

  LDAP* handle_ = nullptr;
  int fd_ = -1;  // The handle's.
  bool broken_ = false;
};

}  // namespace poplar::ldap
