#include "auth/service/login_attempt.h"

#include <string>
#include <string_view>
#include <utility>

#include "auth/service/shard_auth.h"
#include "auth/users/user_database.h"
#include "core/base/limits.h"

namespace poplar::auth {
namespace {

constexpr size_t kReasonBytesMax = 256;

// Room for an answer, allotted where it is freed: the name's shard only copies into it.
void MakeRoom(AuthResult& result) {
  result.principal.account.reserve(kAccountIdBytesMax);
  result.principal.address.reserve(kAddressBytesMax);
  result.principal.tenant_name.reserve(kAccountIdBytesMax);
  result.reason.reserve(kReasonBytesMax);
  result.app_password.reserve(kAppPasswordLabelBytesMax);
}

}  // namespace

LoginAttempt::LoginAttempt(ShardAuthImpl& source, LoginQuestion question, const Origin& origin)
    : source_(source),
      question_(std::move(question)),
      origin_(origin),
      home_(source.context().HomeOf(question_.macs.name)) {}

bool LoginAttempt::is_local() const { return home_ == source_.shard().index(); }

// Whoever has to wait does so before anything is looked at: an answer without a wait, even from
// what is remembered, would tell right guesses from wrong ones for nothing.
void LoginAttempt::Begin(Admission admission, bool not_remembered) {
  remembered_asked_ = not_remembered;
  under_way_ = std::move(admission.under_way);
  if (under_way_) return Ask();
  wait_.emplace(source_.waiting_room(), question_.client.session);
  wait_->Begin(origin_.source, admission,
               [this](ThrottleWait&, ThrottleWait::End end, UnderWay under_way) {
                 OnWaited(end, std::move(under_way));
               });
}

void LoginAttempt::Ask() {
  if (is_local()) {
    AskHome(source_.home());
    return;
  }
  MakeRoom(result_);
  source_.shard().Send(home_, *this);
}

void LoginAttempt::OnWaited(ThrottleWait::End end, UnderWay under_way) {
  under_way_ = std::move(under_way);
  if (end == ThrottleWait::End::kOver) return Ask();
  result_.outcome = Outcome::kThrottled;
  result_.reason = Reason(end);
  Finish();
}

void LoginAttempt::Execute(io::Shard& target) {
  AskHome(source_.context().on_shard[target.index().value()]->home());
}

void LoginAttempt::AskHome(LoginHome& home) {
  if (!remembered_asked_) {
    remembered_asked_ = true;
    if (const AuthResult* remembered = home.FindRemembered(question_)) {
      Answer(*remembered);
      return;
    }
  }
  home.Verify(question_, *this);
}

void LoginAttempt::Answer(const AuthResult& result) {
  result_.outcome = result.outcome;
  result_.principal = result.principal;
  result_.reason = std::string_view(result.reason).substr(0, kReasonBytesMax);
  result_.app_password = result.app_password;
  result_.is_guess = result.is_guess;
  result_.not_asked = result.not_asked;
  GiveBack();
}

void LoginAttempt::GiveBack() {
  if (is_local()) {
    Finish();
  } else {
    Reply();
  }
}

void LoginAttempt::Expired() {
  result_.outcome = Outcome::kTemporary;
  result_.reason = "the shard of this login name is overloaded";
  Finish();
}

void LoginAttempt::Finish() {
  if (result_.outcome == Outcome::kRefused || result_.is_guess) {
    source_.CountFailure(origin_.source, question_.macs.login.low, question_.login,
                         question_.client);
  } else if (result_.not_asked) {
    source_.CountNotAsked(origin_.source, question_.login, question_.client);
  } else if (result_.outcome == Outcome::kOk) {
    source_.CountSuccess(origin_.source);
  }
  source_.AnswerLogin(std::move(result_), *origin_.done);
  source_.EndAttempt(*this);
}

}  // namespace poplar::auth
