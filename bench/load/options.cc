#include "bench/load/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <fstream>
#include <iostream>

#include "bench/load/profile.h"

namespace poplar::load {
namespace {

constexpr int kUsageFault = 2;
constexpr uint32_t kConnectionsMax = 60'000;
constexpr uint32_t kDepthMax = 1024;
constexpr uint32_t kRecipientsMax = 1000;
constexpr uint64_t kArrivalsMax = 1000;
constexpr uint64_t kKeepMax = 1'000'000;
constexpr double kSecondsMax = 86'400;
constexpr uint64_t kPauseMsMax = 86'400'000;
constexpr uint64_t kReadBytesPerSecondMax = 10'000'000'000;
constexpr double kRateMin = 0.001;
constexpr double kRateMax = 10'000'000;

// The texts of options that need more than CLI11's own conversions.
struct RawOptions {
  std::string pop3;
  std::string lmtp;
  std::string http;
  std::string octets;
  std::string auth_file;
  std::string tls_version;
  uint64_t expect_messages = 0;
  bool tls = false;
  bool stls = false;
  bool warmup_given = false;
};

std::string Usage() {
  std::string text =
      "Puts load on a POP3 and LMTP server of this machine, and checks every reply.\n\nProfiles:\n";
  for (const Profile& profile : Profiles()) {
    text.append("  ").append(profile.name);
    text.append(profile.name.size() < 10 ? 10 - profile.name.size() : 1, ' ');
    text.append(profile.summary).append("\n");
  }
  return text;
}

constexpr const char* kExamples =
    "Examples:\n"
    "  poplar-load lmtp --lmtp 127.0.0.1:1024 --user 'u{}@load.test' --users 100 \\\n"
    "              --operations 5000 --octets 2048-65536\n"
    "  poplar-load session --pop3 127.0.0.1:1110 --user 'u{}@load.test' --users 100 \\\n"
    "              --password secret -c 16 --seconds 10 --server-pid 4711\n"
    "  poplar-load idle --pop3 127.0.0.1:1110 --user 'u{}@load.test' --users 10000 \\\n"
    "              --password secret -c 10000 --seconds 30 --server-pid 4711\n"
    "Exit codes: 0 all right, 1 a wrong reply or message, 2 a fault in the command line.";

void AddTargets(CLI::App* app, Options* options, RawOptions* raw) {
  app->add_option("profile", options->profile, "What to do")->required();
  app->add_option("--pop3", raw->pop3, "POP3 server: HOST:PORT (numeric, of this machine)");
  app->add_option("--lmtp", raw->lmtp, "LMTP server: HOST:PORT or unix:/path");
  app->add_option("--http", raw->http, "Web server: HOST:PORT");
  app->add_flag("--tls", raw->tls, "POP3 or HTTP over TLS from the first byte");
  app->add_flag("--stls", raw->stls, "POP3 with STLS");
  app->add_option("--tls-version", raw->tls_version, "Only 1.2 or only 1.3")
      ->check(CLI::IsMember({"1.2", "1.3"}));
  app->add_flag("--tls-resume", options->tls.resume, "Offer the ticket of the last connection");
  app->add_option("--user", options->user_pattern, "Login name and address; {} is the number");
  app->add_option("--password", options->password, "The password of every user");
  app->add_option("--users", options->users, "How many users")->check(CLI::PositiveNumber);
  app->add_option("--first-user", options->first_user, "The number of the first");
  app->add_option("--auth", raw->auth_file,
                  "session: log in by AUTH; a file with a line for each user, of the mechanism and "
                  "the initial response");
}

void AddAmounts(CLI::App* app, Options* options, RawOptions* raw) {
  app->add_option("-c,--connections", options->connections, "Clients at the same time")
      ->check(CLI::Range(1U, kConnectionsMax));
  app->add_option("--threads", options->threads, "Threads that share the clients")
      ->check(CLI::Range(1U, 64U));
  app->add_option("--seconds", options->seconds, "The longest the measured part lasts")
      ->check(CLI::Range(0.01, kSecondsMax));
  app->add_option(
         "--warmup", options->warmup_seconds,
         "Seconds before it that are not counted (default 1; 0 with --operations, and for crowds)")
      ->check(CLI::Range(0.0, kSecondsMax));
  app->add_option("--operations", options->operations_max, "End after so many operations");
  app->add_option("--rate", options->rate,
                  "Operations a second that become due at random (--seed), for all clients "
                  "together; latency counts from then (profiles with independent operations)")
      ->check(CLI::Range(kRateMin, kRateMax));
  app->add_option("--errors", options->errors_max, "End after so many errors");
  app->add_option("--timeout-ms", options->timeout_ms, "The longest wait for the server")
      ->check(CLI::PositiveNumber);
  app->add_option("--depth", options->depth, "Commands in flight (retr, noop, fetch, get, slow)")
      ->check(CLI::Range(1U, kDepthMax));
  app->add_option("--recipients", options->recipients, "Of each delivery (lmtp)")
      ->check(CLI::Range(1U, kRecipientsMax));
  app->add_option("--octets", raw->octets, "Message sizes: N, or N-M (log-uniform)");
  app->add_option("--seed", options->seed, "Of message contents and choices");
  app->add_option("--first-id", options->first_id, "The id of the first message delivered");
  app->add_option("--expect", raw->expect_messages, "How many messages each maildrop holds");
  app->add_flag("--delete", options->delete_fetched, "fetch: delete what was fetched");
  app->add_flag("--declare-size", options->declare_size,
                "lmtp, day: SIZE= at MAIL, as an MTA does");
  app->add_option("--arrivals", options->arrivals, "turnover: deliveries before each session")
      ->check(CLI::Range(uint64_t{1}, kArrivalsMax));
  app->add_option("--keep", options->keep, "turnover: messages that stay on the server")
      ->check(CLI::Range(uint64_t{0}, kKeepMax));
}

void AddCrowds(CLI::App* app, Options* options) {
  app->add_flag("--no-login", options->no_login, "idle: stop at the greeting");
  app->add_option("--pause-ms", options->pause_ms,
                  "idle: each client sends a NOOP every so many milliseconds, spread out")
      ->check(CLI::Range(uint64_t{1}, kPauseMsMax));
  app->add_option("--read-bytes-per-second", options->read_bytes_per_second,
                  "slow: the most that each client reads")
      ->check(CLI::Range(uint64_t{1}, kReadBytesPerSecondMax));
}

void AddReport(CLI::App* app, Options* options) {
  app->add_option("--server-pid", options->server_pids,
                  "Report CPU time, memory and descriptors of this process and its descendants; "
                  "repeatable");
  app->add_option("--server-cgroup,--cgroup", options->server_cgroup,
                  "Report the CPU time of this control group (a folder, v1 cpuacct or v2), its "
                  "memory where it counts it, and that of its processes");
  app->add_flag("--json", options->json, "Report as JSON");
}

StatusOr<SizeRange> ParseSizes(std::string_view text) {
  SizeRange range;
  const char* begin = text.data();
  const char* end = begin + text.size();
  auto first = std::from_chars(begin, end, range.octets_min);
  range.octets_max = range.octets_min;
  bool ok = first.ec == std::errc();
  if (ok && first.ptr != end) {
    auto second = std::from_chars(first.ptr + 1, end, range.octets_max);
    ok = *first.ptr == '-' && second.ec == std::errc() && second.ptr == end;
  }
  if (!ok || range.octets_min > range.octets_max || range.octets_max > kMessageOctetsMax) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      "--octets wants a number, or two with a dash between them, up to 1073741824");
  }
  return range;
}

