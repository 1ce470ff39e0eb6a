#include "auth/host/plugin.h"

#include <dlfcn.h>

#include <array>
#include <bit>
#include <charconv>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/limits.h"

// What the interface calls an answer: the frame that will carry it.
struct poplar_answer {
  poplar::auth::AnswerFrame frame;
  // What it was to say, and could not: who only looks at the outcome would take it for whole.
  std::set<poplar_field> lacks = {};
};

namespace poplar::auth {
namespace {

Status Unfit(const std::string& path, const std::string& why) {
  return MakeStatus(StatusCode::kInvalidArgument, "the plug-in " + path + " " + why);
}

bool SetNumber(std::string_view text, std::optional<uint64_t>& number) {
  uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return false;
  number = value;
  return true;
}

int AddTenant(std::string_view value, std::vector<std::string>& tenants) {
  // A field has a head of its own.
  constexpr size_t kHeadBytes = 8;
  size_t bytes = 0;
  for (const std::string& tenant : tenants) bytes += tenant.size() + kHeadBytes;
  if (bytes + value.size() + kHeadBytes > kTenantsBytesMax) return -1;
  tenants.emplace_back(value);
  return 0;
}

int TakeField(AnswerFrame& frame, poplar_field field, std::string_view value) {
  if (value.size() > kAnswerFieldBytesMax) return -1;
  switch (field) {
    case POPLAR_ACCOUNT:
      frame.account = value;
      return 0;
    case POPLAR_ADDRESS:
      frame.address = value;
      return 0;
    case POPLAR_QUOTA_OCTETS:
      return SetNumber(value, frame.quota_octets) ? 0 : -1;
    case POPLAR_QUOTA_MESSAGES:
      return SetNumber(value, frame.quota_messages) ? 0 : -1;
    case POPLAR_VERIFIER:
      frame.verifier = base::Secret(value);
      return 0;
    case POPLAR_REASON:
      frame.reason = value;
      return 0;
    case POPLAR_STORED_PASSWORD:
      frame.stored_password = base::Secret(value);
      return 0;
    case POPLAR_TENANT:
      break;
  }
  return -1;
}

// A list of tenants goes on in another answer, and a reason that is too long is none.
bool IsPartOfWhole(poplar_field field) {
  return field >= POPLAR_ACCOUNT && field <= POPLAR_STORED_PASSWORD && field != POPLAR_REASON;
}

int SetField(poplar_answer* answer, poplar_field field, const char* text, size_t bytes) {
  if (answer == nullptr || text == nullptr) return -1;
  const std::string_view value(text, bytes);
  if (field == POPLAR_TENANT) return AddTenant(value, answer->frame.tenants);
  const int set = TakeField(answer->frame, field, value);
  if (set == 0) {
    answer->lacks.erase(field);
  } else if (IsPartOfWhole(field)) {
    answer->lacks.insert(field);
  }
  return set;
}

std::string WhyItLacks(poplar_field field) {
  const bool is_number = field == POPLAR_QUOTA_OCTETS || field == POPLAR_QUOTA_MESSAGES;
  return "the plug-in gave field " + std::to_string(field) +
         (is_number ? ", a quota, what is no number" : " too many octets");
}

void MakeTemporary(AnswerFrame& frame, std::string reason) {
  const uint64_t id = frame.id;
  frame = AnswerFrame();
  frame.id = id;
  frame.outcome = POPLAR_TEMPORARY;
  frame.reason = std::move(reason);
}

bool MayLackAccount(uint32_t operation) {
  return operation == POPLAR_VERIFY_TOKEN || operation == POPLAR_LIST_TENANTS;
}

}  // namespace

Plugin::Plugin(const poplar_plugin* plugin, PluginLog log, uint32_t calls_max)
    : plugin_(plugin),
      host_{.struct_bytes = sizeof(poplar_host),
            .set = &SetField,
            .log = log,
            .calls_max = calls_max} {}

StatusOr<std::unique_ptr<Plugin>> Plugin::Load(const std::string& path, PluginLog log,
                                               uint32_t calls_max) {
  // Everything that it needs now, not when the first customer logs in.
  void* const object = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (object == nullptr) {
    const char* const why = ::dlerror();
    return Unfit(path, std::string("cannot be loaded: ") + (why == nullptr ? "no reason" : why));
  }
  using Entry = const poplar_plugin* (*)();
  const auto entry = reinterpret_cast<Entry>(::dlsym(object, "poplar_plugin_entry"));
  if (entry == nullptr) return Unfit(path, "is none: it does not export `poplar_plugin_entry`");
  const poplar_plugin* const plugin = entry();
  if (plugin == nullptr) return Unfit(path, "gave no description of itself");
  if (plugin->version != POPLAR_PLUGIN_VERSION) {
    return Unfit(path, "is of interface version " + std::to_string(plugin->version) +
                           "; this server has version " + std::to_string(POPLAR_PLUGIN_VERSION));
  }
  if (plugin->struct_bytes < sizeof(poplar_plugin) || plugin->name == nullptr ||
      plugin->open == nullptr || plugin->ask == nullptr || plugin->close == nullptr) {
    return Unfit(path, "lacks a name or a function");
  }
  if (plugin->operations == 0) return Unfit(path, "answers no question at all");
  return std::unique_ptr<Plugin>(new Plugin(plugin, log, calls_max));
}

StatusOr<void*> Plugin::Open(const PluginSettings& settings) const {
  std::vector<poplar_setting> list;
  list.reserve(settings.size() + 1);
  for (const auto& [name, value] : settings) list.push_back({name.c_str(), value.c_str()});
  list.push_back({nullptr, nullptr});
  std::array<char, 512> fault{};
  void* const instance = plugin_->open(&host_, list.data(), fault.data(), fault.size());
  if (instance != nullptr) return instance;
  fault.back() = '\0';
  const std::string_view said = fault.data();
  return MakeStatus(StatusCode::kInvalidArgument,
                    said.empty() ? "the plug-in refuses its settings, and gives no reason" : said);
}

AnswerFrame Plugin::Ask(void* instance, const QuestionFrame& question) const {
  poplar_answer answer;
  answer.frame.id = question.id;
  // A NUL behind the secret's octets, as promised.
  std::vector<char> secret(question.secret.Reveal().begin(), question.secret.Reveal().end());
  const size_t secret_bytes = secret.size();
  secret.reserve(secret_bytes + 1);
  secret.push_back('\0');
  const poplar_question asked{.struct_bytes = sizeof(poplar_question),
                              .operation = static_cast<poplar_operation>(question.operation),
                              .login = question.login.c_str(),
                              .secret = secret.data(),
                              .secret_bytes = secret_bytes,
                              .mechanism = question.mechanism.c_str(),
                              .client_address = question.client_address.c_str(),
                              .deadline_ms = question.deadline_ms};
  const poplar_outcome outcome = plugin_->ask(instance, &asked, &answer);
  base::Wipe(secret.data(), secret.size());
  AnswerFrame& frame = answer.frame;
  frame.outcome = std::bit_cast<uint32_t>(outcome);  // Any number, for it comes from C.
  if (frame.outcome > POPLAR_UNREACHABLE) {
    MakeTemporary(frame, "the plug-in gave an outcome that there is not");
  } else if (frame.outcome == POPLAR_OK &&
             (frame.account.size() > kAccountIdBytesMax ||
              (frame.account.empty() && !MayLackAccount(question.operation)))) {
    MakeTemporary(frame, "the plug-in named no account, or one of too many octets");
  } else if (frame.outcome == POPLAR_OK && question.operation == POPLAR_FETCH_VERIFIER &&
             frame.verifier.empty()) {
    MakeTemporary(frame, "the plug-in gave no verifier");
  } else if ((frame.outcome == POPLAR_OK || frame.outcome == POPLAR_DISABLED) &&
             !answer.lacks.empty()) {
    MakeTemporary(frame, WhyItLacks(*answer.lacks.begin()));
  }
  return std::move(frame);
}

}  // namespace poplar::auth
