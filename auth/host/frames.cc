#include "auth/host/frames.h"

#include <concepts>
#include <cstring>
#include <type_traits>

namespace poplar::auth {
namespace {

constexpr size_t kFieldHeadBytes = 1 + sizeof(uint32_t);

template <class Frame>
constexpr FrameType kTypeOf = FrameType();
template <>
constexpr FrameType kTypeOf<LoadFrame> = FrameType::kLoad;
template <>
constexpr FrameType kTypeOf<LoadedFrame> = FrameType::kLoaded;
template <>
constexpr FrameType kTypeOf<OpenFrame> = FrameType::kOpen;
template <>
constexpr FrameType kTypeOf<OpenedFrame> = FrameType::kOpened;
template <>
constexpr FrameType kTypeOf<CloseFrame> = FrameType::kClose;
template <>
constexpr FrameType kTypeOf<LogFrame> = FrameType::kLog;
template <>
constexpr FrameType kTypeOf<QuestionFrame> = FrameType::kQuestion;
template <>
constexpr FrameType kTypeOf<AnswerFrame> = FrameType::kAnswer;

// What each frame has, in order: the field's place is its tag.
template <class Visitor, class Frame>
void Fields(Visitor& visit, Frame& frame) {
  using F = std::remove_const_t<Frame>;
  if constexpr (std::same_as<F, LoadFrame>) {
    visit(frame.threads, frame.instance_calls_max);
  } else if constexpr (std::same_as<F, LoadedFrame>) {
    visit(frame.fault, frame.name, frame.operations);
  } else if constexpr (std::same_as<F, OpenFrame>) {
    visit(frame.instance, frame.settings);
  } else if constexpr (std::same_as<F, OpenedFrame>) {
    visit(frame.instance, frame.fault);
  } else if constexpr (std::same_as<F, CloseFrame>) {
    visit(frame.instance);
  } else if constexpr (std::same_as<F, LogFrame>) {
    visit(frame.level, frame.sentence, frame.left_out);
  } else if constexpr (std::same_as<F, QuestionFrame>) {
    visit(frame.id, frame.instance, frame.operation, frame.deadline_ms, frame.login, frame.secret,
          frame.mechanism, frame.client_address);
  } else {
    visit(frame.id, frame.outcome, frame.account, frame.address, frame.quota_octets,
          frame.quota_messages, frame.verifier, frame.reason, frame.stored_password, frame.tenants);
  }
}

// Writes into memory of its own that is wiped at the end: first how much, then what.
class Writer {
 public:
  explicit Writer(FrameType type) : type_(type) {}
  ~Writer() { base::Wipe(bytes_.data(), bytes_.size()); }

  template <class... Field>
  void operator()(const Field&... fields) {
    uint8_t tag = 0;
    bytes_.reserve(1 + (Size(fields) + ... + 0));  // At once: nothing is left behind in between.
    bytes_.push_back(static_cast<char>(type_));
    (Put(++tag, fields), ...);
  }
  StatusOr<base::Secret> End() {
    if (bytes_.size() > kFrameBytesMax) {
      return MakeStatus(StatusCode::kInvalidArgument,
                        "too long for a plug-in's question or answer");
    }
    return base::Secret({bytes_.data(), bytes_.size()});
  }

 private:
  template <std::unsigned_integral Number>
  static size_t Size(Number) {
    return kFieldHeadBytes + sizeof(Number);
  }
  static size_t Size(const std::optional<uint64_t>& number) { return Size(number.value_or(0)); }
  static size_t Size(std::string_view text) { return kFieldHeadBytes + text.size(); }
  static size_t Size(const base::Secret& secret) { return Size(secret.Reveal()); }
  static size_t Size(const PluginSettings& settings) {
    size_t bytes = 0;
    for (const auto& [name, value] : settings) bytes += Size(name) + Size(value);
    return bytes;
  }

  static size_t Size(const std::vector<std::string>& texts) {
    size_t bytes = 0;
    for (const std::string& text : texts) bytes += Size(text);
    return bytes;
  }

  template <std::unsigned_integral Number>
  void Put(uint8_t tag, Number number) {
    PutBytes(tag, {reinterpret_cast<const char*>(&number), sizeof number});
  }
  void Put(uint8_t tag, const std::optional<uint64_t>& number) {
    if (number.has_value()) Put(tag, *number);
  }
  void Put(uint8_t tag, const std::string& text) { PutBytes(tag, text); }
  void Put(uint8_t tag, const base::Secret& secret) { PutBytes(tag, secret.Reveal()); }
  // Names and values in turns.
  void Put(uint8_t tag, const PluginSettings& settings) {
    for (const auto& [name, value] : settings) {
      PutBytes(tag, name);
      PutBytes(tag, value);
    }
  }
  void Put(uint8_t tag, const std::vector<std::string>& texts) {
    for (const std::string& text : texts) PutBytes(tag, text);
  }
  void PutBytes(uint8_t tag, std::string_view bytes) {
    const auto count = static_cast<uint32_t>(bytes.size());
    bytes_.push_back(static_cast<char>(tag));
    Append(&count, sizeof count);
    Append(bytes.data(), bytes.size());
  }
  void Append(const void* from, size_t count) {
    const char* const begin = static_cast<const char*>(from);
    bytes_.insert(bytes_.end(), begin, begin + count);
  }