Status ReadAuthLines(const std::string& path, Options* options) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) options->auth_lines.push_back(line);
  if (options->auth_lines.size() == options->users) return OkStatus();
  return MakeStatus(StatusCode::kInvalidArgument,
                    "--auth wants a file with a line for each of --users: " + path);
}

Status Fault(std::string_view text) { return MakeStatus(StatusCode::kInvalidArgument, text); }

Status ConcludeTargets(Options* options, const Profile& profile, const RawOptions& raw) {
  if (!raw.pop3.empty()) {
    POP_ASSIGN_OR_RETURN(options->pop3, ParseEndpoint(raw.pop3));
  }
  if (!raw.lmtp.empty()) {
    POP_ASSIGN_OR_RETURN(options->lmtp, ParseEndpoint(raw.lmtp));
  }
  if (!raw.http.empty()) {
    POP_ASSIGN_OR_RETURN(options->http, ParseEndpoint(raw.http));
  }
  if (profile.needs_pop3 && !options->pop3.valid()) {
    return Fault("this profile needs --pop3 HOST:PORT");
  }
  if (profile.needs_lmtp && !options->lmtp.valid()) {
    return Fault("this profile needs --lmtp HOST:PORT");
  }
  if (profile.needs_http && !options->http.valid()) {
    return Fault("this profile needs --http HOST:PORT");
  }
  if (raw.tls && raw.stls) return Fault("--tls and --stls exclude each other");
  if (raw.tls) options->security = Security::kTls;
  if (raw.stls) options->security = Security::kStls;
  if (raw.tls_version == "1.2") options->tls.version = TLS1_2_VERSION;
  if (raw.tls_version == "1.3") options->tls.version = TLS1_3_VERSION;
  return OkStatus();
}

