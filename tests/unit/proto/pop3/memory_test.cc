// What a session costs in heap memory, and what it leaves there. This binary counts its allocations
// and looks into every block that is freed.

#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>

#include "core/proto/pop3/session.h"
#include "tests/support/pop3_peer.h"

namespace {

constexpr char kPassword[] = "correct-horse-battery";

bool watching = false;
int64_t allocations = 0;
int64_t live_blocks = 0;
int64_t live_bytes = 0;
int64_t leaked_passwords = 0;

}  // namespace

void* operator new(size_t bytes) {
  void* const block = std::malloc(bytes);
  if (block == nullptr) std::abort();
  if (watching) {
    ++allocations;
    ++live_blocks;
    live_bytes += static_cast<int64_t>(malloc_usable_size(block));
  }
  return block;
}

void operator delete(void* block) noexcept {
  if (watching && block != nullptr) {
    const size_t bytes = malloc_usable_size(block);
    --live_blocks;
    live_bytes -= static_cast<int64_t>(bytes);
    if (memmem(block, bytes, kPassword, sizeof(kPassword) - 1) != nullptr) ++leaked_passwords;
  }
  std::free(block);
}

void operator delete(void* block, size_t) noexcept { operator delete(block); }

// The sanitizers' own array forms would go past the ones above.
void* operator new[](size_t bytes) { return operator new(bytes); }
void operator delete[](void* block) noexcept { operator delete(block); }
void operator delete[](void* block, size_t) noexcept { operator delete(block); }

namespace poplar::pop3 {
namespace {

class MemoryTest : public testing::Test {
 protected:
  MemoryTest() {
    for (int i = 0; i < 100; ++i) maildrop_.AddOctets(100, "uid" + std::to_string(i));
    out_.Tail(256 * 1024);
    allocations = live_blocks = live_bytes = leaked_passwords = 0;
  }
  ~MemoryTest() override { watching = false; }

  // What the session does with this input, watched. Logins succeed.
  void Watch(std::string_view text) {
    while (true) {
      watching = true;
      {
        const Action action = session_.Next(text, out_);
        kind_ = action.kind;
      }
      if (kind_ == Action::Kind::kVerifyPassword || kind_ == Action::Kind::kSaslRespond) {
        session_.LoginDone(LoginOutcome::kOk, &maildrop_, out_);
      } else if (kind_ == Action::Kind::kSaslStart) {
        session_.SaslChallenge("", out_);
      } else if (kind_ == Action::Kind::kSendMessage) {
        session_.BodyReady(out_);
        session_.BodySent();
      }
      watching = false;
      if (kind_ == Action::Kind::kNeedInput) break;
      out_.Clear();
    }
    out_.Clear();
  }

  SessionOptions options_{.hostname = "h", .login = {.user = true, .sasl = {"PLAIN"}}};
  SessionMetrics metrics_;
  test::MemoryMaildrop maildrop_;
  base::ByteBuffer out_;
  Session session_{options_, metrics_, {.clear_text_login_allowed = true}};
  Action::Kind kind_ = Action::Kind::kNeedInput;
};

TEST_F(MemoryTest, TheSessionItselfIsSmall) { EXPECT_LE(sizeof(Session), 256u); }

TEST_F(MemoryTest, AnIdleSessionOwnsNoHeapMemory) {
  Watch("");
  EXPECT_EQ(live_blocks, 0);
  for (const char c : std::string_view("USER mrose@example.org\r\nPASS secret\r\nSTAT\r\n")) {
    Watch({&c, 1});
  }
  EXPECT_TRUE(session_.logged_in());
  EXPECT_GT(allocations, 0);  // For the lines that came in pieces.
  EXPECT_EQ(live_blocks, 0);
  EXPECT_EQ(live_bytes, 0);
}

TEST_F(MemoryTest, WhatASessionMayOwnIsBounded) {
  const std::string long_line(1 << 20, 'x');
  Watch(long_line);
  EXPECT_EQ(live_blocks, 0);
  Watch("\r\nUSER " + std::string(320, 'u') + "\r\n");
  Watch("PASS " + std::string(500, 'p'));
  EXPECT_LE(live_bytes, 320 + 512 + 64);
  Watch("\r\n");
  EXPECT_EQ(live_bytes, 0);
  Watch("DELE 1\r\nDELE 100\r\n");
  EXPECT_EQ(live_blocks, 1);
  EXPECT_LE(live_bytes, 64);
  Watch("RSET\r\n");
  EXPECT_EQ(live_blocks, 0);
}

TEST_F(MemoryTest, CommandsAllocateNothing) {
  Watch("USER mrose\r\nPASS secret\r\n");
  allocations = 0;
  Watch(
      "NOOP\r\nSTAT\r\nRETR 1\r\nTOP 2 0\r\nLIST\r\nUIDL\r\nLIST 3\r\nUIDL "
      "4\r\nCAPA\r\nnoop\r\nRETR 101\r\n"
      "NONSENSE\r\n");
  EXPECT_EQ(allocations, 0);
}

TEST_F(MemoryTest, PasswordsAreWipedBeforeTheirMemoryIsFreed) {
  // By PASS, in every two pieces.
  static constexpr std::string_view kLine = "PASS correct-horse-battery\r\n";
  for (size_t cut = 0; cut < kLine.size(); ++cut) {
    Session session(options_, metrics_, {.clear_text_login_allowed = true});
    std::string_view text = "USER mrose\r\n";
    session.Next(text, out_);
    watching = true;
    text = kLine.substr(0, cut);
    session.Next(text, out_);
    text = kLine.substr(cut);
    {
      ASSERT_EQ(session.Next(text, out_).kind, Action::Kind::kVerifyPassword);
    }
    session.LoginDone(LoginOutcome::kBadCredentials, nullptr, out_);
    watching = false;
  }
  EXPECT_EQ(leaked_passwords, 0);

  // In a line that was never finished.
  watching = true;
  {
    auto session =
        std::make_unique<Session>(options_, metrics_, Transport{.clear_text_login_allowed = true});
    std::string_view text = "PASS correct-horse-battery";
    session->Next(text, out_);
  }
  watching = false;
  EXPECT_EQ(leaked_passwords, 0);

  // The check itself works.
  watching = true;
  {
    const std::string copy(kPassword);
    EXPECT_FALSE(copy.empty());
  }
  watching = false;
  EXPECT_EQ(leaked_passwords, 1);
}

TEST_F(MemoryTest, SaslResponsesAreWipedBeforeTheirMemoryIsFreed) {
  Watch("AUTH PLAIN\r\n");
  Watch("AG1yb3NlAGNvcnJlY3QtaG9yc2U");
  Watch("tYmF0dGVyeQ==\r\n");  // NUL mrose NUL and the password.
  EXPECT_TRUE(session_.logged_in());
  EXPECT_EQ(leaked_passwords, 0);
  EXPECT_EQ(live_blocks, 0);
}

}  // namespace
}  // namespace poplar::pop3
