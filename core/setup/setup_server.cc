#include "core/setup/setup_server.h"

#include <microhttpd.h>

#include <array>
#include <charconv>
#include <cstdarg>
#include <cstdio>
#include <string_view>
#include <utility>

#include "core/base/log.h"
#include "core/base/units.h"
#include "core/ops/http_listener.h"
#include "core/setup/autodiscover.h"

namespace poplar::setup {
namespace {

constexpr unsigned kConnectionsMax = 256;  // Of each address.
constexpr unsigned kConnectionTimeoutS = 5;
constexpr size_t kConnectionBytesMax = 16 * kKiB;  // A request's head must fit.

constexpr uint64_t kTooLargeBytes = kAutodiscoverBytesMax + 1;

// What is kept between the calls for one request.
struct Upload {
  std::string address;
  bool head_is_read = false;
  std::string body;
};

std::string_view Value(MHD_Connection* connection, MHD_ValueKind kind, const char* key) {
  const char* const value = MHD_lookup_connection_value(connection, kind, key);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

MHD_Result Send(MHD_Connection* connection, const SetupAnswer& answer) {
  MHD_Response* response = MHD_create_response_from_buffer(
      answer.body.size(), const_cast<char*>(answer.body.data()), MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) return MHD_NO;
  const auto add = [response](const char* name, const std::string& value) {
    MHD_add_response_header(response, name, value.c_str());
  };
  add(MHD_HTTP_HEADER_CONTENT_TYPE, std::string(answer.content_type));
  add(MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  add("X-Content-Type-Options", "nosniff");
  if (!answer.allow.empty()) add(MHD_HTTP_HEADER_ALLOW, std::string(answer.allow));
  if (!answer.file_name.empty()) {
    add(MHD_HTTP_HEADER_CONTENT_DISPOSITION, "attachment; filename=\"" + answer.file_name + "\"");
  }
  const MHD_Result queued = MHD_queue_response(connection, answer.status, response);
  MHD_destroy_response(response);
  return queued;
}

bool SaysTooLarge(MHD_Connection* connection) {
  const std::string_view text = Value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
  uint64_t bytes = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), bytes);
  return !text.empty() && (parsed.ec != std::errc() || bytes > kAutodiscoverBytesMax);
}

// What libmicrohttpd complains of is clients, not us.
__attribute__((format(printf, 2, 0))) void LogSetupComplaint(void*, const char* format,
                                                             va_list values) {
  std::array<char, 256> text{};
  std::vsnprintf(text.data(), text.size(), format, values);
  base::Log(base::LogLevel::kDebug, "setup", {{"message", text.data()}});
}

}  // namespace

struct SetupHandler {
  // The target as it came: libmicrohttpd decodes queries as those of forms.
  static void* Begun(void* /*door*/, const char* target, MHD_Connection* /*connection*/) {
    return new Upload{.address = AddressIn(target), .head_is_read = false, .body = {}};
  }

  // Called once with the head, then for each part of a body, then to be answered.
  static MHD_Result Handle(void* of, MHD_Connection* connection, const char* path,
                           const char* method, const char* /*version*/, const char* part,
                           size_t* part_bytes, void** state) {
    auto& door = *static_cast<SetupServer::Door*>(of);
    auto* upload = static_cast<Upload*>(*state);
    if (!std::exchange(upload->head_is_read, true)) {
      if (SaysTooLarge(connection)) {
        return Answer(door, connection,
                      {.page = PageOf(path),
                       .status = MHD_HTTP_CONTENT_TOO_LARGE,
                       .body = "No request is so large.\n"});
      }
      return MHD_YES;
    }
    if (*part_bytes > 0) {
      // One octet more than is wanted tells that it was too large.
      upload->body.append(part,
                          std::min<uint64_t>(*part_bytes, kTooLargeBytes - upload->body.size()));
      *part_bytes = 0;
      return upload->body.size() < kTooLargeBytes ? MHD_YES : MHD_NO;
    }
    const SetupRequest request{.method = method,
                               .path = path,
                               .host = Value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST),
                               .address = upload->address,
                               .body = upload->body};
    const std::shared_ptr<const SetupFacts> facts = door.server->facts();
    return Answer(door, connection, AnswerTo(request, *facts, *door.server->board_.Current()));
  }

  static MHD_Result Answer(SetupServer::Door& door, MHD_Connection* connection,
                           const SetupAnswer& answer) {
    const auto page = static_cast<size_t>(answer.page);
    (answer.status == MHD_HTTP_OK ? door.answered : door.refused).at(page).Add();
    return Send(connection, answer);
  }

