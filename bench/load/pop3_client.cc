#include "bench/load/pop3_client.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "bench/load/meter.h"

namespace poplar::load {
namespace {

constexpr size_t kUidlBytesMax = 70;  // RFC 1939 section 7
constexpr std::string_view kOk = "+OK";

// Takes a decimal number off the front of `text`.
std::optional<uint64_t> TakeNumber(std::string_view* text) {
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc()) return std::nullopt;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return number;
}

bool TakeSpace(std::string_view* text) {
  if (!text->starts_with(' ')) return false;
  text->remove_prefix(1);
  return true;
}

struct ScanLine {
  uint64_t number = 0;
  std::string_view rest;
};

// "number SP rest" of LIST and UIDL.
std::optional<ScanLine> ParseScanLine(std::string_view line) {
  std::optional<uint64_t> number = TakeNumber(&line);
  if (!number || !TakeSpace(&line)) return std::nullopt;
  return ScanLine{*number, line};
}

bool IsUidl(std::string_view text) {
  return !text.empty() && text.size() <= kUidlBytesMax &&
         std::ranges::all_of(text, [](char c) { return c >= 0x21 && c <= 0x7e; });
}

// How long a reader of so many bytes a second takes for these.
uint64_t ReadingNs(uint64_t bytes, uint64_t bytes_per_second) {
  return static_cast<uint64_t>(static_cast<double>(bytes) * 1e9 /
                               static_cast<double>(bytes_per_second));
}

}  // namespace

bool IsInUse(const Status& error) {
  return Message(error).find("[IN-USE]") != std::string_view::npos;
}

Task<StatusOr<std::string_view>> Pop3Client::ReadStatus() {
  while (true) {
    std::optional<std::string_view> line = stream_->TakeLine();
    if (line) {
      bool ok = line->starts_with(kOk) && (line->size() == kOk.size() || (*line)[3] == ' ') &&
                !line->ends_with('\n');
      if (!ok) co_return ReplyError("+OK expected", *line);
      co_return line->substr(std::min<size_t>(line->size(), 4));
    }
    Status filled = co_await stream_->Fill();
    if (!filled.ok()) co_return filled;
  }
}

Task<Status> Pop3Client::ReadOk() {
  StatusOr<std::string_view> status = co_await ReadStatus();
  co_return status.status();
}

template <class Each>
Task<Status> Pop3Client::ReadLines(Each each) {
  while (true) {
    std::optional<std::string_view> line = stream_->TakeLine();
    if (!line) {
      Status filled = co_await stream_->Fill();
      if (!filled.ok()) co_return filled;
      continue;
    }
    if (*line == ".") co_return OkStatus();
    if (line->ends_with('\n')) co_return ReplyError("a line without CR", *line);
    LOAD_CO_RETURN_IF_ERROR(each(*line));
  }
}

void Pop3Client::Send(std::string_view command) {
  stream_->Write(command);
  stream_->Write("\r\n");
}

void Pop3Client::Send(std::string_view verb, uint64_t number) {
  stream_->Write(verb);
  stream_->Write(" ");
  stream_->Write(std::to_string(number));
  stream_->Write("\r\n");
}

Task<Status> Pop3Client::Greeting() { return ReadOk(); }

Task<Status> Pop3Client::Stls() {
  Send("STLS");
  return ReadOk();
}

Task<StatusOr<uint64_t>> Pop3Client::Capa() {
  Send("CAPA");
  LOAD_CO_RETURN_IF_ERROR(co_await ReadOk());
  uint64_t count = 0;
  auto each = [&count](std::string_view) {
    ++count;
    return OkStatus();
  };
  LOAD_CO_RETURN_IF_ERROR(co_await ReadLines(each));
  if (count == 0) co_return CountError("CAPA lists nothing");
  co_return count;
}

Task<Status> Pop3Client::Login(std::string_view user, std::string_view password) {
  stream_->Write("USER ");
  Send(user);
  LOAD_CO_RETURN_IF_ERROR(co_await ReadOk());
  stream_->Write("PASS ");
  Send(password);
  co_return co_await ReadOk();
}

Task<Status> Pop3Client::Auth(std::string_view line) {
  stream_->Write("AUTH ");
  Send(line);
  return ReadOk();
}

Task<StatusOr<Pop3Totals>> Pop3Client::Stat() {
  Send("STAT");
  LOAD_CO_ASSIGN_OR_RETURN(std::string_view text, co_await ReadStatus());
  std::string_view rest = text;
  std::optional<uint64_t> messages = TakeNumber(&rest);
  bool spaced = TakeSpace(&rest);
  std::optional<uint64_t> octets = TakeNumber(&rest);
  if (!messages || !spaced || !octets) co_return ReplyError("STAT", text);
  co_return Pop3Totals{*messages, *octets};
}

Task<StatusOr<uint64_t>> Pop3Client::ListOne(uint64_t number) {
  Send("LIST", number);
  LOAD_CO_ASSIGN_OR_RETURN(std::string_view text, co_await ReadStatus());
  std::optional<ScanLine> scan = ParseScanLine(text);
  if (!scan || scan->number != number) co_return ReplyError("LIST of one", text);
  std::optional<uint64_t> octets = TakeNumber(&scan->rest);
  if (!octets) co_return ReplyError("LIST of one", text);
  co_return *octets;
}

