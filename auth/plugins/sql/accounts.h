// One back end of the configuration: questions about users and tenants, answered by a database. Any
// thread.

#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "auth/plugin.h"
#include "auth/plugins/common/pool.h"
#include "auth/plugins/common/question.h"
#include "auth/plugins/common/servers.h"
#include "auth/plugins/sql/driver.h"
#include "auth/plugins/sql/settings.h"
#include "auth/plugins/sql/user_row.h"

namespace poplar::sql {

inline constexpr uint32_t kOperations =
    POPLAR_RESOLVE | POPLAR_VERIFY_PASSWORD | POPLAR_FETCH_VERIFIER | POPLAR_LIST_TENANTS;

class Accounts {
 public:
  // Null: `fault` is a sentence about a setting. `host` and `driver` outlive it.
  static std::unique_ptr<Accounts> Make(const poplar_setting* settings, const Driver& driver,
                                        const poplar_host& host, std::string& fault);
  Accounts(Settings settings, const Driver& driver, const poplar_host& host);
  Accounts(const Accounts&) = delete;
  Accounts& operator=(const Accounts&) = delete;

  poplar_outcome Ask(const poplar_question& question, poplar_answer* answer);

 private:
  using Question = plugins::Question;

  // Servers that are asked alike.
  struct Group {
    Group(const std::vector<Server>& list, plugins::Servers::Order order, const Settings& settings,
          const Driver& driver, const poplar_host& host);
    Reply Ask(const std::string& query, const std::vector<std::string>& values, size_t rows_max,
              plugins::Deadline deadline);

    plugins::Servers servers;
    plugins::Pool<Connection> pool;
  };

  // OK: `user` is the one that has the login name.
  poplar_outcome Find(const Question& asked, UserRow& user);
  Reply Query(const Question& asked, const std::vector<std::string>& values);
  poplar_outcome ListTenants(const Question& asked);
  // Gives Poplar what is stored, where it was asked for: OK, or why it cannot.
  poplar_outcome HandOut(const Question& asked, const UserRow& user) const;
  // Tells Poplar of the user: OK, or what is wrong with the row.
  poplar_outcome Describe(const Question& asked, const UserRow& user) const;

  const Settings settings_;
  const poplar_host& host_;
  Group primaries_;
  std::unique_ptr<Group> replicas_;  // Null: there are none.
  std::mutex tenants_mutex_;
  std::vector<std::string> tenants_;  // That the last query gave; guarded by tenants_mutex_.
};

}  // namespace poplar::sql