  static void Completed(void* /*door*/, MHD_Connection* /*connection*/, void** state,
                        MHD_RequestTerminationCode /*why*/) {
    delete static_cast<Upload*>(std::exchange(*state, nullptr));
  }
};

StatusOr<std::unique_ptr<SetupServer>> SetupServer::Start(
    const std::vector<tenant::ListenAddress>& addresses, SetupFacts facts, const PolicyBoard& board,
    const base::BindFunction& bind_for) {
  std::unique_ptr<SetupServer> server(new SetupServer(board));
  server->SetFacts(std::move(facts));
  for (const tenant::ListenAddress& address : addresses) {
    POP_RETURN_IF_ERROR(server->Open(address, bind_for));
  }
  return server;
}

Status SetupServer::Open(const tenant::ListenAddress& address, const base::BindFunction& bind_for) {
  POP_ASSIGN_OR_RETURN(base::UniqueFd listener,
                       ops::ListenForHttp(address, kConnectionsMax, bind_for));
  auto door = std::make_unique<Door>();
  door->server = this;
  door->address = address;
  POP_ASSIGN_OR_RETURN(const tenant::ListenAddress bound, ops::BoundAddress(listener.get()));
  door->address.port = bound.port;
  constexpr uint16_t kPortOfListener = 0;
  door->daemon = MHD_start_daemon(
      MHD_USE_AUTO_INTERNAL_THREAD | MHD_USE_ERROR_LOG, kPortOfListener, nullptr, nullptr,
      &SetupHandler::Handle, door.get(), MHD_OPTION_EXTERNAL_LOGGER, &LogSetupComplaint, nullptr,
      MHD_OPTION_URI_LOG_CALLBACK, &SetupHandler::Begun, nullptr, MHD_OPTION_NOTIFY_COMPLETED,
      &SetupHandler::Completed, nullptr, MHD_OPTION_LISTEN_SOCKET, listener.get(),
      MHD_OPTION_CONNECTION_LIMIT, kConnectionsMax, MHD_OPTION_CONNECTION_TIMEOUT,
      kConnectionTimeoutS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionBytesMax, MHD_OPTION_END);
  if (door->daemon == nullptr) {
    return MakeStatus(StatusCode::kUnavailable,
                      "cannot start the thread of setup.listen for " + address.ToString());
  }
  static_cast<void>(listener.Release());  // The daemon closes it.
  doors_.push_back(std::move(door));
  return OkStatus();
}

SetupServer::~SetupServer() {
  for (const auto& door : doors_) MHD_stop_daemon(door->daemon);
}

void SetupServer::SetFacts(SetupFacts facts) {
  auto next = std::make_shared<const SetupFacts>(std::move(facts));
  const std::lock_guard lock(mutex_);
  facts_ = std::move(next);
}

std::shared_ptr<const SetupFacts> SetupServer::facts() const {
  const std::lock_guard lock(mutex_);
  return facts_;
}

std::vector<tenant::ListenAddress> SetupServer::listening() const {
  std::vector<tenant::ListenAddress> addresses;
  addresses.reserve(doors_.size());
  for (const auto& door : doors_) addresses.push_back(door->address);
  return addresses;
}

void SetupServer::Register(base::MetricRegistry& registry) const {
  constexpr std::string_view kName = "poplar_setup_requests_total";
  constexpr std::string_view kHelp = "Mail programs that asked for their settings, by page.";
  for (const auto& door : doors_) {
    for (size_t i = 0; i < kSetupPages; ++i) {
      const std::string page(Name(static_cast<SetupPage>(i)));
      registry.Add(door->answered[i], kName, kHelp, {{"page", page}, {"answer", "ok"}});
      registry.Add(door->refused[i], kName, kHelp, {{"page", page}, {"answer", "refused"}});
    }
    registry.AddComputed(base::MetricRegistry::Kind::kGauge,
                         [daemon = door->daemon] {
                           const MHD_DaemonInfo* info =
                               MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
                           return info == nullptr ? 0 : static_cast<double>(info->num_connections);
                         },
                         "poplar_setup_connections", "Open connections to setup.listen.",
                         {{"address", door->address.ToString()}});
  }
  registry.AddComputed(
      base::MetricRegistry::Kind::kGauge, [] { return static_cast<double>(kConnectionsMax); },
      "poplar_setup_connections_max", "How many an address lets in at once; further ones wait.");
}

}  // namespace poplar::setup
