// What became of mailboxes that were moved, for people and as JSON.

#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "core/app/transfer/mailbox_source.h"
#include "core/base/status.h"

namespace poplar::app {

// The same maildrop on two servers.
struct Comparison {
  uint64_t theirs = 0;  // Messages on the other server.
  // Of those, here under the same UIDL:
  uint64_t identical = 0;   // And of the same size.
  uint64_t line_ends = 0;   // Two octets longer: some servers send the line end that a last line
                            // lacks, but do not count it.
  uint64_t other_size = 0;  // Of any other.
  bool same_order = true;
  uint64_t only_here = 0;
  std::vector<std::string> missing;          // UIDLs there.
  std::vector<std::string> only_here_uidls;  // Those of `only_here`.

  bool all_there() const { return identical + line_ends == theirs; }
};

// A text names so many single messages of each kind for a mailbox; JSON names all.
inline constexpr size_t kDetailsMax = 100;

struct MailboxReport {
  std::string address;
  std::string place;  // The path or the login on the other side.
  uint64_t messages = 0;
  uint64_t moved = 0;
  uint64_t already_there = 0;
  uint64_t other_uidl = 0;  // Of those: here under another UIDL than there.
  uint64_t left_out = 0;    // As their UIDLs are not known yet.
  uint64_t failed = 0;
  uint64_t damaged_here = 0;  // Of those there before: not deleted on the other server.
  uint64_t bytes = 0;         // Of those moved.
  std::array<uint64_t, kUidlFates> uidls{};
  std::vector<std::string> failures;     // Messages and why.
  std::vector<std::string> damaged;      // Those of `damaged_here` and why.
  std::vector<std::string> new_uidls;    // Those that cannot keep theirs.
  std::vector<std::string> other_uidls;  // Those of `other_uidl`.
  std::vector<std::string> kept_uidls;   // Of a dry run: those that will be the same.
  std::vector<std::string> notes;
  std::optional<Comparison> comparison;
  Status status;           // Why it is not complete.
  bool no_source = false;  // That is since there is nothing at `place`.
  bool no_target = false;  // Or since nothing can be made there.

  void AddFailure(std::string failure) {
    ++failed;
    failures.push_back(std::move(failure));
  }
  void AddDamaged(std::string detail) {
    ++damaged_here;
    damaged.push_back(std::move(detail));
  }
  void AddOtherUidl(std::string detail) {
    ++other_uidl;
    other_uidls.push_back(std::move(detail));
  }
  // Forgets the single messages that a text does not name.
  void ForgetDetails();
};

// What the words of a report speak of.
enum class ReportKind : uint8_t { kImport, kDryRun, kExport };

void PrintReport(const MailboxReport& report, ReportKind kind, std::ostream& out);
void PrintSum(const std::vector<MailboxReport>& reports, ReportKind kind, std::ostream& out);
nlohmann::json ReportsToJson(const std::vector<MailboxReport>& reports);

}  // namespace poplar::app
