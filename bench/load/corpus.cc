#include "bench/load/corpus.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "core/base/check.h"

namespace poplar::load {
namespace {

constexpr std::string_view kMarkName = "X-Poplar-Load: ";
// "id=<16> octets=<8> digest=<16>" behind the name, then CRLF.
constexpr size_t kMarkLineBytes = kMarkName.size() + 3 + 16 + 8 + 8 + 8 + 16 + 2;
constexpr size_t kHeadLineBytesMax = 8192;  // trace headers are kept no further than this
constexpr size_t kTextLineOctets = 72;

uint64_t DigestSeed(uint64_t id) { return Mix(id, 0x706f706c6172ULL); }

// No dot among them, so that dots are where we put them.
constexpr std::string_view kLetters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -";

// Fills `message` up to `octets_target` with lines of text. Some begin with a dot, some are a dot
// or two alone: what transparency is about. REQUIRES: at least two octets are missing.
void AppendText(std::string* message, uint64_t octets_target, uint64_t random) {
  for (uint64_t line = 0; message->size() < octets_target; ++line) {
    uint64_t left = octets_target - message->size();
    uint64_t text = std::min<uint64_t>(kTextLineOctets, left - 2);
    if (left - text - 2 == 1) --text;  // one octet is too few for a last line
    bool only_dots = line % 64 == 7 && left > 2 * kTextLineOctets;
    if (only_dots) text = 1 + line / 64 % 2;
    size_t begin = message->size();
    uint64_t bits = 0;
    for (uint64_t i = 0; i < text; ++i) {
      if (i % 10 == 0) bits = Mix(random, line * kTextLineOctets + i);
      message->push_back(kLetters[bits & 63]);
      bits >>= 6;
    }
    if (only_dots) message->replace(begin, text, text, '.');
    if (line % 16 == 3 && text > 0) (*message)[begin] = '.';
    message->append("\r\n");
  }
}

bool ParseHex(std::string_view text, uint64_t* value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value, 16);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

uint64_t Mix(uint64_t a, uint64_t b) {
  uint64_t z = a + 0x9e3779b97f4a7c15ULL * (b + 1);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

uint64_t PickOctets(const SizeRange& range, uint64_t seed, uint64_t id) {
  if (range.octets_max <= range.octets_min) return range.octets_min;
  double fraction = static_cast<double>(Mix(Mix(seed, id), 0x73697a65) >> 11) * 0x1p-53;
  double low = std::log(static_cast<double>(range.octets_min));
  double high = std::log(static_cast<double>(range.octets_max));
  auto octets = static_cast<uint64_t>(std::exp(low + (high - low) * fraction));
  return std::clamp(octets, range.octets_min, range.octets_max);
}

std::string Generate(const MessageSpec& spec) {
  uint64_t octets = std::clamp(spec.octets, kMessageOctetsMin, kMessageOctetsMax);
  std::string message;
  message.reserve(octets + 1);
  message.assign(kMarkLineBytes, ' ');
  std::array<char, 128> id_text;
  int id_bytes = std::snprintf(id_text.data(), id_text.size(), "%016llx",
                               static_cast<unsigned long long>(spec.id));
  std::string_view id(id_text.data(), static_cast<size_t>(id_bytes));
  message.append("From: <load@example.org>\r\nSubject: load ").append(id);
  message.append("\r\nMessage-ID: <").append(id).append("@example.org>\r\n\r\n");
  AppendText(&message, octets, Mix(spec.seed, spec.id));
  POP_CHECK(message.size() == octets);

  uint64_t digest = XXH3_64bits_withSeed(message.data() + kMarkLineBytes, octets - kMarkLineBytes,
                                         DigestSeed(spec.id));
  std::array<char, kMarkLineBytes + 1> mark;
  int mark_bytes =
      std::snprintf(mark.data(), mark.size(), "%.*sid=%016llx octets=%08llx digest=%016llx\r\n",
                    static_cast<int>(kMarkName.size()), kMarkName.data(),
                    static_cast<unsigned long long>(spec.id),
                    static_cast<unsigned long long>(octets - kMarkLineBytes),
                    static_cast<unsigned long long>(digest));
  POP_CHECK(mark_bytes == static_cast<int>(kMarkLineBytes));
  message.replace(0, kMarkLineBytes, mark.data(), kMarkLineBytes);
  return message;
}

std::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kMatches:
      return "matches";
    case Verdict::kNotOurs:
      return "has no X-Poplar-Load line";
    case Verdict::kWrongLength:
      return "has the wrong length";
    case Verdict::kWrongDigest:
      return "has the wrong digest";
  }
  return "unknown";
}

struct Verifier::Digest {
  Digest() = default;
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;
  ~Digest() { XXH3_freeState(state); }

  XXH3_state_t* const state = XXH3_createState();
};

Verifier::Verifier() : digest_(std::make_unique<Digest>()) { Begin(); }
Verifier::~Verifier() = default;

void Verifier::Begin() {
  head_line_.clear();
  marked_ = false;
  id_ = octets_ = octets_behind_mark_ = octets_expected_ = digest_expected_ = 0;
}

void Verifier::Append(std::string_view octets) {
  octets_ += octets.size();
  if (!marked_) {
    AppendToHead(octets);
    return;
  }
  octets_behind_mark_ += octets.size();
  XXH3_64bits_update(digest_->state, octets.data(), octets.size());
}

void Verifier::AppendToHead(std::string_view octets) {
  while (!octets.empty()) {
    size_t newline = octets.find('\n');
    size_t bytes = newline == std::string_view::npos ? octets.size() : newline + 1;
    if (head_line_.size() + bytes <= kHeadLineBytesMax) head_line_.append(octets.substr(0, bytes));
    octets.remove_prefix(bytes);
    if (newline == std::string_view::npos) return;
    bool found = ParseMark(head_line_);
    head_line_.clear();
    if (!found) continue;
    marked_ = true;
    XXH3_64bits_reset_withSeed(digest_->state, DigestSeed(id_));
    octets_behind_mark_ = octets.size();
    XXH3_64bits_update(digest_->state, octets.data(), octets.size());
    return;
  }
}

bool Verifier::ParseMark(std::string_view line) {
  if (line.size() != kMarkLineBytes || !line.starts_with(kMarkName)) return false;
  line.remove_prefix(kMarkName.size());
  // id=<16> octets=<8> digest=<16>
  return line.starts_with("id=") && ParseHex(line.substr(3, 16), &id_) &&
         line.substr(19, 8) == " octets=" && ParseHex(line.substr(27, 8), &octets_expected_) &&
         line.substr(35, 8) == " digest=" && ParseHex(line.substr(43, 16), &digest_expected_) &&
         line.substr(59) == "\r\n";
}

Verdict Verifier::Finish() {
  if (!marked_) return Verdict::kNotOurs;
  if (octets_behind_mark_ != octets_expected_) return Verdict::kWrongLength;
  bool same = XXH3_64bits_digest(digest_->state) == digest_expected_;
  return same ? Verdict::kMatches : Verdict::kWrongDigest;
}

}  // namespace poplar::load
