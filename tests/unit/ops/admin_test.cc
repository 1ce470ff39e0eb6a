#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "core/ops/admin_client.h"
#include "core/ops/admin_server.h"
#include "core/ops/unix_line.h"

namespace poplar::ops {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class AdminTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/poplar-admin-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    path_ = folder_ / "admin.sock";
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  Status Start(uint32_t io_timeout_ms = 5000) {
    AdminHandlers handlers;
    handlers["echo"] = [](const json& arguments) { return arguments; };
    handlers["session.kick"] = [](const json& arguments) -> StatusOr<json> {
      return MakeStatus(StatusCode::kNotFound,
                        "there is no session " + arguments.at("session").get<std::string>());
    };
    handlers["large"] = [](const json&) { return json(std::string(3'000'000, 'x')); };
    auto server = AdminServer::Start({path_, io_timeout_ms}, std::move(handlers));
    if (!server.ok()) return server.status();
    server_ = *std::move(server);
    return OkStatus();
  }

  StatusOr<json> Call(std::string command, json arguments = json::object()) {
    return CallAdmin({.socket_path = path_,
                      .command = std::move(command),
                      .arguments = std::move(arguments),
                      .timeout_ms = 5000});
  }

  base::UniqueFd Connect() {
    const sockaddr_un address = *UnixAddress(path_);
    base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      fd.Reset();
    return fd;
  }

  static std::string ReadToEnd(int fd) {
    std::string text;
    std::array<char, 4096> chunk;
    for (ssize_t got; (got = recv(fd, chunk.data(), chunk.size(), 0)) > 0;)
      text.append(chunk.data(), static_cast<size_t>(got));
    return text;
  }

  std::filesystem::path folder_;
  std::string path_;
  std::unique_ptr<AdminServer> server_;
};

TEST_F(AdminTest, AnswersRequests) {
  ASSERT_TRUE(Start().ok());
  const auto echo = Call("echo", {{"a", 1}});
  ASSERT_TRUE(echo.ok()) << echo.status();
  EXPECT_EQ(*echo, (json{{"a", 1}}));
  EXPECT_EQ(Call("session.kick", {{"session", "17"}}).status(),
            MakeStatus(StatusCode::kNotFound, "there is no session 17"));
  EXPECT_EQ(Call("large")->get<std::string>().size(), 3'000'000U);
  // A request is counted after its reply was taken, and surely before the next one is answered.
  EXPECT_GE(server_->metrics().answered.Read(), 1U);
  EXPECT_EQ(server_->metrics().failed.Read(), 1U);
}

