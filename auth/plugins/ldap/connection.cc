#include "auth/plugins/ldap/connection.h"

#include <openldap.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>

#include "auth/plugins/common/dial.h"
#include "auth/plugins/ldap/timed_io.h"

namespace poplar::ldap {
namespace {

constexpr int kEntriesMax = 2;

timeval TimeUntil(Deadline deadline) {
  const int left_ms = plugins::MillisecondsUntil(deadline);
  return {.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000L};
}

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower;
}

void AddValues(LDAP* handle, LDAPMessage* entry, const char* name, Entry& to) {
  berval** const values = ldap_get_values_len(handle, entry, name);
  if (values == nullptr) return;
  std::vector<std::string>& list = to.attributes[LowerCase(name)];
  for (berval** value = values; *value != nullptr; ++value) {
    list.emplace_back((*value)->bv_val, (*value)->bv_len);
  }
  ldap_value_free_len(values);
}

Entry EntryOf(LDAP* handle, LDAPMessage* message) {
  Entry entry;
  if (char* const dn = ldap_get_dn(handle, message)) {
    entry.dn = dn;
    ldap_memfree(dn);
  }
  BerElement* place = nullptr;
  for (char* name = ldap_first_attribute(handle, message, &place); name != nullptr;
       name = ldap_next_attribute(handle, message, place)) {
    AddValues(handle, message, name, entry);
    ldap_memfree(name);
  }
  if (place != nullptr) ber_free(place, 0);
  return entry;
}

LDAPPasswordPolicyError PolicyOf(LDAP* handle, LDAPControl** controls) {
  LDAPPasswordPolicyError error = PP_noError;
  LDAPControl* const control =
      controls == nullptr
          ? nullptr
          : ldap_control_find(LDAP_CONTROL_PASSWORDPOLICYRESPONSE, controls, nullptr);
  if (control == nullptr) return PP_noError;
  ber_int_t expires_s = 0;
  ber_int_t grace = 0;
  if (ldap_parse_passwordpolicy_control(handle, control, &expires_s, &grace, &error) !=
      LDAP_SUCCESS) {
    return PP_noError;
  }
  return error;
}

bool HasPeerCertificate(LDAP* handle) {
  berval certificate{};
  if (ldap_get_option(handle, LDAP_OPT_X_TLS_PEERCERT, &certificate) != LDAP_OPT_SUCCESS) {
    return false;
  }
  ldap_memfree(certificate.bv_val);
  return true;
}

}  // namespace

std::unique_ptr<Connection> Connection::Open(const Settings& settings, const Server& server,
                                             Deadline deadline, std::string& fault) {
  std::unique_ptr<Connection> made(new Connection);
  if (!made->Dial(settings, server, deadline, fault)) return nullptr;
  if (!server.ldaps && !settings.starttls) return made;
  const Reply secured = made->Secure(settings, deadline);
  if (secured.code == LDAP_SUCCESS) return made;
  fault = "no TLS: " + secured.text;
  return nullptr;
}

Connection::~Connection() {
  if (handle_ != nullptr) ldap_unbind_ext(handle_, nullptr, nullptr);
}

bool Connection::Dial(const Settings& settings, const Server& server, Deadline deadline,
                      std::string& fault) {
  fd_ = plugins::Dial(server.host, server.port, deadline, fault);
  if (fd_ < 0) return false;
  const int code = ldap_init_fd(fd_, LDAP_PROTO_TCP, server.uri.c_str(), &handle_);
  if (code != LDAP_SUCCESS) {
    ::close(fd_);
    handle_ = nullptr;
    fault = ldap_err2string(code);
    return false;
  }
  const int version = LDAP_VERSION3;
  const int verify = LDAP_OPT_X_TLS_HARD;
  const int tls_least = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2;
  const int client = 0;
  bool set = ldap_set_option(handle_, LDAP_OPT_PROTOCOL_VERSION, &version) == LDAP_SUCCESS &&
             ldap_set_option(handle_, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) == LDAP_SUCCESS;
  if (server.ldaps || settings.starttls) {
    set = set &&
          ldap_set_option(handle_, LDAP_OPT_X_TLS_CACERTFILE, settings.ca_file.c_str()) ==
              LDAP_SUCCESS &&
          ldap_set_option(handle_, LDAP_OPT_X_TLS_REQUIRE_CERT, &verify) == LDAP_SUCCESS &&
          ldap_set_option(handle_, LDAP_OPT_X_TLS_PROTOCOL_MIN, &tls_least) == LDAP_SUCCESS &&
          ldap_set_option(handle_, LDAP_OPT_X_TLS_NEWCTX, &client) == LDAP_SUCCESS;
  }
  if (!set) fault = "libldap refuses an option: can " + settings.ca_file + " be read?";
  return set;
}

