// What a run of poplar-load was asked to do. Constant once read.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/load/corpus.h"
#include "bench/load/endpoint.h"
#include "bench/load/tls.h"
#include "core/base/status.h"

namespace poplar::load {

enum class Security : uint8_t { kPlain, kTls, kStls };

struct Options {
  std::string profile;

  Endpoint pop3;  // valid() where the profile needs it
  Endpoint lmtp;
  Endpoint http;
  Security security = Security::kPlain;
  TlsOptions tls;

  std::string user_pattern;  // with {} where the number goes
  std::string password;
  uint64_t users = 1;
  uint64_t first_user = 0;
  // session: what follows AUTH, for each user; empty: USER and PASS.
  std::vector<std::string> auth_lines;

  uint32_t connections = 1;
  uint32_t threads = 1;
  double seconds = 5;
  double warmup_seconds = 1;
  uint64_t operations_max = 0;  // 0: only --seconds bounds the run
  double rate = 0;              // operations a second that become due; 0: as fast as clients are
  uint64_t errors_max = 100;
  uint64_t timeout_ms = 10'000;

  uint32_t depth = 1;               // commands in flight on a connection
  uint32_t recipients = 1;          // of a delivery
  std::optional<SizeRange> octets;  // what is delivered, or which messages `retr` picks
  uint64_t seed = 1;
  uint64_t first_id = 0;
  std::optional<uint64_t> expect_messages;  // in each maildrop
  bool delete_fetched = false;
  bool declare_size = false;           // lmtp, day: MAIL says how long the message is
  uint64_t arrivals = 1;               // turnover: deliveries before each session
  uint64_t keep = 0;                   // turnover: messages left on the server, by those who do
  bool no_login = false;               // idle: stop at the greeting
  uint64_t pause_ms = 0;               // idle: between a client's NOOPs; 0: says nothing at all
  uint64_t read_bytes_per_second = 0;  // slow: of each client

  std::vector<int> server_pids;
  std::string server_cgroup;
  bool json = false;
};

// Reads the command line. An exit code when the program has nothing more to do: 0 after --help, 2
// after a fault, which was explained on standard error.
struct ParsedOptions {
  Options options;
  std::optional<int> exit_code;
};
ParsedOptions ParseOptions(int argc, char** argv);

}  // namespace poplar::load