TEST_F(AdminTest, AnswersBadRequestsWithAnError) {
  ASSERT_TRUE(Start().ok());
  EXPECT_EQ(Call("nonsense").status().code(), StatusCode::kUnimplemented);
  EXPECT_EQ(Call("session.kick").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Call("session.kick", {{"session", 17}}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Call("echo", {{"a", std::string(100'000, 'x')}}).status().code(),
            StatusCode::kResourceExhausted);
  const base::UniqueFd raw = Connect();
  ASSERT_EQ(send(raw.get(), "hello\n", 6, 0), 6);
  EXPECT_THAT(ReadToEnd(raw.get()), HasSubstr("INVALID_ARGUMENT"));
  EXPECT_TRUE(Call("echo").ok());
}

TEST_F(AdminTest, WithoutAServerItSaysSo) {
  const auto result = Call("echo");
  EXPECT_EQ(result.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(result.status())), HasSubstr("no server runs here"));
}

TEST_F(AdminTest, TheSocketIsItsOwnersAlone) {
  const mode_t old = umask(0);
  ASSERT_TRUE(Start().ok());
  umask(old);
  struct stat made{};
  ASSERT_EQ(lstat(path_.c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 07777, 0600U);
  server_.reset();
  EXPECT_NE(lstat(path_.c_str(), &made), 0);
}

// Runs in a child: 0 if the server refused another user's request.
int AskAsNobody(const std::string& path) {
  constexpr uid_t kNobody = 65534;
  if (setgid(kNobody) != 0 || setuid(kNobody) != 0) return 2;
  const auto result = CallAdmin({.socket_path = path, .command = "echo"});
  return result.status().code() == StatusCode::kPermissionDenied ? 0 : 1;
}

TEST_F(AdminTest, OtherUsersAreRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  ASSERT_TRUE(Start().ok());
  std::filesystem::permissions(folder_, std::filesystem::perms::all);
  for (const mode_t mode : {0600, 0666}) {  // By the file's mode, then by SO_PEERCRED.
    ASSERT_EQ(chmod(path_.c_str(), mode), 0);
    const pid_t child = fork();
    if (child == 0) _exit(AskAsNobody(path_));
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 0) << mode;
  }
  EXPECT_TRUE(Call("echo").ok());
  EXPECT_EQ(server_->metrics().refused.Read(), 1U);
}

TEST_F(AdminTest, AStaleSocketIsReplacedALiveOneIsNot) {
  {
    const sockaddr_un address = *UnixAddress(path_);
    const base::UniqueFd dead(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ASSERT_TRUE(Start().ok());
  ASSERT_TRUE(Call("echo").ok());

  const auto second = AdminServer::Start({path_}, {});
  EXPECT_EQ(second.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(second.status())), HasSubstr("another server answers"));
  EXPECT_TRUE(Call("echo").ok());
}

TEST_F(AdminTest, AFileThatIsNoSocketIsLeftAlone) {
  std::ofstream(path_) << "precious";
  const Status started = Start();
  EXPECT_EQ(started.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(started)), HasSubstr("is not a socket"));
  EXPECT_EQ(std::filesystem::file_size(path_), 8U);
}

TEST_F(AdminTest, AFolderThatIsMissingAndAPathTooLongAreTold) {
  path_ = folder_ / "none" / "admin.sock";
  EXPECT_THAT(std::string(Message(Start())), HasSubstr("No such file or directory"));
  path_ = "/" + std::string(107, 'a');
  EXPECT_EQ(Start().code(), StatusCode::kInvalidArgument);
}

TEST_F(AdminTest, ASilentClientDelaysOthersOnlyForTheTimeout) {
  ASSERT_TRUE(Start(/*io_timeout_ms=*/50).ok());
  const base::UniqueFd silent = Connect();
  ASSERT_TRUE(silent.valid());
  EXPECT_TRUE(Call("echo").ok());
  EXPECT_EQ(ReadToEnd(silent.get()), "");
  EXPECT_EQ(server_->metrics().broken.Read(), 1U);
}

TEST_F(AdminTest, StopsAtOnceWhileAClientIsSilent) {
  ASSERT_TRUE(Start(/*io_timeout_ms=*/60'000).ok());
  const base::UniqueFd silent = Connect();
  ASSERT_EQ(send(silent.get(), "{", 1, 0), 1);
  const auto started = std::chrono::steady_clock::now();
  server_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(10));
}

TEST_F(AdminTest, WithoutALimitTheAnswerIsAwaitedOrTheServersEnd) {
  ASSERT_TRUE(Start().ok());
  const auto echo = CallAdmin({path_, "echo", {{"a", 1}}, kNoTimeLimit});
  ASSERT_TRUE(echo.ok()) << echo.status();
  EXPECT_EQ(*echo, (json{{"a", 1}}));
  server_.reset();
  const sockaddr_un address = *UnixAddress(path_);
  const base::UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  std::thread dying([&] {  // Takes the request, and is gone.
    const base::UniqueFd connection(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    std::array<char, 256> request;
    EXPECT_GT(recv(connection.get(), request.data(), request.size(), 0), 0);
  });
  EXPECT_EQ(CallAdmin({path_, "echo", json::object(), kNoTimeLimit}).status().code(),
            StatusCode::kUnavailable);
  dying.join();
}

TEST_F(AdminTest, AnAnswerThatNobodyTakesIsGivenUp) {
  ASSERT_TRUE(Start(/*io_timeout_ms=*/50).ok());
  const base::UniqueFd greedy = Connect();
  constexpr std::string_view kRequest = "{\"command\":\"large\"}\n";
  ASSERT_GT(send(greedy.get(), kRequest.data(), kRequest.size(), 0), 0);
  EXPECT_TRUE(Call("echo").ok());
  EXPECT_EQ(server_->metrics().broken.Read(), 1U);
}

}  // namespace
}  // namespace poplar::ops