Reply Connection::Secure(const Settings& settings, Deadline deadline) {
  if (settings.starttls) {
    const Reply started = StartTls(deadline);
    if (started.code != LDAP_SUCCESS) return started;
  }
  const TimedIo timed(handle_, deadline);
  const int code = timed.ok() ? ldap_install_tls(handle_) : LDAP_LOCAL_ERROR;
  if (code == LDAP_SUCCESS) return {};
  Reply failed = Fault(code);
  if (Clock::now() >= deadline) {
    failed.text = "the handshake took too long";
  } else if (HasPeerCertificate(handle_) && IsOpen()) {
    // It was ours to refuse. libldap over GnuTLS calls that "unknown error code".
    failed.text = "the server's certificate is not trusted by " + settings.ca_file +
                  ", or is not for that host: " + failed.text;
  }
  return failed;
}

Reply Connection::StartTls(Deadline deadline) {
  int id = 0;
  const int code = ldap_start_tls(handle_, nullptr, nullptr, &id);
  LDAPMessage* message = nullptr;
  Reply reply = Finish(code, id, deadline, message);
  ldap_msgfree(message);
  return reply;
}

Reply Connection::Bind(const std::string& dn, std::string_view password, Deadline deadline) {
  if (!Usable()) return Fault(LDAP_SERVER_DOWN);
  LDAPControl* policy = nullptr;
  // Not critical: servers that do not know it bind as ever.
  if (ldap_create_passwordpolicy_control(handle_, &policy) != LDAP_SUCCESS) policy = nullptr;
  LDAPControl* controls[] = {policy, nullptr};
  berval credentials{.bv_len = password.size(), .bv_val = const_cast<char*>(password.data())};
  int id = 0;
  const int code =
      ldap_sasl_bind(handle_, dn.c_str(), LDAP_SASL_SIMPLE, &credentials, controls, nullptr, &id);
  ldap_control_free(policy);
  LDAPMessage* message = nullptr;
  Reply reply = Finish(code, id, deadline, message);
  ldap_msgfree(message);
  return reply;
}

Reply Connection::Search(const std::string& base, int scope, const std::string& filter,
                         const std::vector<std::string>& attributes, Deadline deadline,
                         std::vector<Entry>& entries) {
  if (!Usable()) return Fault(LDAP_SERVER_DOWN);
  std::vector<char*> names;
  names.reserve(attributes.size() + 1);
  for (const std::string& name : attributes) names.push_back(const_cast<char*>(name.c_str()));
  names.push_back(nullptr);
  timeval left = TimeUntil(deadline);
  int id = 0;
  const int code = ldap_search_ext(handle_, base.c_str(), scope, filter.c_str(), names.data(), 0,
                                   nullptr, nullptr, &left, kEntriesMax, &id);
  LDAPMessage* message = nullptr;
  Reply reply = Finish(code, id, deadline, message);
  for (LDAPMessage* one = message == nullptr ? nullptr : ldap_first_entry(handle_, message);
       one != nullptr; one = ldap_next_entry(handle_, one)) {
    entries.push_back(EntryOf(handle_, one));
  }
  ldap_msgfree(message);
  return reply;
}

Reply Connection::Finish(int code, int id, Deadline deadline, LDAPMessage*& message) {
  if (code != LDAP_SUCCESS) return Fault(code);
  timeval left = TimeUntil(deadline);
  const int got = ldap_result(handle_, id, LDAP_MSG_ALL, &left, &message);
  if (got == 0) return Fault(LDAP_TIMEOUT);
  if (got < 0) {
    int why = LDAP_SERVER_DOWN;
    ldap_get_option(handle_, LDAP_OPT_RESULT_CODE, &why);
    return Fault(why);
  }
  Reply reply;
  char* text = nullptr;
  LDAPControl** controls = nullptr;
  const int parsed =
      ldap_parse_result(handle_, message, &reply.code, nullptr, &text, nullptr, &controls, 0);
  if (parsed != LDAP_SUCCESS) return Fault(parsed);
  reply.policy = PolicyOf(handle_, controls);
  reply.text = ldap_err2string(reply.code);
  if (text != nullptr && *text != '\0') reply.text += std::string(" (") + text + ")";
  ldap_memfree(text);
  ldap_controls_free(controls);
  return reply;
}

Reply Connection::Fault(int code) {
  broken_ = true;
  Reply reply;
  // Whatever libldap calls it, it is no answer of the server's.
  reply.code = code < 0 ? code : LDAP_LOCAL_ERROR;
  reply.text = ldap_err2string(code);
  char* more = nullptr;
  if (ldap_get_option(handle_, LDAP_OPT_DIAGNOSTIC_MESSAGE, static_cast<void*>(&more)) ==
          LDAP_OPT_SUCCESS &&
      more != nullptr) {
    if (*more != '\0') reply.text += std::string(" (") + more + ")";
    ldap_memfree(more);
  }
  return reply;
}

bool Connection::Usable() const {
  int fd = -1;
  // Had libldap noticed an end by itself, it would connect anew with the next operation: without
  // StartTLS, and without a limit.
  if (broken_ || ldap_get_option(handle_, LDAP_OPT_DESC, &fd) != LDAP_OPT_SUCCESS || fd != fd_) {
    return false;
  }
  return IsOpen();
}

// Not whether something can be read: a server may send session tickets at any time.
bool Connection::IsOpen() const {
  pollfd waited{.fd = fd_, .events = POLLRDHUP, .revents = 0};
  return ::poll(&waited, 1, 0) == 0;
}

}  // namespace poplar::ldap
