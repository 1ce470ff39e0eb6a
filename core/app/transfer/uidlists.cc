#include "core/app/transfer/uidlists.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace poplar::app {
namespace {

std::string_view TakeLine(std::string_view& text) {
  const size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string_view TakeWord(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(std::min(word.size() + 1, text.size()));
  return word;
}

template <class Number>
bool ParseNumber(std::string_view text, Number& number) {
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

Status NotAList(std::string_view name) {
  return MakeStatus(StatusCode::kInvalidArgument,
                    std::string(name) + ": not of a version that is known here");
}

// `V1275660208 N25022 G3085…` or, in version 1, `1275660208 25022`. What the next UID is counts
// only where it can be read.
bool ParseDovecotHead(std::string_view head, bool has_fields, DovecotUidlist& list) {
  if (!has_fields) {
    if (!ParseNumber(TakeWord(head), list.uid_validity)) return false;
    ParseNumber(head, list.next_uid);
  }
  while (has_fields && !head.empty()) {
    const std::string_view field = TakeWord(head);
    if (field.starts_with('V')) {
      if (!ParseNumber(field.substr(1), list.uid_validity)) return false;
    } else if (field.starts_with('N')) {
      ParseNumber(field.substr(1), list.next_uid);
    } else {
      list.other_fields += " " + std::string(field);
    }
  }
  list.next_uid = std::max(1U, list.next_uid);
  return list.uid_validity != 0;
}

// `25006 W4096 Pabc :1276528487.M364837P9451.host,S=1355:2,` or, in version 1, without fields and
// colon.
bool ParseDovecotLine(std::string_view line, bool has_fields, DovecotUidlist::Entry& entry) {
  entry.line = line;
  if (!ParseNumber(TakeWord(line), entry.uid) || entry.uid == 0) return false;
  while (has_fields && !line.starts_with(':')) {
    if (line.empty()) return false;
    const std::string_view field = TakeWord(line);
    const std::string_view value = field.substr(std::min<size_t>(1, field.size()));
    if (field.starts_with('P')) entry.pop3_uidl = value;
    if (field.starts_with('G')) entry.guid = value;
    if (field.starts_with('O') && !ParseNumber(value, entry.pop3_order)) return false;
  }
  if (has_fields) {
    line.remove_prefix(1);
  } else {
    entry.line.insert(entry.line.size() - line.size(), 1, ':');
  }
  entry.base_name = MaildirBaseName(line);
  return !entry.base_name.empty();
}

// `1275660208.M1P2.host,S=5:2,S 1402 12:1275660208:0`: size, number, validity and a flag, of which
// older versions have less.
bool ParseCourierLine(std::string_view line, CourierList::Entry& entry) {
  const size_t last = line.rfind(' ');
  if (last == std::string_view::npos || last == 0) return false;
  const size_t before = line.rfind(' ', last - 1);
  if (before == std::string_view::npos) return false;
  std::string_view numbers = line.substr(last + 1);
  const std::string_view number_text = numbers.substr(0, numbers.find(':'));
  numbers.remove_prefix(std::min(number_text.size() + 1, numbers.size()));
  const std::string_view validity_text = numbers.substr(0, numbers.find(':'));
  uint64_t number = 0;
  uint64_t validity = 0;
  if (!ParseNumber(number_text, number)) return false;
  if (!validity_text.empty() && !ParseNumber(validity_text, validity)) return false;
  entry.base_name = MaildirBaseName(line.substr(0, before));
  if (entry.base_name.empty()) return false;
  if (number == 0) {
    entry.uidl = CourierUidlOfName(entry.base_name);
  } else {
    entry.uidl = "UID" + std::to_string(number);
    if (validity != 0) entry.uidl += "-" + std::to_string(validity);
  }
  return true;
}

}  // namespace

std::string_view MaildirBaseName(std::string_view path) {
  if (const size_t slash = path.rfind('/'); slash != std::string_view::npos) {
    path.remove_prefix(slash + 1);
  }
  return path.substr(0, path.find(':'));
}

StatusOr<DovecotUidlist> ParseDovecotUidlist(std::string_view text) {
  DovecotUidlist list;
  std::string_view head = TakeLine(text);
  const std::string_view version = TakeWord(head);
  if (version != "1" && version != "3") return NotAList("dovecot-uidlist");
  if (!ParseDovecotHead(head, version == "3", list)) return NotAList("dovecot-uidlist");
  while (!text.empty()) {
    DovecotUidlist::Entry entry;
    if (ParseDovecotLine(TakeLine(text), version == "3", entry)) {
      list.next_uid = std::max(list.next_uid, entry.uid + 1);
      list.entries.push_back(std::move(entry));
    }
  }
  return list;
}

std::string UidlOf(const DovecotUidlist::Entry& entry, uint32_t uid_validity,
                   const UidlFormat& format) {
  if (entry.pop3_uidl.has_value()) {
    return entry.pop3_uidl->empty() ? entry.base_name : *entry.pop3_uidl;
  }
  return format.Expand({entry.uid, uid_validity, entry.base_name,
                        entry.guid.empty() ? entry.base_name : entry.guid});
}

StatusOr<CourierList> ParseCourierList(std::string_view text) {
  std::string_view head = TakeLine(text);
  constexpr std::array<std::string_view, 3> kVersions = {"/1", "/2", "/3"};
  if (std::find(kVersions.begin(), kVersions.end(), TakeWord(head)) == kVersions.end()) {
    return NotAList("courierpop3dsizelist");
  }
  CourierList list;
  while (!text.empty()) {
    CourierList::Entry entry;
    if (ParseCourierLine(TakeLine(text), entry)) list.entries.push_back(std::move(entry));
  }
  return list;
}

std::string CourierUidlOfName(std::string_view base_name) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string uidl;
  for (const char c : base_name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x21 || byte > 0x7E || c == '\'' || c == '"' || c == '+') {
      uidl += {'+', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      uidl += c;
    }
  }
  return uidl;
}

}  // namespace poplar::app
