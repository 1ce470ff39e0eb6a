// One VerifyPassword on the shard that was asked: to the shard of the login name and back, with a
// wait before it where a penalty is due.
//
// Lives on the asking shard; LoginHome sees it on the name's.

#pragma once

#include <cstdint>
#include <optional>

#include "auth/service/login_home.h"
#include "auth/service/throttle.h"
#include "auth/service/throttle_wait.h"
#include "core/io/shard.h"
#include "core/io/task.h"

namespace poplar::auth {

class LoginAttempt : public io::ShardRequest, public LoginAsker {
 public:
  struct Origin {
    LoginSource source;
    io::Completion<AuthResult>* done = nullptr;
  };

  LoginAttempt(ShardAuthImpl& source, LoginQuestion question, const Origin& origin);

  // Ends with the answer, and ShardAuthImpl::EndAttempt. `not_remembered`: the cache was asked.
  void Begin(Admission admission, bool not_remembered);

 private:
  // The name's shard is the asking one: no message is needed.
  bool is_local() const;

  // On the asking shard.
  void Ask();
  void OnWaited(ThrottleWait::End end, UnderWay under_way);
  void Finish();
  void Completed() override { Finish(); }
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
  bool remembered_asked_ = false;
  AuthResult result_;
  UnderWay under_way_;                // Until it is counted how it ended.
  std::optional<ThrottleWait> wait_;  // Where there is a penalty.
};

}  // namespace poplar::auth
