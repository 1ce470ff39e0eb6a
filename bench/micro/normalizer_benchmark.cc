// What normalising an arriving message costs beside the least that any server must do with it:
// receive it from a socket.

#include <benchmark/benchmark.h>
#include <sys/socket.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/byte_buffer.h"
#include "core/base/check.h"
#include "core/base/fd.h"
#include "core/proto/wire/normalizer.h"

namespace {

using poplar::base::ByteBuffer;
using poplar::wire::Normalizer;

constexpr size_t kPieceBytes = 16 * 1024;
constexpr size_t kMessageBytes = 128 * 1024;  // Fits a socket's buffer whole.

enum class Text : int64_t {
  kMail,    // 76 bytes a line, a stuffed dot every hundredth: base64 and ordinary text.
  kShort,   // 20 bytes a line.
  kLoneLf,  // No CR at all: every line is mended.
};

std::string MakeData(Text text) {
  const size_t width = text == Text::kShort ? 20 : 76;
  const char* const line_end = text == Text::kLoneLf ? "\n" : "\r\n";
  std::string data = std::string("Subject: x") + line_end + line_end;
  for (size_t line = 0; data.size() < kMessageBytes; ++line) {
    std::string body(width, static_cast<char>('A' + line % 26));
    if (line % 100 == 99) body.replace(0, 2, text == Text::kLoneLf ? "xx" : "..");
    data += body + line_end;
  }
  return data + (text == Text::kLoneLf ? "\r\n.\r\n" : ".\r\n");
}

// Calls `sink` with the data in pieces of the size a receive brings.
template <class Sink>
void ForEachPiece(std::string_view data, Sink sink) {
  for (size_t at = 0; at < data.size(); at += kPieceBytes) sink(data.substr(at, kPieceBytes));
}

void SetBytes(benchmark::State& state, size_t bytes) {
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes));
}

void BM_Normalize(benchmark::State& state) {
  const std::string data = MakeData(static_cast<Text>(state.range(0)));
  ByteBuffer out;
  for (auto _ : state) {
    Normalizer normalizer(Normalizer::Framing::kDotStuffed);
    ForEachPiece(data, [&](std::string_view piece) {
      normalizer.Feed(piece, out);
      benchmark::DoNotOptimize(out.view().data());
      benchmark::ClobberMemory();
      out.Clear();
    });
    POP_CHECK(normalizer.ended());
  }
  SetBytes(state, data.size());
}
BENCHMARK(BM_Normalize)
    ->Arg(static_cast<int64_t>(Text::kMail))
    ->Arg(static_cast<int64_t>(Text::kShort))
    ->Arg(static_cast<int64_t>(Text::kLoneLf));

void BM_Memcpy(benchmark::State& state) {
  const std::string data = MakeData(Text::kMail);
  std::vector<char> to(kPieceBytes);
  for (auto _ : state) {
    ForEachPiece(data, [&](std::string_view piece) {
      std::memcpy(to.data(), piece.data(), piece.size());
      benchmark::DoNotOptimize(to.data());
      benchmark::ClobberMemory();
    });
  }
  SetBytes(state, data.size());
}
BENCHMARK(BM_Memcpy);

// A message waits in a socket; it is received piece by piece. Only receiving is timed, and with
// `normalize` what is then done with each piece.
void Receive(benchmark::State& state, bool normalize) {
  int pair[2];
  POP_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  const poplar::base::UniqueFd sender(pair[0]);
  const poplar::base::UniqueFd receiver(pair[1]);
  const std::string data = MakeData(Text::kMail);
  std::vector<char> piece(kPieceBytes);
  ByteBuffer out;
  for (auto _ : state) {
    state.PauseTiming();
    POP_CHECK(send(sender.get(), data.data(), data.size(), 0) == static_cast<ssize_t>(data.size()));
    state.ResumeTiming();
    Normalizer normalizer(Normalizer::Framing::kDotStuffed);
    for (size_t received = 0; received < data.size();) {
      const ssize_t got = recv(receiver.get(), piece.data(), piece.size(), 0);
      POP_CHECK(got > 0);
      received += static_cast<size_t>(got);
      if (!normalize) continue;
      normalizer.Feed({piece.data(), static_cast<size_t>(got)}, out);
      benchmark::DoNotOptimize(out.view().data());
      benchmark::ClobberMemory();
      out.Clear();
    }
    POP_CHECK(normalizer.ended() == normalize);
  }
  SetBytes(state, data.size());
}

void BM_Receive(benchmark::State& state) { Receive(state, false); }
BENCHMARK(BM_Receive);
void BM_ReceiveAndNormalize(benchmark::State& state) { Receive(state, true); }
BENCHMARK(BM_ReceiveAndNormalize);

}  // namespace
