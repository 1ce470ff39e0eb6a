// What other servers leave behind, against arbitrary bytes. The first byte chooses the reader.
// Readers must end, and what they give must be what the rest relies on: base names without folders
// and flags, dates that read back, bytes that survive quoting and line ends.

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/app/transfer/cyrus.h"
#include "core/app/transfer/dates.h"
#include "core/app/transfer/mail_writers.h"
#include "core/app/transfer/mailbox_source.h"
#include "core/app/transfer/mailbox_tasks.h"
#include "core/app/transfer/maildir.h"
#include "core/app/transfer/mbox.h"
#include "core/app/transfer/pop3_client.h"
#include "core/app/transfer/uidlists.h"
#include "core/base/check.h"
#include "core/base/limits.h"

namespace poplar::app {
namespace {

void CheckBaseName(std::string_view name) {
  POP_CHECK(!name.empty() && name.find_first_of("/:\n") == std::string_view::npos);
}

// However odd the old UIDLs are, each message gets a sound one of its own.
void CheckUidls(const std::vector<std::pair<std::string, std::string>>& old_and_name) {
  UidlGiver giver;
  std::unordered_set<std::string> given;
  for (const auto& [old, name] : old_and_name) {
    SourceMessage message;
    giver.Give(old, name, message);
    POP_CHECK(!message.uidl.empty() && message.uidl.size() <= kUidlBytesMax);
    for (const char c : message.uidl) POP_CHECK(c > 0x20 && c < 0x7F);
    POP_CHECK(given.insert(message.uidl).second);
    POP_CHECK(message.fate != UidlFate::kKept || message.uidl == old);
  }
}

void ReadDovecot(std::string_view text) {
  const auto list = ParseDovecotUidlist(text);
  if (!list.ok()) return;
  POP_CHECK(list->uid_validity != 0);
  std::vector<std::pair<std::string, std::string>> uidls;
  for (const DovecotUidlist::Entry& entry : list->entries) {
    CheckBaseName(entry.base_name);
    POP_CHECK(entry.uid != 0);
    uidls.emplace_back(entry.pop3_uidl.value_or(""), entry.base_name);
  }
  CheckUidls(uidls);
}

void ReadCourier(std::string_view text) {
  const auto list = ParseCourierList(text);
  if (!list.ok()) return;
  std::vector<std::pair<std::string, std::string>> uidls;
  for (const CourierList::Entry& entry : list->entries) {
    CheckBaseName(entry.base_name);
    POP_CHECK(!entry.uidl.empty());
    uidls.emplace_back(entry.uidl, entry.base_name);
  }
  CheckUidls(uidls);
}

void ReadCyrus(std::string_view text) {
  const auto index = ParseCyrusIndex(text);
  if (!index.ok()) return;
  POP_CHECK(index->entries.size() <= text.size());
  for (const CyrusIndex::Entry& entry : index->entries) POP_CHECK(entry.uid != 0);
}

void ReadFormat(std::string_view text) {
  const auto format = UidlFormat::Parse(text);
  if (!format.ok()) return;
  const std::string uidl = format->Expand({1, 2, text, "guid"});
  POP_CHECK(uidl.size() <= 2048 * (text.size() + 1));
}

void ReadDates(std::string_view text) {
  ParseMailDate(text);
  ReceivedByHeader(text);
  ReceivedUsOf(text, 0);
  const std::string_view field = HeaderField(text, "X-UIDL");
  POP_CHECK(field.find('\n') == std::string_view::npos);
  const auto second = ParseFromLine(text);
  if (!second.has_value()) return;
  std::string again = "From x ";
  AppendFromDate(*second, again);
  // Years of more than four digits have no such line.
  POP_CHECK(ParseFromLine(again).has_value());
}

template <class Writer>
std::string Whole(Writer writer, std::string_view text, size_t piece) {
  std::string out;
  for (size_t at = 0; at < text.size(); at += piece) writer.Feed(text.substr(at, piece), out);
  writer.Finish(out);
  return out;
}

void Write(std::string_view text) {
  const std::string quoted = Whole(FromQuoter(), text, 1000);
  POP_CHECK(quoted == Whole(FromQuoter(), text, 1));
  POP_CHECK(Whole(FromUnquoter(false), quoted, 1000) == text);
  POP_CHECK(Whole(FromUnquoter(false), quoted, 1) == text);
  const std::string lines = Whole(LineEndConverter(), text, 1000);
  POP_CHECK(lines == Whole(LineEndConverter(), text, 1));
  std::string crlf;  // Only where each LF had its CR before.
  for (const char c : lines) {
    if (c == '\n' && !crlf.ends_with('\r')) crlf += '\r';
    crlf += c;
  }
  bool is_wire = true;
  for (size_t i = 0; i < text.size(); ++i) {
    is_wire = is_wire && (text[i] != '\n' || (i > 0 && text[i - 1] == '\r'));
  }
  POP_CHECK(!is_wire || crlf == text);
}

void ReadLists(std::string_view text) {
  const auto pairs = ParsePairs(text);
  if (pairs.ok()) {
    for (const auto& [a, b] : *pairs) POP_CHECK(!a.empty() && !b.empty());
  }
  const auto server = ParsePop3Url(text);
  POP_CHECK(!server.ok() || (!server->host.empty() && server->port != 0));
  std::string user;
  std::string domain;
  const size_t half = std::min<size_t>(text.size() / 2, 24);
  MatchPattern(text.substr(0, half), text.substr(half, 24), user, domain);
}

}  // namespace
}  // namespace poplar::app

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  constexpr auto kReaders =
      std::to_array({&poplar::app::ReadDovecot, &poplar::app::ReadCourier, &poplar::app::ReadFormat,
                     &poplar::app::ReadDates, &poplar::app::Write, &poplar::app::ReadLists,
                     &poplar::app::ReadCyrus});
  kReaders[bytes[0] % kReaders.size()](text);
  return 0;
}
