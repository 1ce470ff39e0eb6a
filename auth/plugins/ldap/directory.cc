#include "auth/plugins/ldap/directory.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

namespace poplar::ldap {
namespace {

using std::chrono::milliseconds;

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

bool IsNumber(const std::string& text) {
  uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

// So that the answer is there in time.
Deadline DeadlineOf(uint32_t deadline_ms) {
  return Clock::now() + milliseconds(deadline_ms - std::min(deadline_ms / 10, 250U));
}

}  // namespace

Directory::Directory(Settings settings, const poplar_host& host)
    : settings_(std::move(settings)),
      host_(host),
      attributes_(AttributesOf(settings_)),
      pool_(settings_, [this](poplar_level level, const std::string& sentence) {
        host_.log(level, sentence.c_str());
      }) {}

poplar_outcome Directory::Ask(const poplar_question& question, poplar_answer* answer) {
  const Asked asked{.login = question.login,
                    .password = {question.secret, question.secret_bytes},
                    .deadline = DeadlineOf(question.deadline_ms),
                    .answer = answer};
  if (!IsUtf8(asked.login)) return Say(asked, POPLAR_UNKNOWN, "the name is not UTF-8");
  switch (question.operation) {
    case POPLAR_RESOLVE:
      return Resolve(asked);
    case POPLAR_VERIFY_PASSWORD:
      // A bind without a password succeeds, as nobody (RFC 4513 section 5.1.2).
      if (asked.password.empty()) return Say(asked, POPLAR_REFUSED, "no password");
      return VerifyPassword(asked);
    default:
      return POPLAR_UNSUPPORTED;
  }
}

// Whoever may not log in still gets mail, as everywhere in Poplar.
poplar_outcome Directory::Resolve(const Asked& asked) {
  Entry entry;
  const poplar_outcome found = Find(asked, entry);
  return found == POPLAR_OK ? Describe(asked, entry) : found;
}

poplar_outcome Directory::VerifyPassword(const Asked& asked) {
  if (settings_.mode == Mode::kDirectBind) return DirectBind(asked);
  Entry entry;
  if (const poplar_outcome found = Find(asked, entry); found != POPLAR_OK) return found;
  const bool lookup = settings_.mode == Mode::kLookup;
  const poplar_outcome verdict = lookup ? HandOutPassword(asked, entry) : BindAs(asked, entry.dn);
  if (verdict != POPLAR_OK) return verdict;
  if (Disabled(entry)) return Say(asked, POPLAR_DISABLED, "account disabled");
  return Describe(asked, entry);
}

poplar_outcome Directory::DirectBind(const Asked& asked) {
  const std::optional<std::string> dn = settings_.dn_template.Render(asked.login);
  if (!dn.has_value()) return Say(asked, POPLAR_UNKNOWN, "dn_template has no place for the name");
  if (const poplar_outcome bound = BindAs(asked, *dn); bound != POPLAR_OK) return bound;
  Entry entry;
  const poplar_outcome found = Find(asked, entry);
  if (found == POPLAR_UNKNOWN) {
    return Say(asked, POPLAR_TEMPORARY, "bind_dn may not read " + *dn);
  }
  if (found != POPLAR_OK) return found;
  if (Disabled(entry)) return Say(asked, POPLAR_DISABLED, "account disabled");
  return Describe(asked, entry);
}

poplar_outcome Directory::Find(const Asked& asked, Entry& entry) {
  const bool direct = settings_.mode == Mode::kDirectBind;
  const Template& place = direct ? settings_.dn_template : settings_.base;
  const std::optional<std::string> base = place.Render(asked.login);
  const std::optional<std::string> filter =
      direct ? "(objectClass=*)" : settings_.filter.Render(asked.login);
  if (!base.has_value() || !filter.has_value()) {
    return Say(asked, POPLAR_UNKNOWN, "the name lacks a part");
  }
  std::vector<Entry> entries;
  const Reply reply =
      pool_.Run(Pool::Use::kSearch, asked.deadline, [&](Connection& one, Deadline deadline) {
        entries.clear();
        return one.Search(*base, direct ? LDAP_SCOPE_BASE : settings_.scope, *filter, attributes_,
                          deadline, entries);
      });
  if (entries.size() > 1) {
    return Say(asked, POPLAR_TEMPORARY,
               "more than one entry has this name: " + entries[0].dn + ", " + entries[1].dn);
  }
  if (reply.code == LDAP_NO_SUCH_OBJECT) {
    // Of a base that is the same for everybody it says that the configuration is wrong, or that the
    // service account may not see it: mail must not bounce for that.
    if (!place.fixed()) return Say(asked, POPLAR_UNKNOWN, "unknown user");
    return Say(asked, POPLAR_TEMPORARY, "bind_dn sees no base " + *base);
  }
  if (reply.code != LDAP_SUCCESS) return Say(asked, POPLAR_TEMPORARY, reply.text);
  if (entries.empty()) return Say(asked, POPLAR_UNKNOWN, "unknown user");
  entry = std::move(entries[0]);
  return POPLAR_OK;
}

poplar_outcome Directory::BindAs(const Asked& asked, const std::string& dn) {
  const Reply reply = pool_.Run(
      Pool::Use::kBind, asked.deadline,
      [&](Connection& one, Deadline deadline) { return one.Bind(dn, asked.password, deadline); });
  switch (reply.code) {
    case LDAP_SUCCESS:
      return POPLAR_OK;
    case LDAP_NO_SUCH_OBJECT:
      return Say(asked, POPLAR_UNKNOWN, "unknown user");
    case LDAP_INVALID_CREDENTIALS:
      // An expired password is told after the right one only. A lock is told whatever the password
      // is: were it told on, it would give away who exists.
      if (reply.policy == PP_passwordExpired) {
        return Say(asked, POPLAR_DISABLED, "the password has expired");
      }
      if (reply.policy == PP_accountLocked) {
        return Say(asked, POPLAR_REFUSED, "the directory has locked the account");
      }
      return Say(asked, POPLAR_REFUSED, "wrong password");
    case LDAP_INAPPROPRIATE_AUTH:  // As some servers say of an entry without a password.
      return Say(asked, POPLAR_REFUSED, reply.text);
    default:
      return Say(asked, POPLAR_TEMPORARY, reply.text);
  }
}

poplar_outcome Directory::HandOutPassword(const Asked& asked, const Entry& entry) {
  const std::vector<std::string>& stored = ValuesOf(entry, settings_.password_attribute);
  if (stored.empty()) {
    return Say(asked, POPLAR_REFUSED,
               "bind_dn sees no " + settings_.password_attribute + " in " + entry.dn);
  }
  const auto hashed =
      std::ranges::find_if(stored, [](const std::string& one) { return one.starts_with('{'); });
  // Without a scheme it is the password itself (RFC 4519 section 2.41).
  const std::string value = hashed != stored.end() ? *hashed : "{PLAIN}" + stored[0];
  if (host_.set(asked.answer, POPLAR_STORED_PASSWORD, value.data(), value.size()) != 0) {
    return Say(asked, POPLAR_TEMPORARY, settings_.password_attribute + " is too long");
  }
  return POPLAR_OK;
}

poplar_outcome Directory::Describe(const Asked& asked, const Entry& entry) {
  const std::vector<std::string>& account = ValuesOf(entry, settings_.account_attribute);
  if (account.size() != 1 || account[0].empty()) {
    return Say(asked, POPLAR_TEMPORARY,
               entry.dn + " has not one " + settings_.account_attribute + " that bind_dn may read");
  }
  if (host_.set(asked.answer, POPLAR_ACCOUNT, account[0].data(), account[0].size()) != 0) {
    return Say(asked, POPLAR_TEMPORARY, settings_.account_attribute + " is too long");
  }
  const std::vector<std::string>& address = ValuesOf(entry, settings_.address_attribute);
  if (!address.empty()) {
    host_.set(asked.answer, POPLAR_ADDRESS, address[0].data(), address[0].size());
  }
  DescribeQuota(asked, entry, settings_.quota_octets_attribute, POPLAR_QUOTA_OCTETS);
  DescribeQuota(asked, entry, settings_.quota_messages_attribute, POPLAR_QUOTA_MESSAGES);
  return POPLAR_OK;
}

void Directory::DescribeQuota(const Asked& asked, const Entry& entry, const std::string& attribute,
                              poplar_field field) {
  const std::vector<std::string>& values = ValuesOf(entry, attribute);
  if (values.empty()) return;
  if (IsNumber(values[0])) {
    host_.set(asked.answer, field, values[0].data(), values[0].size());
  } else {
    const std::string sentence = entry.dn + ": " + attribute +
                                 " is no number, so the quota is that of the tenant's maildrops";
    host_.log(POPLAR_WARNING, sentence.c_str());
  }
}

bool Directory::Disabled(const Entry& entry) const {
  return std::ranges::any_of(ValuesOf(entry, settings_.disabled_attribute),
                             [this](const std::string& value) {
                               return LowerCase(value) == LowerCase(settings_.disabled_value);
                             });
}

poplar_outcome Directory::Say(const Asked& asked, poplar_outcome outcome,
                              const std::string& reason) const {
  host_.set(asked.answer, POPLAR_REASON, reason.data(), reason.size());
  return outcome;
}

}  // namespace poplar::ldap
