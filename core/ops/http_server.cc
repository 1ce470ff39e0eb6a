#include "core/ops/http_server.h"

#include <microhttpd.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/fd.h"
#include "core/base/log.h"
#include "core/base/units.h"
#include "core/ops/exposition.h"
#include "core/ops/http_listener.h"
#include "core/ops/status_assets.h"
#include "core/ops/status_json.h"

namespace poplar::ops {
namespace {

constexpr unsigned kConnectionsMax = 64;
// Short, as a silent client keeps a place from the probe that asks whether the server lives.
constexpr unsigned kConnectionTimeoutS = 3;
constexpr size_t kConnectionBytesMax = 16 * kKiB;  // A request's head must fit.

struct Answer {
  unsigned code;
  std::string body;
  const char* content_type = "text/plain; charset=utf-8";
  const char* location = nullptr;
};

// The status page runs its own script and nothing else, and speaks with this server alone.
constexpr const char* kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

MHD_Result Send(MHD_Connection* connection, const Answer& answer) {
  MHD_Response* response = MHD_create_response_from_buffer(
      answer.body.size(), const_cast<char*>(answer.body.data()), MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) return MHD_NO;
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer.content_type);
  MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  MHD_add_response_header(response, "Content-Security-Policy", kContentSecurityPolicy);
  MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
  MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
  if (answer.location != nullptr)
    MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, answer.location);
  if (answer.code == MHD_HTTP_METHOD_NOT_ALLOWED)
    MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
  const MHD_Result queued = MHD_queue_response(connection, answer.code, response);
  MHD_destroy_response(response);
  return queued;
}

// What libmicrohttpd complains of is clients, not us.
__attribute__((format(printf, 2, 0))) void LogComplaint(void*, const char* format, va_list values) {
  std::array<char, 256> text{};
  std::vsnprintf(text.data(), text.size(), format, values);
  base::Log(base::LogLevel::kDebug, "http", {{"message", text.data()}});
}

}  // namespace

struct HttpHandler {
  static Answer AnswerTo(const HttpServer& server, std::string_view method, std::string_view path) {
    if (method != "GET" && method != "HEAD")
      return {MHD_HTTP_METHOD_NOT_ALLOWED, "Only GET and HEAD.\n"};
    if (path == "/metrics")
      return {MHD_HTTP_OK, ExpositionText(server.registry_), kExpositionContentType};
    if (path == "/status.json")
      return {MHD_HTTP_OK, StatusJson(server.registry_, server.readiness_), "application/json"};
    if (path == "/healthz") return {MHD_HTTP_OK, "ok\n"};
    if (path == "/readyz") {
      const auto reason = server.readiness_.WhyNotReady();
      if (reason) return {MHD_HTTP_SERVICE_UNAVAILABLE, *reason + "\n"};
      return {MHD_HTTP_OK, "ready\n"};
    }
    return AnswerWithPage(path);
  }

  static Answer AnswerWithPage(std::string_view path) {
    // Relative, so that it is right behind a proxy that has the page in a folder.
    if (path == "/") return {MHD_HTTP_FOUND, "", "text/plain; charset=utf-8", "status"};
    if (path == "/status")
      return {MHD_HTTP_OK, std::string(kStatusHtml), "text/html; charset=utf-8"};
    if (path == "/status.css")
      return {MHD_HTTP_OK, std::string(kStatusCss), "text/css; charset=utf-8"};
    if (path == "/status.js")
      return {MHD_HTTP_OK, std::string(kStatusJs), "text/javascript; charset=utf-8"};
    return {MHD_HTTP_NOT_FOUND, "Here are /status, /metrics, /healthz and /readyz.\n"};
  }

  // Called once with the head, then for each part of a body, then to be answered. A body is not
  // wanted, so anything but a GET is answered at its head.
  static MHD_Result Handle(void* server, MHD_Connection* connection, const char* path,
                           const char* method, const char* /*version*/, const char* /*body*/,
                           size_t* /*body_bytes*/, void** state) {
    static char head_was_seen;
    const bool is_get = std::string_view(method) == "GET" || std::string_view(method) == "HEAD";
    if (is_get && *state == nullptr) {
      *state = &head_was_seen;
      return MHD_YES;
    }
    return Send(connection, AnswerTo(*static_cast<const HttpServer*>(server), method, path));
  }
};

StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const tenant::ListenAddress& address,
                                                        const base::MetricRegistry& registry,
                                                        const Readiness& readiness,
                                                        const base::BindFunction& bind_for,
                                                        base::UniqueFd inherited) {
  base::UniqueFd listener = std::move(inherited);
  if (!listener.valid()) {
    POP_ASSIGN_OR_RETURN(listener, ListenForHttp(address, kConnectionsMax, bind_for));
  }
  std::unique_ptr<HttpServer> server(new HttpServer(registry, readiness));
  POP_ASSIGN_OR_RETURN(server->bound_, BoundAddress(listener.get()));
  constexpr uint16_t kPortOfListener = 0;
  server->daemon_ = MHD_start_daemon(
      MHD_USE_AUTO_INTERNAL_THREAD | MHD_USE_ERROR_LOG, kPortOfListener, nullptr, nullptr,
      &HttpHandler::Handle, server.get(), MHD_OPTION_EXTERNAL_LOGGER, &LogComplaint, nullptr,
      MHD_OPTION_LISTEN_SOCKET, listener.get(), MHD_OPTION_CONNECTION_LIMIT, kConnectionsMax,
      MHD_OPTION_CONNECTION_TIMEOUT, kConnectionTimeoutS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
      kConnectionBytesMax, MHD_OPTION_END);
  if (server->daemon_ == nullptr)
    return MakeStatus(StatusCode::kUnavailable,
                      "cannot start the HTTP thread for " + server->bound_.ToString());
  static_cast<void>(listener.Release());  // The daemon closes it.
  return server;
}

void HttpServer::Register(base::MetricRegistry& registry) const {
  registry.AddComputed(
      base::MetricRegistry::Kind::kGauge,
      [this] {
        const MHD_DaemonInfo* info =
            MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
        return info == nullptr ? 0 : static_cast<double>(info->num_connections);
      },
      "poplar_http_connections", "Open connections to the HTTP port.");
  registry.AddComputed(
      base::MetricRegistry::Kind::kGauge, [] { return static_cast<double>(kConnectionsMax); },
      "poplar_http_connections_max", "How many are let in at once; further ones wait.");
}

HttpServer::~HttpServer() {
  if (daemon_ != nullptr) MHD_stop_daemon(daemon_);
}

}  // namespace poplar::ops
