#include "core/proto/wire/normalizer.h"

#include <cstring>
#include <span>

#include "core/base/check.h"

namespace poplar::wire {
namespace {

// Long enough to pay for the look at the result, short enough that one odd line costs little.
constexpr size_t kBlockBytes = 64;

// Copies the whole blocks at `from` that go out as they came: each LF has its CR and no dot behind
// it. Returns how many bytes. No branch depends on a byte, so lines cost nothing; `width` bytes are
// looked at a time, by the compiler's own vectors. Each block is stored before it is known to be
// plain: one pass, and no call of memcpy, whose `rep movsb` is up to ten times slower on some CPUs
// where source and target lie alike in their pages (glibc bug 30994).
// REQUIRES: a byte before `from`; room for `size` bytes at `to`.
template <size_t width>
[[gnu::always_inline]] inline size_t CopyPlainBlocks(const char* from, size_t size, char* to) {
  using Vector [[gnu::vector_size(width)]] = uint8_t;
  size_t plain = 0;
  // Not `>=`: the byte behind a block is looked at too.
  while (size - plain > kBlockBytes) {
    const char* const block = from + plain;
    Vector odd = {};
    for (size_t i = 0; i < kBlockBytes; i += width) {
      Vector bytes;
      Vector before;
      Vector behind;
      std::memcpy(&bytes, block + i, width);
      std::memcpy(&before, block + i - 1, width);
      std::memcpy(&behind, block + i + 1, width);
      odd |= (Vector)((bytes == '\n') & ((before != '\r') | (behind == '.')));
      std::memcpy(to + plain + i, &bytes, width);
    }
    uint64_t words[width / sizeof(uint64_t)];
    std::memcpy(words, &odd, width);
    uint64_t any = 0;
    for (const uint64_t word : words) any |= word;
    if (any != 0) break;
    plain += kBlockBytes;
  }
  return plain;
}

size_t CopyPlainBaseline(const char* from, size_t size, char* to) {
  return CopyPlainBlocks<16>(from, size, to);
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] size_t CopyPlainAvx2(const char* from, size_t size, char* to) {
  return CopyPlainBlocks<32>(from, size, to);
}
const auto kCopyPlain = __builtin_cpu_supports("avx2") ? CopyPlainAvx2 : CopyPlainBaseline;
#else
constexpr auto kCopyPlain = CopyPlainBaseline;
#endif

}  // namespace

// Where one call reads and writes. `to` has room for whatever the rest of the input can become.
struct Normalizer::Cursor {
  Cursor(std::string_view in, base::ByteBuffer& out)
      : begin(in.data()),
        from(in.data()),
        end(in.data() + in.size()),
        to_begin(out.Tail(2 * in.size() + kFeedOverhangBytes).data()),
        to(to_begin) {}

  uint64_t written() const { return static_cast<uint64_t>(to - to_begin); }
  size_t consumed() const { return static_cast<size_t>(from - begin); }
  void Put(std::string_view bytes) {
    std::memcpy(to, bytes.data(), bytes.size());
    to += bytes.size();
  }

  const char* const begin;
  const char* from;
  const char* const end;
  char* const to_begin;
  char* to;
};

Normalizer::Normalizer(Framing framing)
    : start_(framing == Framing::kDotStuffed ? State::kStuffedLineStart : State::kLineStart),
      behind_crlf_(start_),
      state_(start_) {}

void Normalizer::Prefix(std::string_view lines, base::ByteBuffer& out) {
  POP_CHECK(wire_bytes_ == 0 && state_ == start_);
  behind_crlf_ = state_ = State::kLineStart;
  Feed(lines, out);
  POP_CHECK(state_ == State::kLineStart && in_header_);
  behind_crlf_ = state_ = start_;
}

Normalizer::Progress Normalizer::Feed(std::string_view in, base::ByteBuffer& out) {
  POP_CHECK(!ended());
  if (in.empty()) return {};
  Cursor at(in, out);
  Run(at);
  wire_bytes_ += at.written();
  out.Extend(at.written());
  return {at.consumed(), ended()};
}

void Normalizer::Finish(base::ByteBuffer& out) {
  POP_CHECK(!ended() && start_ == State::kLineStart);
  Cursor at({}, out);
  if (state_ != State::kLineStart) at.Put("\r\n");
  EndMessage(at);
  wire_bytes_ += at.written();
  out.Extend(at.written());
}

uint64_t Normalizer::header_bytes() const {
  POP_CHECK(ended());
  return in_header_ ? wire_bytes_ - kTerminator.size() : header_bytes_;
}

void Normalizer::Run(Cursor& at) {
  while (at.from != at.end) {
    switch (state_) {
      case State::kStuffedLineStart:
        if (*at.from == '.') {
          ++at.from;
          state_ = State::kDot;
          break;
        }
        CopyLine(at);
        break;
      case State::kLineStart:
        if (*at.from == '.') {
          *at.to++ = '.';
          ++stuffing_bytes_;
        }
        CopyLine(at);
        break;
      case State::kInLine:
      case State::kAfterCr:
        CopyLine(at);
        break;
      case State::kDot:
        if (*at.from == '\r') {
          ++at.from;
          state_ = State::kDotCr;
        } else {
          state_ = State::kLineStart;
        }
        break;
      case State::kDotCr:
        if (*at.from == '\n') {
          ++at.from;
          EndMessage(at);
          return;
        }
        *at.to++ = '\r';
        state_ = State::kAfterCr;
        break;
      case State::kEnded:
        return;
    }
  }
}

// Copies up to and including the next LF, and before that as many whole blocks as need no change.
// A dot at `from` is content, already doubled where it must be.
void Normalizer::CopyLine(Cursor& at) {
  if (!in_header_) {
    CopyBlocks(at);
    if (at.from == at.end) return;
  }
  const size_t left = static_cast<size_t>(at.end - at.from);
  const char* const lf = static_cast<const char*>(std::memchr(at.from, '\n', left));
  const size_t run = lf == nullptr ? left : static_cast<size_t>(lf - at.from);
  if (run > 0) {
    at.Put({at.from, run});
    at.from += run;
    state_ = at.from[-1] == '\r' ? State::kAfterCr : State::kInLine;
  }
  if (lf != nullptr) {
    ++at.from;
    EndLine(at);
  }
}

// Blocks that go out as they came. It looks at the byte before `from`, so it needs one in this
// input, and at the byte behind the block: a line that starts behind a plain block has no dot.
void Normalizer::CopyBlocks(Cursor& at) {
  if (at.from == at.begin) return;
  const size_t plain = kCopyPlain(at.from, static_cast<size_t>(at.end - at.from), at.to);
  if (plain == 0) return;
  at.from += plain;
  at.to += plain;
  const char last = at.from[-1];
  state_ = last == '\n' ? behind_crlf_ : last == '\r' ? State::kAfterCr : State::kInLine;
}

// Behind an LF of the input.
void Normalizer::EndLine(Cursor& at) {
  if (state_ == State::kAfterCr) {
    *at.to++ = '\n';
    state_ = behind_crlf_;
  } else {
    at.Put("\r\n");
    state_ = State::kLineStart;
  }
  if (!in_header_) return;
  const uint64_t next_line = wire_bytes_ + at.written();
  if (next_line - line_start_ == 2) {
    in_header_ = false;
    header_bytes_ = next_line;
  }
  line_start_ = next_line;
}

void Normalizer::EndMessage(Cursor& at) {
  at.Put(kTerminator);
  state_ = State::kEnded;
}

}  // namespace poplar::wire
