#include "auth/remote/remote_backends.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <deque>
#include <thread>
#include <utility>

#include "auth/remote/plugin_log.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/log.h"

namespace poplar::auth {
namespace {

constexpr uint64_t kLookUs = 1'000'000;
constexpr uint64_t kRestartPauseUs = 100'000;
constexpr uint64_t kRestartPauseUsMax = 10'000'000;
// One that lived so long is no longer in a row of failures.
constexpr uint64_t kSettledUs = 30'000'000;

Capabilities CapabilitiesOf(uint32_t operations, bool weak_schemes) {
  const bool verifiers = (operations & POPLAR_FETCH_VERIFIER) != 0;
  return {.resolve = (operations & POPLAR_RESOLVE) != 0,
          .password = (operations & POPLAR_VERIFY_PASSWORD) != 0,
          .verifiers = verifiers,
          .clear_text = verifiers && weak_schemes,
          .token = (operations & POPLAR_VERIFY_TOKEN) != 0};
}

}  // namespace

// One plug-in's process, and everything that belongs to it.
struct RemoteBackends::Host {
  struct Backend {
    RemoteBackendInfo info;
    PluginSettings settings;
    std::deque<RemoteMetrics> metrics;  // By shard.
  };

  std::string plugin;
  std::string name;  // As the plug-in says it.
  std::vector<std::unique_ptr<Backend>> backends;
  std::vector<std::unique_ptr<HostLink>> links;  // By shard.
  base::Counter restarts;
  base::Counter lines_left_out;
  std::atomic<bool> replace{false};  // A shard asks for it.
  base::UniqueFd wake_fd;

  // For its thread.
  std::unique_ptr<HostProcess> process;
  uint64_t started_us = 0;
  uint64_t pause_us = kRestartPauseUs;
  bool was_outdated = false;  // The last process: the next is no sign of trouble.
  uint64_t not_before_us = 0;

  std::jthread thread;  // Last: it ends before what it uses.

  void Wake() const {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t told = ::write(wake_fd.get(), &one, sizeof one);
  }
};

RemoteBackends::RemoteBackends(const RemoteBackendsOptions& options, io::ShardSet& shards,
                               const PolicyBoard& tenants)
    : options_([&] {
        RemoteBackendsOptions with_threads = options;
        if (options.threads == 0) with_threads.threads = DefaultHostThreads(shards.count());
        return with_threads;
      }()),
      shards_(shards),
      tenants_(tenants) {}

StatusOr<std::unique_ptr<RemoteBackends>> RemoteBackends::Start(
    const RemoteBackendsOptions& options, std::vector<RemoteBackendSpec> specs,
    io::ShardSet& shards, const PolicyBoard& tenants) {
  std::unique_ptr<RemoteBackends> remote(new RemoteBackends(options, shards, tenants));
  for (RemoteBackendSpec& spec : specs) POP_RETURN_IF_ERROR(remote->AddBackend(std::move(spec)));
  for (const auto& host : remote->hosts_) {
    remote->MakeLinks(*host);
    remote->HandOut(*host);
    host->thread = std::jthread([raw = remote.get(), of = host.get()] { raw->Run(*of); });
  }
  return remote;
}

Status RemoteBackends::AddBackend(RemoteBackendSpec spec) {
  auto found = std::find_if(hosts_.begin(), hosts_.end(),
                            [&](const auto& host) { return host->plugin == spec.plugin; });
  if (found == hosts_.end()) {
    auto host = std::make_unique<Host>();
    host->plugin = spec.plugin;
    host->wake_fd = base::UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!host->wake_fd.valid()) return ErrnoStatus(errno, "eventfd");
    StatusOr<std::unique_ptr<HostProcess>> process = StartProcess(*host);
    if (!process.ok()) return Annotate(process.status(), "back end " + spec.name);
    host->process = std::move(*process);
    host->name = host->process->name();
    host->started_us = base::SystemClock().MonotonicUs();
    found = hosts_.insert(hosts_.end(), std::move(host));
  }
  Host& host = **found;
  auto backend = std::make_unique<Host::Backend>();
  backend->info = {.name = std::move(spec.name),
                   .instance = static_cast<uint32_t>(host.backends.size()),
                   .capabilities = CapabilitiesOf(host.process->operations(), spec.weak_schemes),
                   .weak_schemes = spec.weak_schemes,
                   .remember_ms_max = spec.remember_ms_max,
                   .breaker = options_.breaker};
  backend->settings = std::move(spec.settings);
  backend->metrics.resize(shards_.count());
  const Status opened =
      host.process->Open(backend->info.instance, backend->settings, options_.start_timeout_ms);
  if (!opened.ok()) return Annotate(opened, "back end " + backend->info.name);
  host.backends.push_back(std::move(backend));
  return OkStatus();
}

