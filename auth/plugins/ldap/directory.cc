#include "auth/plugins/ldap/directory.h"

#include <algorithm>
#include <utility>

#include "auth/plugins/common/placeholders.h"

namespace poplar::ldap {
namespace {

std::string LowerCase(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

const std::vector<std::string>& ValuesOf(const Entry& entry, const std::string& attribute) {
  static const std::vector<std::string> kNone;
  const auto found = entry.attributes.find(LowerCase(attribute));
  return found == entry.attributes.end() ? kNone : found->second;
}

std::vector<std::string> AttributesOf(const Settings& settings) {
  std::vector<std::string> names;
  for (const std::string* name :
       {&settings.account_attribute, &settings.address_attribute, &settings.quota_octets_attribute,
        &settings.quota_messages_attribute, &settings.disabled_attribute}) {
    if (!name->empty()) names.push_back(*name);
  }
  if (settings.mode == Mode::kLookup) names.push_back(settings.password_attribute);
  return names;
}

std::vector<std::string> NamesOf(const std::vector<Server>& servers) {
  std::vector<std::string> names;
  names.reserve(servers.size());
  for (const Server& server : servers) names.push_back(server.uri);
  return names;
}

plugins::Tried TriedOf(const Reply& reply) {
  using Result = plugins::Tried::Result;
  if (reply.code == LDAP_SERVER_DOWN) return {.result = Result::kEnded, .why = reply.text};
  if (!reply.answered()) return {.result = Result::kNoAnswer, .why = reply.text};
  const bool busy = reply.code == LDAP_BUSY || reply.code == LDAP_UNAVAILABLE;
  return {.result = busy ? Result::kUnfit : Result::kAnswered, .why = reply.text};
}

// That a directory answers, with whatever result, says that it lives.
poplar_outcome FailureOf(const Reply& reply) {
  return reply.answered() ? POPLAR_TEMPORARY : POPLAR_UNREACHABLE;
}

// What `operation` replies on a connection of the pool's.
template <typename Operation>
Reply Run(plugins::Pool<Connection>& pool, Deadline deadline, const Operation& operation) {
  Reply reply;
  const plugins::Tried tried = pool.Run(deadline, [&](Connection& one, Deadline until) {
    reply = operation(one, until);
    return TriedOf(reply);
  });
  if (!tried.answered()) {
    reply = {.code = LDAP_CONNECT_ERROR, .text = tried.why, .policy = PP_noError};
  }
  return reply;
}

}  // namespace

Directory::Directory(Settings settings, const poplar_host& host)
    : settings_(std::move(settings)),
      attributes_(AttributesOf(settings_)),
      host_(host),
      servers_(NamesOf(settings_.servers), plugins::Servers::Order::kListed, host),
      searches_(servers_, settings_.limits,
                [this](size_t server, Deadline deadline, std::string& fault) {
                  return OpenBound(server, deadline, fault);
                }),
      binds_(
          servers_, settings_.limits, [this](size_t server, Deadline deadline, std::string& fault) {
            return Connection::Open(settings_, settings_.servers[server],
                                    plugins::Within(settings_.limits.connect_timeout_ms, deadline),
                                    fault);
          }) {}

poplar_outcome Directory::Ask(const poplar_question& question, poplar_answer* answer) {
  const Question asked(host_, question, answer);
  if (!plugins::IsUtf8(asked.login())) return asked.Say(POPLAR_UNKNOWN, "the name is not UTF-8");
  switch (asked.operation()) {
    case POPLAR_RESOLVE:
      return Resolve(asked);
    case POPLAR_VERIFY_PASSWORD:
      // A bind without a password succeeds, as nobody (RFC 4513 section 5.1.2).
      if (asked.secret().empty()) return asked.Say(POPLAR_REFUSED, "no password");
      return VerifyPassword(asked);
    default:
      return POPLAR_UNSUPPORTED;
  }
}

poplar_outcome Directory::Resolve(const Question& asked) {
  Entry entry;
  if (const poplar_outcome found = Find(asked, entry); found != POPLAR_OK) return found;
  // Whoever may not log in still gets mail, as everywhere in Poplar.
  const bool for_mail = asked.mechanism().empty();
  if (!for_mail && Disabled(entry)) return asked.Say(POPLAR_DISABLED, "account disabled");
  return Describe(asked, entry);
}

poplar_outcome Directory::VerifyPassword(const Question& asked) {
  if (settings_.mode == Mode::kDirectBind) return DirectBind(asked);
  Entry entry;
  if (const poplar_outcome found = Find(asked, entry); found != POPLAR_OK) return found;
  const bool lookup = settings_.mode == Mode::kLookup;
  const poplar_outcome verdict = lookup ? HandOutPassword(asked, entry) : BindAs(asked, entry.dn);
  if (verdict != POPLAR_OK) return verdict;
  if (Disabled(entry)) return asked.Say(POPLAR_DISABLED, "account disabled");
  return Describe(asked, entry);
}

poplar_outcome Directory::DirectBind(const Question& asked) {
  const std::optional<std::string> dn = settings_.dn_template.Render(asked.login());
  if (!dn.has_value()) return asked.Say(POPLAR_UNKNOWN, "dn_template has no place for the name");
  if (const poplar_outcome bound = BindAs(asked, *dn); bound != POPLAR_OK) return bound;
  Entry entry;
  const poplar_outcome found = Find(asked, entry);
  if (found == POPLAR_UNKNOWN) {
    return asked.Say(POPLAR_TEMPORARY, "bind_dn may not read " + *dn);
  }
  if (found != POPLAR_OK) return found;
  if (Disabled(entry)) return asked.Say(POPLAR_DISABLED, "account disabled");
  return Describe(asked, entry);
}

poplar_outcome Directory::Find(const Question& asked, Entry& entry) {
  const bool direct = settings_.mode == Mode::kDirectBind;
  const Template& place = direct ? settings_.dn_template : settings_.base;
  const std::optional<std::string> base = place.Render(asked.login());
  const std::optional<std::string> filter =
      direct ? "(objectClass=*)" : settings_.filter.Render(asked.login());
  if (!base.has_value() || !filter.has_value()) {
    return asked.Say(POPLAR_UNKNOWN, "the name lacks a part");
  }
  std::vector<Entry> entries;
  const Reply reply = Run(searches_, asked.deadline(), [&](Connection& one, Deadline deadline) {
    entries.clear();
    return one.Search(*base, direct ? LDAP_SCOPE_BASE : settings_.scope, *filter, attributes_,
                      deadline, entries);
  });
  if (entries.size() > 1) {
    return asked.Say(POPLAR_TEMPORARY,
                     "more than one entry has this name: " + entries[0].dn + ", " + entries[1].dn);
  }
  if (reply.code == LDAP_NO_SUCH_OBJECT) {
    // Of a base that is the same for everybody it says that the configuration is wrong, or that the
    // service account may not see it: mail must not bounce for that.
    if (!place.fixed()) return asked.Say(POPLAR_UNKNOWN, "unknown user");
    return asked.Say(POPLAR_TEMPORARY, "bind_dn sees no base " + *base);
  }
  if (reply.code != LDAP_SUCCESS) return asked.Say(FailureOf(reply), reply.text);
  if (entries.empty()) return asked.Say(POPLAR_UNKNOWN, "unknown user");
  entry = std::move(entries[0]);
  return POPLAR_OK;
}

poplar_outcome Directory::BindAs(const Question& asked, const std::string& dn) {
  const Reply reply = Run(binds_, asked.deadline(), [&](Connection& one, Deadline deadline) {
    return one.Bind(dn, asked.secret(), deadline);
  });
  switch (reply.code) {
    case LDAP_SUCCESS:
      return POPLAR_OK;
    case LDAP_NO_SUCH_OBJECT:
      return asked.Say(POPLAR_UNKNOWN, "unknown user");
    case LDAP_INVALID_CREDENTIALS:
      // An expired password is told after the right one only. A lock is told whatever the password
      // is: were it told on, it would give away who exists.
      if (reply.policy == PP_passwordExpired) {
        return asked.Say(POPLAR_DISABLED, "the password has expired");
      }
      if (reply.policy == PP_accountLocked) {
        return asked.Say(POPLAR_REFUSED, "the directory has locked the account");
      }
      return asked.Say(POPLAR_REFUSED, "wrong password");
    case LDAP_INAPPROPRIATE_AUTH:  // As some servers say of an entry without a password.
      return asked.Say(POPLAR_REFUSED, reply.text);
    default:
      return asked.Say(FailureOf(reply), reply.text);
  }
}

poplar_outcome Directory::HandOutPassword(const Question& asked, const Entry& entry) {
  const std::vector<std::string>& stored = ValuesOf(entry, settings_.password_attribute);
  if (stored.empty()) {
    return asked.Say(POPLAR_REFUSED,
                     "bind_dn sees no " + settings_.password_attribute + " in " + entry.dn);
  }
  const auto hashed =
      std::ranges::find_if(stored, [](const std::string& one) { return one.starts_with('{'); });
  // Without a scheme it is the password itself (RFC 4519 section 2.41).
  const std::string value = hashed != stored.end() ? *hashed : "{PLAIN}" + stored[0];
  if (!asked.Set(POPLAR_STORED_PASSWORD, value)) {
    return asked.Say(POPLAR_TEMPORARY, settings_.password_attribute + " is too long");
  }
  return POPLAR_OK;
}

poplar_outcome Directory::Describe(const Question& asked, const Entry& entry) {
  const std::vector<std::string>& account = ValuesOf(entry, settings_.account_attribute);
  if (account.size() != 1 || account[0].empty()) {
    return asked.Say(POPLAR_TEMPORARY, entry.dn + " has not one " + settings_.account_attribute +
                                           " that bind_dn may read");
  }
  if (!asked.Set(POPLAR_ACCOUNT, account[0])) {
    return asked.Say(POPLAR_TEMPORARY, settings_.account_attribute + " is too long");
  }
  const std::vector<std::string>& address = ValuesOf(entry, settings_.address_attribute);
  if (!address.empty()) asked.Set(POPLAR_ADDRESS, address[0]);
  DescribeQuota(asked, entry, settings_.quota_octets_attribute, POPLAR_QUOTA_OCTETS);
  DescribeQuota(asked, entry, settings_.quota_messages_attribute, POPLAR_QUOTA_MESSAGES);
  return POPLAR_OK;
}

void Directory::DescribeQuota(const Question& asked, const Entry& entry,
                              const std::string& attribute, poplar_field field) {
  const std::vector<std::string>& values = ValuesOf(entry, attribute);
  if (!values.empty()) asked.SetQuota(field, values[0], entry.dn + ": " + attribute);
}

bool Directory::Disabled(const Entry& entry) const {
  return std::ranges::any_of(ValuesOf(entry, settings_.disabled_attribute),
                             [this](const std::string& value) {
                               return LowerCase(value) == LowerCase(settings_.disabled_value);
                             });
}

std::unique_ptr<Connection> Directory::OpenBound(size_t server, Deadline deadline,
                                                 std::string& fault) {
  const plugins::Limits& limits = settings_.limits;
  std::unique_ptr<Connection> connection =
      Connection::Open(settings_, settings_.servers[server],
                       plugins::Within(limits.connect_timeout_ms, deadline), fault);
  if (connection == nullptr || settings_.bind_dn.empty()) return connection;
  const Reply bound = connection->Bind(settings_.bind_dn, settings_.bind_password,
                                       plugins::Within(limits.timeout_ms, deadline));
  if (bound.code == LDAP_SUCCESS) return connection;
  fault = "no bind as bind_dn: " + bound.text;
  return nullptr;
}

}  // namespace poplar::ldap