Task<StatusOr<std::vector<uint64_t>>> Pop3Client::List() {
  Send("LIST");
  LOAD_CO_RETURN_IF_ERROR(co_await ReadOk());
  std::vector<uint64_t> sizes;
  auto each = [&sizes](std::string_view line) {
    std::optional<ScanLine> scan = ParseScanLine(line);
    if (!scan) return ReplyError("LIST", line);
    std::optional<uint64_t> octets = TakeNumber(&scan->rest);
    if (!octets) return ReplyError("LIST", line);
    sizes.push_back(*octets);
    return scan->number == sizes.size() ? OkStatus() : CountError("LIST leaves a number out");
  };
  LOAD_CO_RETURN_IF_ERROR(co_await ReadLines(each));
  co_return sizes;
}

Task<StatusOr<std::vector<std::string>>> Pop3Client::Uidl() {
  Send("UIDL");
  LOAD_CO_RETURN_IF_ERROR(co_await ReadOk());
  std::vector<std::string> uidls;
  auto each = [&uidls](std::string_view line) {
    std::optional<ScanLine> scan = ParseScanLine(line);
    if (!scan || !IsUidl(scan->rest)) return ReplyError("UIDL", line);
    uidls.emplace_back(scan->rest);
    return scan->number == uidls.size() ? OkStatus() : CountError("UIDL leaves a number out");
  };
  LOAD_CO_RETURN_IF_ERROR(co_await ReadLines(each));
  std::vector<std::string_view> sorted(uidls.begin(), uidls.end());
  std::ranges::sort(sorted);
  if (std::ranges::adjacent_find(sorted) != sorted.end()) {
    co_return CountError("two messages have one unique id");
  }
  co_return uidls;
}

Task<Status> Pop3Client::Top(uint64_t number, uint64_t lines) {
  Send("TOP " + std::to_string(number), lines);
  LOAD_CO_RETURN_IF_ERROR(co_await ReadOk());
  bool in_head = true;
  uint64_t behind = 0;
  auto each = [&in_head, &behind](std::string_view line) {
    if (!in_head) ++behind;
    in_head = in_head && !line.empty();
    return OkStatus();
  };
  LOAD_CO_RETURN_IF_ERROR(co_await ReadLines(each));
  if (in_head) co_return CountError("TOP: the head does not end");
  if (behind > lines) co_return CountError("TOP: more lines than asked for");
  co_return OkStatus();
}

Task<Status> Pop3Client::Dele(uint64_t number) {
  Send("DELE", number);
  return ReadOk();
}

Task<Status> Pop3Client::DeleFirst(uint64_t count) {
  for (uint64_t i = 1; i <= count; ++i) Send("DELE", i);
  for (uint64_t i = 1; i <= count; ++i) LOAD_CO_RETURN_IF_ERROR(co_await ReadOk());
  co_return OkStatus();
}

Task<StatusOr<std::vector<Pop3Message>>> Pop3Client::RetrAllBehind(
    uint64_t skip, const std::vector<uint64_t>* sizes, uint32_t depth) {
  std::vector<Pop3Message> messages;
  size_t sent = skip;
  for (size_t i = skip; i < sizes->size(); ++i) {
    for (; sent < sizes->size() && sent < i + depth; ++sent) Send("RETR", sent + 1);
    RetrOptions expected{.octets = (*sizes)[i]};
    LOAD_CO_ASSIGN_OR_RETURN(Pop3Message message, co_await ReadRetr(expected));
    messages.push_back(message);
  }
  co_return messages;
}

Task<Status> Pop3Client::Rset() {
  Send("RSET");
  return ReadOk();
}

Task<Status> Pop3Client::Quit() {
  Send("QUIT");
  LOAD_CO_RETURN_IF_ERROR(co_await ReadOk());
  co_return co_await stream_->WaitClose();
}

Task<StatusOr<Pop3Message>> Pop3Client::ReadRetr(RetrOptions options) {
  LOAD_CO_ASSIGN_OR_RETURN(std::string_view text, co_await ReadStatus());
  // "+OK 1234 octets": the number is custom, not law; where it stands it must be right.
  std::optional<uint64_t> announced = TakeNumber(&text);
  dots_.Begin();
  verifier_.Begin();
  const uint64_t begin_ns = MonotonicNs();
  uint64_t bytes = 0;
  while (true) {
    size_t taken =
        dots_.Feed(stream_->input(), [this](std::string_view octets) { verifier_.Append(octets); });
    stream_->Consume(taken);
    bytes += taken;
    if (options.bytes_per_second > 0) {
      co_await options.loop->SleepUnlessEnding(begin_ns +
                                               ReadingNs(bytes, options.bytes_per_second));
      if (options.loop->ending()) co_return MakeStatus(StatusCode::kCancelled, "the run ends");
    }
    if (dots_.done()) break;
    if (options.pause_ms > 0) co_await options.loop->Sleep(options.pause_ms);
    Status filled = co_await stream_->Fill();
    if (!filled.ok()) co_return filled;
  }
  if (dots_.bare_newline()) co_return ContentError("RETR: a line feed without carriage return");
  Verdict verdict = verifier_.Finish();
  if (verdict != Verdict::kMatches) {
    co_return ContentError(std::string("RETR: the message ").append(VerdictName(verdict)));
  }
  uint64_t octets = verifier_.octets();
  if (octets != options.octets || announced.value_or(octets) != octets) {
    co_return CountError("RETR: " + std::to_string(octets) + " octets came, LIST said " +
                         std::to_string(options.octets));
  }
  co_return Pop3Message{verifier_.id(), octets};
}

}  // namespace poplar::load
