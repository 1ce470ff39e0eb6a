// One back end of the configuration: questions about users, answered by a directory. Any thread.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "auth/plugin.h"
#include "auth/plugins/common/pool.h"
#include "auth/plugins/common/question.h"
#include "auth/plugins/common/servers.h"
#include "auth/plugins/ldap/connection.h"
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
  using Pool = plugins::Pool<Connection>;
  using Question = plugins::Question;

  poplar_outcome Resolve(const Question& asked);
  poplar_outcome VerifyPassword(const Question& asked);
  poplar_outcome DirectBind(const Question& asked);
  // OK: `entry` is the one that the login name belongs to.
  poplar_outcome Find(const Question& asked, Entry& entry);
  // OK: its password is that of the question.
  poplar_outcome BindAs(const Question& asked, const std::string& dn);
  poplar_outcome HandOutPassword(const Question& asked, const Entry& entry);
  // Tells Poplar of the entry: OK, or what is wrong with it.
  poplar_outcome Describe(const Question& asked, const Entry& entry);
  void DescribeQuota(const Question& asked, const Entry& entry, const std::string& attribute,
                     poplar_field field);
  bool Disabled(const Entry& entry) const;

  // For searches: a connection as the service account.
  std::unique_ptr<Connection> OpenBound(size_t server, Deadline deadline, std::string& fault);

  const Settings settings_;
  const std::vector<std::string> attributes_;  // To ask for.
  const poplar_host& host_;
  plugins::Servers servers_;
  // Apart, as each bind changes who a connection speaks for.
  Pool searches_;
  Pool binds_;
};

}  // namespace poplar::ldap