StatusOr<std::unique_ptr<HostProcess>> RemoteBackends::StartProcess(const Host& host) const {
  POP_ASSIGN_OR_RETURN(
      std::unique_ptr<HostProcess> process,
      HostProcess::Start({.spawner = options_.spawner,
                          .plugin = host.plugin,
                          .threads = options_.threads,
                          .instance_calls_max = LinkOptions().instance_calls_max * shards_.count(),
                          .shards = shards_.count(),
                          .start_timeout_ms = options_.start_timeout_ms,
                          .stop = stop_.get_token()}));
  for (const auto& backend : host.backends) {
    POP_RETURN_IF_ERROR(Annotate(
        process->Open(backend->info.instance, backend->settings, options_.start_timeout_ms),
        "back end " + backend->info.name));
  }
  return process;
}

HostLinkOptions RemoteBackends::LinkOptions() const {
  // Together they fill the host's threads.
  const uint32_t calls = std::max(options_.threads / shards_.count(), 1U);
  return {.calls_max = calls,
          .instance_calls_max = (calls + 1) / 2,
          .lost_max = std::max(calls / 2, 1U),
          .hung_ms = options_.hung_ms,
          .slow_us = options_.slow_us};
}

void RemoteBackends::MakeLinks(Host& host) {
  const HostLinkOptions options = LinkOptions();
  host.links.resize(shards_.count());
  shards_.RunOnEach([&](io::Shard& shard) {
    host.links[shard.index().value()] =
        std::make_unique<HostLink>(shard.reactor(), options, [&host] {
          host.replace.store(true, std::memory_order_relaxed);
          host.Wake();
        });
  });
}

void RemoteBackends::HandOut(Host& host) {
  for (uint32_t i = 0; i < shards_.count(); ++i) {
    shards_.RunOn(ShardIndex(i),
                  [&](io::Shard&) { host.links[i]->Connect(host.process->TakeShardSocket(i)); });
  }
}

