// One VerifyPassword on the shard that was asked: to the shard of the login name and back, with a
// wait before it where an address has failed too often. What is remembered is answered without the
// wait.
//
// Lives on the asking shard; LoginHome sees it on the name's.

#pragma once

#include <cstdint>

#include "auth/service/login_home.h"
#include "core/io/shard.h"
#include "core/io/task.h"
#include "core/io/timer.h"

namespace poplar::auth {

class LoginAttempt : public io::ShardRequest, public LoginAsker {
 public:
  struct Origin {
    uint64_t prefix = 0;  // Of the client's address.
    io::Completion<AuthResult>* done = nullptr;
  };

  LoginAttempt(ShardAuthImpl& source, LoginQuestion question, const Origin& origin);

  // Ends with the answer, and ShardAuthImpl::EndAttempt. `not_remembered`: the cache was asked.
  void Begin(bool not_remembered);

 private:
  // How far the name's shard goes.
  enum class Depth : uint8_t { kRemembered, kVerify };

  // The name's shard is the asking one: no message is needed.
  bool is_local() const;

  // On the asking shard.
  void Ask(Depth depth);
  void Wait();
  void OnWaited();
  void OnAnswer();
  void Finish();
  void Completed() override { OnAnswer(); }
  void Expired() override;

  // On the name's shard.
  void Execute(io::Shard& target) override;
  void AskHome(LoginHome& home);
  void Answer(const AuthResult& result) override;
  void GiveBack();

  ShardAuthImpl& source_;
  const LoginQuestion question_;
  const Origin origin_;
  const ShardIndex home_;
  uint32_t delay_ms_ = 0;
  Depth depth_ = Depth::kVerify;
  bool remembered_asked_ = false;
  bool missed_ = false;  // With kRemembered: it is not.
  AuthResult result_;
  io::TimerFor<&LoginAttempt::OnWaited> wait_;
};

}  // namespace poplar::auth