Status ConcludeUsers(Options* options, const Profile& profile, const RawOptions& raw) {
  const bool needs_users = profile.needs_users && !options->no_login;
  if (needs_users && options->user_pattern.empty()) return Fault("this profile needs --user");
  // POP3 lets one session at a time into a maildrop, so every client has users of its own.
  if (needs_users && profile.needs_pop3 && options->users < options->connections) {
    return Fault("a maildrop has one session at a time: --users must be at least -c");
  }
  if (options->users < options->recipients) return Fault("--recipients are more than --users");
  if (raw.auth_file.empty()) return OkStatus();
  if (profile.name != "session") return Fault("--auth is for the profile session");
  return ReadAuthLines(raw.auth_file, options);
}

// What fits one profile only, or several of them.
Status CheckFits(const Options& options, const Profile& profile) {
  const bool idle = profile.name == "idle";
  const bool slow = profile.name == "slow";
  if (options.no_login && !idle) return Fault("--no-login is for the profile idle");
  if (options.pause_ms > 0 && !idle) return Fault("--pause-ms is for the profile idle");
  if (options.pause_ms > 0 && options.no_login) {
    return Fault("--pause-ms and --no-login exclude each other: NOOP comes after the login");
  }
  if (idle && options.operations_max > 0) return Fault("idle knows no --operations");
  if (slow != (options.read_bytes_per_second > 0)) {
    return Fault(slow ? "slow needs --read-bytes-per-second"
                      : "--read-bytes-per-second is for the profile slow");
  }
  if (options.rate > 0 && !profile.takes_rate) {
    return Fault("the operations of this profile depend on each other: no --rate");
  }
  if (options.rate > 0 && profile.pipelines && options.depth > 1) {
    return Fault("--rate and --depth exclude each other in this profile");
  }
  return OkStatus();
}

Status Conclude(Options* options, const RawOptions& raw) {
  const Profile* profile = FindProfile(options->profile);
  if (profile == nullptr) {
    return Fault("there is no profile \"" + options->profile + "\"; see --help");
  }
  POP_RETURN_IF_ERROR(ConcludeTargets(options, *profile, raw));
  if (!raw.octets.empty()) {
    POP_ASSIGN_OR_RETURN(options->octets, ParseSizes(raw.octets));
  }
  POP_RETURN_IF_ERROR(CheckFits(*options, *profile));
  POP_RETURN_IF_ERROR(ConcludeUsers(options, *profile, raw));
  // A crowd has been there for a while when the last one comes.
  if (!raw.warmup_given && (options->operations_max > 0 || profile->is_crowd)) {
    options->warmup_seconds = 0;
  }
  options->threads = std::min(options->threads, options->connections);
  return OkStatus();
}

}  // namespace

ParsedOptions ParseOptions(int argc, char** argv) {
  ParsedOptions parsed;
  RawOptions raw;
  CLI::App app(Usage(), "poplar-load");
  app.footer(kExamples);
  AddTargets(&app, &parsed.options, &raw);
  AddAmounts(&app, &parsed.options, &raw);
  AddCrowds(&app, &parsed.options);
  AddReport(&app, &parsed.options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& fault) {
    parsed.exit_code = app.exit(fault) == 0 ? 0 : kUsageFault;
    return parsed;
  }
  if (app.count("--expect") > 0) parsed.options.expect_messages = raw.expect_messages;
  raw.warmup_given = app.count("--warmup") > 0;
  Status concluded = Conclude(&parsed.options, raw);
  if (!concluded.ok()) {
    std::cerr << "poplar-load: " << Message(concluded) << "\n";
    parsed.exit_code = kUsageFault;
  }
  return parsed;
}

}  // namespace poplar::load