RemoteBackends::~RemoteBackends() {
  stop_.request_stop();
  for (const auto& host : hosts_) host->Wake();
  for (const auto& host : hosts_) {
    if (host->thread.joinable()) host->thread.join();
  }
  shards_.RunOnEach([this](io::Shard& shard) {
    for (const auto& host : hosts_) {
      if (!host->links.empty()) host->links[shard.index().value()]->BeginClose();
    }
  });
  bool closed = false;
  while (!closed) {
    closed = true;
    shards_.RunOnEach([&](io::Shard& shard) {
      for (const auto& host : hosts_) {
        if (!host->links.empty() && !host->links[shard.index().value()]->closed()) closed = false;
      }
    });
    if (!closed) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  shards_.RunOnEach([this](io::Shard& shard) {
    for (const auto& host : hosts_) {
      if (!host->links.empty()) host->links[shard.index().value()].reset();
    }
  });
}

std::unique_ptr<BackendPort> RemoteBackends::MakePort(const std::string& name, io::Shard& shard) {
  const uint32_t index = shard.index().value();
  for (const auto& host : hosts_) {
    for (const auto& backend : host->backends) {
      if (backend->info.name != name) continue;
      return std::make_unique<RemotePort>(backend->info, *host->links[index], tenants_,
                                          shard.reactor(), backend->metrics[index]);
    }
  }
  POP_CHECK(false);
  return nullptr;
}

void RemoteBackends::Run(Host& host) {
  const base::Clock& clock = base::SystemClock();
  uint64_t memory_at_us = 0;
  while (!stop_.stop_requested()) {
    std::vector<pollfd> waited{{.fd = host.wake_fd.get(), .events = POLLIN, .revents = 0}};
    uint64_t now_us = clock.MonotonicUs();
    uint64_t until_us = now_us + kLookUs;
    if (host.process != nullptr) {
      waited.push_back({.fd = host.process->control_fd(), .events = POLLIN, .revents = 0});
    } else {
      until_us = std::min(until_us, std::max(host.not_before_us, now_us));
    }
    ::poll(waited.data(), waited.size(), static_cast<int>((until_us - now_us + 999) / 1000));
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t taken = ::read(host.wake_fd.get(), &count, sizeof count);
    if (stop_.stop_requested()) return;
    now_us = clock.MonotonicUs();
    const bool check_memory = now_us >= memory_at_us;
    if (check_memory) memory_at_us = now_us + kLookUs;
    Look(host, now_us, check_memory);
  }
}

void RemoteBackends::Look(Host& host, uint64_t now_us, bool check_memory) {
  if (host.process == nullptr) {
    if (now_us >= host.not_before_us) Restart(host, now_us);
    return;
  }
  const bool alive = host.process->TakeLogs([&](const LogFrame& frame) {
    host.lines_left_out.Add(frame.left_out);
    LogOfPlugin(host.process->name(), frame);
  });
  if (!alive) {
    End(host, host.process->HowItEnded(), now_us);
  } else if (host.replace.exchange(false, std::memory_order_relaxed)) {
    End(host, {.why = "too many of its calls do not come back"}, now_us);
  } else if (check_memory && host.process->resident_bytes() > options_.host_bytes_max) {
    End(host, {.why = "it has too much memory"}, now_us);
  }
}

void RemoteBackends::End(Host& host, const HostEnd& end, uint64_t now_us) {
  if (stop_.stop_requested()) return;  // That is why.
  base::Log(end.outdated ? base::LogLevel::kInfo : base::LogLevel::kError, "auth_host_ended",
            {{"plugin", host.process->name()}, {"pid", host.process->pid()}, {"why", end.why}});
  host.process.reset();
  shards_.RunOnEach([&](io::Shard& shard) { host.links[shard.index().value()]->Disconnect(); });
  host.was_outdated = end.outdated;
  if (end.outdated) {
    host.not_before_us = now_us;
    return;
  }
  if (now_us - host.started_us > kSettledUs) host.pause_us = kRestartPauseUs;
  host.not_before_us = now_us + host.pause_us;
  host.pause_us = std::min(host.pause_us * 2, kRestartPauseUsMax);
}

void RemoteBackends::Restart(Host& host, uint64_t now_us) {
  StatusOr<std::unique_ptr<HostProcess>> process = StartProcess(host);
  if (stop_.stop_requested()) return;
  if (!std::exchange(host.was_outdated, false)) host.restarts.Add();
  if (!process.ok()) {
    base::Log(base::LogLevel::kError, "auth_host_failed",
              {{"plugin", host.plugin}, {"why", Message(process.status())}});
    host.not_before_us = base::SystemClock().MonotonicUs() + host.pause_us;
    host.pause_us = std::min(host.pause_us * 2, kRestartPauseUsMax);
    return;
  }
  host.process = std::move(*process);
  host.started_us = now_us;
  host.replace.store(false, std::memory_order_relaxed);
  HandOut(host);
  base::Log(base::LogLevel::kInfo, "auth_host_started",
            {{"plugin", host.process->name()}, {"pid", host.process->pid()}});
}

void RemoteBackends::Register(base::MetricRegistry& registry) const {
  for (const auto& host : hosts_) {
    registry.Add(host->restarts, "poplar_auth_host_restarts_total",
                 "Auth hosts started anew, because they ended, hung or grew too large.",
                 {{"plugin", host->name}});
    registry.Add(host->lines_left_out, "poplar_auth_plugin_lines_left_out_total",
                 "Lines of a plug-in that the log does not have: there were too many.",
                 {{"plugin", host->name}});
    registry.AddComputed(base::MetricRegistry::Kind::kGauge,
                         [threads = options_.threads] { return static_cast<double>(threads); },
                         "poplar_auth_host_threads",
                         "Questions that an auth host works at, at once.",
                         {{"plugin", host->name}});
    for (const auto& backend : host->backends) {
      for (const RemoteMetrics& metrics : backend->metrics) {
        metrics.Register(registry, {{"backend", backend->info.name}});
      }
    }
  }
}

}  // namespace poplar::auth
