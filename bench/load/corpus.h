// The messages that the load generator sends, and the proof that they came back whole.
//
// A message is a function of (seed, id, octets): anyone can make it again. Its first line names id,
// length and a digest of everything behind that line, so a receiver checks each octet without
// knowing the seed. Servers put trace headers (Return-Path, Received) in front; they are skipped.
//
//   X-Poplar-Load: id=<16 hex> octets=<8 hex> digest=<16 hex> CRLF
//   (headers, empty line, body: text in CRLF lines, of which some begin with dots)
//
// Pure; any thread, one at a time per object.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace poplar::load {

// Octets of the smallest message that Generate makes.
inline constexpr uint64_t kMessageOctetsMin = 256;
// Octets of the largest: `octets` is eight hex digits, and a message is made in memory.
inline constexpr uint64_t kMessageOctetsMax = uint64_t{1} << 30;

struct MessageSpec {
  uint64_t seed = 1;
  uint64_t id = 0;
  uint64_t octets = 4096;
};

// The message, ending with CRLF, exactly `spec.octets` long (sizes outside the bounds above are
// taken as the nearest bound). Not dot-stuffed.
std::string Generate(const MessageSpec& spec);

// A size for message `id`, log-uniform between the two bounds; the same for the same arguments.
struct SizeRange {
  uint64_t octets_min = 4096;
  uint64_t octets_max = 4096;
};
uint64_t PickOctets(const SizeRange& range, uint64_t seed, uint64_t id);

// A well-mixed number from two; the only source of randomness of messages.
uint64_t Mix(uint64_t a, uint64_t b);

enum class Verdict : uint8_t {
  kMatches,
  kNotOurs,      // no X-Poplar-Load line
  kWrongLength,  // cut short, or longer than it says
  kWrongDigest,
};
std::string_view VerdictName(Verdict verdict);

// Checks one message at a time as its (un-stuffed) octets arrive.
class Verifier {
 public:
  Verifier();
  ~Verifier();
  Verifier(const Verifier&) = delete;
  Verifier& operator=(const Verifier&) = delete;

  // Starts a message.
  void Begin();
  void Append(std::string_view octets);
  // After the last octet.
  Verdict Finish();
  // Of the message that was finished with kMatches.
  uint64_t id() const { return id_; }
  // Octets seen since Begin, trace headers included.
  uint64_t octets() const { return octets_; }

 private:
  void AppendToHead(std::string_view octets);
  bool ParseMark(std::string_view line);

  struct Digest;
  std::unique_ptr<Digest> digest_;
  std::string head_line_;  // the header line that is arriving, until our mark was met
  bool marked_ = false;
  uint64_t id_ = 0;
  uint64_t octets_ = 0;
  uint64_t octets_behind_mark_ = 0;
  uint64_t octets_expected_ = 0;
  uint64_t digest_expected_ = 0;
};

}  // namespace poplar::load
