#include <array>
#include <string>

#include "bench/micro/primitives.h"
#include "core/base/byte_buffer.h"
#include "core/base/check.h"
#include "core/proto/pop3/command.h"
#include "core/proto/pop3/session.h"
#include "core/proto/pop3/top_cutter.h"
#include "core/proto/wire/line_reader.h"
#include "core/proto/wire/normalizer.h"

namespace poplar::micro {
namespace {

constexpr size_t kPieceBytes = 16 * 1024;

// 76 octets a line, every hundredth dot-stuffed, and the final dot.
std::string WireMessage(size_t bytes) {
  std::string message = "Subject: x\r\nFrom: a@b\r\n\r\n";
  for (size_t line = 0; message.size() < bytes; ++line) {
    std::string text(76, static_cast<char>('A' + line % 26));
    if (line % 100 == 99) text.replace(0, 2, "..");
    message += text + "\r\n";
  }
  return message + ".\r\n";
}

// A command with its arguments taken apart.
class ParsesCommand final : public Primitive {
 public:
  void Run(uint64_t times) override {
    for (uint64_t i = 0; i < times; ++i) {
      Use(line_);
      const pop3::Command command = pop3::ParseCommand(line_);
      const pop3::Arguments arguments = pop3::SplitArguments(command.rest);
      Use(pop3::ParseNumber(arguments.first));
    }
  }

 private:
  std::string_view line_ = "RETR 12345";
};

// One of 32 lines that came in one packet.
class FramesLine final : public Primitive {
 public:
  void Run(uint64_t times) override {
    std::string_view input;
    for (uint64_t i = 0; i < times; ++i) {
      if (input.empty()) input = lines_;
      std::string_view line;
      POP_CHECK(reader_.Next(input, 512, line) == wire::LineReader::Result::kLine);
      Use(line);
      reader_.Release();
    }
  }

 private:
  static std::string Lines() {
    std::string lines;
    for (int i = 0; i < 32; ++i) lines += "RETR " + std::to_string(i) + "\r\n";
    return lines;
  }
  const std::string lines_ = Lines();
  wire::LineReader reader_;
};

// A maildrop of 10,000 messages with UIDLs of usual length.
class Messages final : public pop3::MaildropView {
 public:
  static constexpr uint32_t kCount = 10'000;

  uint32_t count() const override { return kCount; }
  uint64_t total_octets() const override { return uint64_t{kCount} * 4096; }
  void CopyOctets(pop3::MessageIndex first, std::span<uint64_t> into) const override {
    for (size_t i = 0; i < into.size(); ++i) into[i] = 4096 + first.value() + i;
  }
  void CopyUidls(pop3::MessageIndex, std::span<UidlText> into) const override {
    for (UidlText& uidl : into) uidl = uidl_;
  }
  int64_t received_us(pop3::MessageIndex) const override { return 1'700'000'000'000'000; }

 private:
  const UidlText uidl_ = [] {
    UidlText uidl;
    constexpr std::string_view kText = "0001a2b3c4d5e6f70001";
    kText.copy(uidl.text.data(), kText.size());
    uidl.bytes = kText.size();
    return uidl;
  }();
};

// A whole command through a session that is logged in.
class RunsCommand : public Primitive {
 public:
  explicit RunsCommand(std::string_view command) : command_(command) {
    session_.SetTerms({});
    Say("USER u\r\nPASS p\r\n", pop3::Action::Kind::kVerifyPassword);
    session_.LoginDone(pop3::LoginOutcome::kOk, &messages_, out_);
  }
  void Run(uint64_t times) override {
    for (uint64_t i = 0; i < times; ++i) Say(command_, pop3::Action::Kind::kNeedInput);
  }

 private:
  void Say(std::string_view input, pop3::Action::Kind expected) {
    pop3::Action::Kind kind = pop3::Action::Kind::kFlush;
    while (kind == pop3::Action::Kind::kFlush) {
      kind = session_.Next(input, out_).kind;
      Use(out_.view().data());
      out_.Clear();
    }
    POP_CHECK(kind == expected);
  }

  const std::string_view command_;
  const pop3::SessionOptions options_ = {.hostname = "mail.example.org"};
  pop3::SessionMetrics metrics_;
  Messages messages_;
  pop3::Session session_{options_, metrics_, {.clear_text_login_allowed = true}};
  base::ByteBuffer out_;
};

class RunsNoop final : public RunsCommand {
 public:
  RunsNoop() : RunsCommand("NOOP\r\n") {}
};

class ListsTenThousand final : public RunsCommand {
 public:
  ListsTenThousand() : RunsCommand("LIST\r\n") {}
};

class UidlsTenThousand final : public RunsCommand {
 public:
  UidlsTenThousand() : RunsCommand("UIDL\r\n") {}
};

// An arriving message of 128 KB: dots scanned, line ends mended.
class Normalizes final : public Primitive {
 public:
  void Run(uint64_t times) override {
    for (uint64_t i = 0; i < times; ++i) {
      wire::Normalizer normalizer(wire::Normalizer::Framing::kDotStuffed);
      for (size_t at = 0; at < message_.size(); at += kPieceBytes) {
        normalizer.Feed(std::string_view(message_).substr(at, kPieceBytes), out_);
        Use(out_.view().data());
        out_.Clear();
      }
      POP_CHECK(normalizer.ended());
    }
  }

 private:
  const std::string message_ = WireMessage(128 * 1024);
  base::ByteBuffer out_;
};

// TOP of 100 lines.
class CutsTop final : public Primitive {
 public:
  void Run(uint64_t times) override {
    for (uint64_t i = 0; i < times; ++i) {
      pop3::TopCutter cutter(100);
      Use(cutter.Pass(message_));
      POP_CHECK(cutter.done());
    }
  }

 private:
  const std::string message_ = WireMessage(kPieceBytes);
};

}  // namespace

std::span<const NamedPrimitive> ProtocolPrimitives() {
  static constexpr std::array<NamedPrimitive, 7> kAll = {{
      {"parse_command", Make<ParsesCommand>},
      {"frame_line", Make<FramesLine>},
      {"session_noop", Make<RunsNoop>},
      {"session_list_10000", Make<ListsTenThousand>},
      {"session_uidl_10000", Make<UidlsTenThousand>},
      {"normalize_128_kb", Make<Normalizes>},
      {"top_100_lines", Make<CutsTop>},
  }};
  return kAll;
}

}  // namespace poplar::micro