  const FrameType type_;
  std::vector<char> bytes_;
};

// Each field at most once (lists may repeat), in the order of the struct; one that is not there
// keeps its default.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}

  template <class... Field>
  void operator()(Field&... fields) {
    uint8_t tag = 0;
    (Take(++tag, fields), ...);
  }
  bool sound() const { return sound_ && left_.empty(); }

 private:
  // The next field, if it has this tag.
  std::optional<std::string_view> Next(uint8_t tag) {
    if (!sound_ || left_.empty() || static_cast<uint8_t>(left_[0]) != tag) return std::nullopt;
    uint32_t count = 0;
    if (left_.size() < kFieldHeadBytes) return Fail();
    std::memcpy(&count, left_.data() + 1, sizeof count);
    left_.remove_prefix(kFieldHeadBytes);
    if (count > left_.size()) return Fail();
    const std::string_view bytes = left_.substr(0, count);
    left_.remove_prefix(count);
    return bytes;
  }
  std::nullopt_t Fail() {
    sound_ = false;
    return std::nullopt;
  }

  template <std::unsigned_integral Number>
  void Take(uint8_t tag, Number& number) {
    const auto bytes = Next(tag);
    if (!bytes.has_value()) return;
    if (bytes->size() != sizeof number) {
      Fail();
      return;
    }
    std::memcpy(&number, bytes->data(), sizeof number);
  }
  void Take(uint8_t tag, std::optional<uint64_t>& number) {
    if (left_.empty() || static_cast<uint8_t>(left_[0]) != tag) return;
    uint64_t value = 0;
    Take(tag, value);
    number = value;
  }
  void Take(uint8_t tag, std::string& text) {
    if (const auto bytes = Next(tag)) text = *bytes;
  }
  void Take(uint8_t tag, base::Secret& secret) {
    if (const auto bytes = Next(tag)) secret = base::Secret(*bytes);
  }
  void Take(uint8_t tag, std::vector<std::string>& texts) {
    while (const auto text = Next(tag)) texts.emplace_back(*text);
  }
  void Take(uint8_t tag, PluginSettings& settings) {
    while (const auto name = Next(tag)) {
      const auto value = Next(tag);
      if (!value.has_value()) {
        Fail();
        return;
      }
      settings.emplace_back(*name, *value);
    }
  }

  std::string_view left_;
  bool sound_ = true;
};

template <class Frame>
StatusOr<base::Secret> EncodeFrame(const Frame& frame) {
  Writer writer(kTypeOf<Frame>);
  Fields(writer, frame);
  return writer.End();
}

template <class Frame>
bool DecodeFrame(std::string_view bytes, Frame& frame) {
  frame = {};
  if (bytes.size() > kFrameBytesMax || TypeOf(bytes) != kTypeOf<Frame>) return false;
  Reader reader(bytes.substr(1));
  Fields(reader, frame);
  return reader.sound();
}

}  // namespace

std::optional<FrameType> TypeOf(std::string_view frame) {
  if (frame.empty()) return std::nullopt;
  const auto type = static_cast<uint8_t>(frame[0]);
  if (type < static_cast<uint8_t>(FrameType::kLoad) ||
      type > static_cast<uint8_t>(FrameType::kAnswer)) {
    return std::nullopt;
  }
  return static_cast<FrameType>(type);
}

StatusOr<base::Secret> Encode(const LoadFrame& frame) { return EncodeFrame(frame); }
StatusOr<base::Secret> Encode(const LoadedFrame& frame) { return EncodeFrame(frame); }
StatusOr<base::Secret> Encode(const OpenFrame& frame) { return EncodeFrame(frame); }
StatusOr<base::Secret> Encode(const OpenedFrame& frame) { return EncodeFrame(frame); }
StatusOr<base::Secret> Encode(const CloseFrame& frame) { return EncodeFrame(frame); }
StatusOr<base::Secret> Encode(const LogFrame& frame) { return EncodeFrame(frame); }
StatusOr<base::Secret> Encode(const QuestionFrame& frame) { return EncodeFrame(frame); }
StatusOr<base::Secret> Encode(const AnswerFrame& frame) { return EncodeFrame(frame); }

bool Decode(std::string_view bytes, LoadFrame& frame) { return DecodeFrame(bytes, frame); }
bool Decode(std::string_view bytes, LoadedFrame& frame) { return DecodeFrame(bytes, frame); }
bool Decode(std::string_view bytes, OpenFrame& frame) { return DecodeFrame(bytes, frame); }
bool Decode(std::string_view bytes, OpenedFrame& frame) { return DecodeFrame(bytes, frame); }
bool Decode(std::string_view bytes, CloseFrame& frame) { return DecodeFrame(bytes, frame); }
bool Decode(std::string_view bytes, LogFrame& frame) { return DecodeFrame(bytes, frame); }
bool Decode(std::string_view bytes, QuestionFrame& frame) { return DecodeFrame(bytes, frame); }
bool Decode(std::string_view bytes, AnswerFrame& frame) { return DecodeFrame(bytes, frame); }

}  // namespace poplar::auth
