// One back end of the configuration: questions about users, answered by a directory. Any thread.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "auth/plugin.h"
#include "auth/plugins/ldap/connection.h"
#include "auth/plugins/ldap/pool.h"
#include "auth/plugins/ldap/settings.h"

namespace poplar::ldap {

class Directory {
 public:
  // `host` outlives this.
  Directory(Settings settings, const poplar_host& host);
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  poplar_outcome Ask(const poplar_question& question, poplar_answer* answer);

 private:
  // One question at hand.
  struct Asked {
    std::string login;
    std::string_view password;  // Of a log-in.
    Deadline deadline;
    poplar_answer* answer = nullptr;
  };

  poplar_outcome Resolve(const Asked& asked);
  poplar_outcome VerifyPassword(const Asked& asked);
  poplar_outcome DirectBind(const Asked& asked);
  // OK: `entry` is the one that the login name belongs to.
  poplar_outcome Find(const Asked& asked, Entry& entry);
  // OK: its password is that of the question.
  poplar_outcome BindAs(const Asked& asked, const std::string& dn);
  poplar_outcome HandOutPassword(const Asked& asked, const Entry& entry);
  // Tells Poplar of the entry: OK, or what is wrong with it.
  poplar_outcome Describe(const Asked& asked, const Entry& entry);
  void DescribeQuota(const Asked& asked, const Entry& entry, const std::string& attribute,
                     poplar_field field);
  bool Disabled(const Entry& entry) const;

  poplar_outcome Say(const Asked& asked, poplar_outcome outcome, const std::string& reason) const;

  const Settings settings_;
  const poplar_host& host_;
  const std::vector<std::string> attributes_;  // To ask for.
  Pool pool_;
};

}  // namespace poplar::ldap
