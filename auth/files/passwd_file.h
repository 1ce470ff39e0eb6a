// Users in a file of Dovecot's passwd-file format, one a line:
//
//   user:password:uid:gid:gecos:home:shell:extra
//
// Only the first two matter, and of the extra fields (`key=value`, by blanks) those that mean
// something here: userdb_quota_rule, nologin, allow_nets, poplar_account. Pure.

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
  std::string networks;   // From where he may log in (auth/users/networks.h); empty: anywhere.
  bool disabled = false;  // nologin: he may not, whatever his password.
  bool locked = false;    // His password begins with '!' or '*': there is none that is right.
};

struct PasswdUsers {
  std::unordered_map<std::string, PasswdUser> by_login;  // As LookupKey makes it.
  // With those whose allow_nets has what is no network: they count, and nobody is let in from
  // there.
  uint64_t lines_refused = 0;
  std::string first_fault;     // "line 7: …", without anything secret.
  bool ends_with_line = true;  // Its last one has an end, or there is none.
};

// `default_domain` is put to users without one; where it is empty they are refused. Comments and
// empty lines are passed over. A login that is there twice is refused the second time.
PasswdUsers ParsePasswdFile(std::string_view text, std::string_view default_domain);

}  // namespace poplar::auth
