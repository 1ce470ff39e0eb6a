// Users in a file of Dovecot's passwd-file format, one a line:
//
//   user:password:uid:gid:gecos:home:shell:extra
//
// Only the first two matter, and of the extra fields (`key=value`, by blanks) those that mean
// something here: userdb_quota_rule, nologin, poplar_account. Pure.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth/users/user_database.h"

namespace poplar::auth {

struct PasswdUser {
  std::string stored_password;  // "{SCHEME}…", or as crypt(5) writes it. Empty: none.
  // poplar_account, or the address itself in lower case: then a renamed user has a new maildrop.
  std::string account;
  UserQuota quota;        // What is not said is the tenant's.
  bool disabled = false;  // nologin, or a password that begins with '!' or '*'.
};

struct PasswdUsers {
  std::unordered_map<std::string, PasswdUser> by_login;  // As LookupKey makes it.
  uint64_t lines_refused = 0;
  std::string first_fault;     // "line 7: …", without anything secret.
  bool ends_with_line = true;  // Its last one has an end, or there is none.
};

// `default_domain` is put to users without one; where it is empty they are refused. Comments and
// empty lines are passed over. A login that is there twice is refused the second time.
PasswdUsers ParsePasswdFile(std::string_view text, std::string_view default_domain);

}  // namespace poplar::auth
