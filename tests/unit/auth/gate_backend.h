// A back end that a test can hold: it knows one password for each of its users, counts what it is
// asked, and answers only while its gate is open.

#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "auth/service/backend.h"

namespace poplar::auth {

class GateBackend : public Backend {
 public:
  explicit GateBackend(Capabilities capabilities = {.password = true})
      : capabilities_(capabilities) {}

  void SetUser(const std::string& login, const std::string& password) {
    const std::lock_guard<std::mutex> lock(mutex_);
    users_[login] = password;
  }
  // Says that he has another address than he logs in with.
  void SetAddress(const std::string& login, const std::string& address) {
    const std::lock_guard<std::mutex> lock(mutex_);
    addresses_[login] = address;
  }
  // Cannot say who anybody is.
  void SetDown(bool down) {
    const std::lock_guard<std::mutex> lock(mutex_);
    down_ = down;
  }
  // At the next question for changes.
  void Tell(BackendChanges changes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    changes_ = std::move(changes);
  }
  void Close() { SetOpen(false); }
  void Open() { SetOpen(true); }
  // Questions for passwords and tokens so far, also those that wait at the gate.
  int asked() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return asked_;
  }
  void WaitUntilAsked(int times) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return asked_ >= times; });
  }

  StatusOr<BackendChanges> TakeChanges() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return std::exchange(changes_, {});
  }
  std::string_view name() const override { return "gate"; }
  Capabilities capabilities() const override { return capabilities_; }
  BackendAnswer Resolve(std::string_view address) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return users_.contains(std::string(address)) ? Known(address) : Unknown();
  }
  BackendAnswer VerifyPassword(std::string_view login, const base::Secret& password,
                               std::string_view /*client_address*/) override {
    std::unique_lock<std::mutex> lock(mutex_);
    ++asked_;
    changed_.notify_all();
    const auto user = users_.find(std::string(login));
    const bool known = user != users_.end();
    const bool right = known && user->second == password.Reveal();  // As it is when asked.
    changed_.wait(lock, [&] { return open_; });
    if (down_) return Say(BackendOutcome::kTemporary, "the gate is down");
    if (right) return Known(login);
    BackendAnswer answer = Unknown();
    if (known) answer.outcome = BackendOutcome::kRefused;
    return answer;
  }
  BackendAnswer FetchVerifier(std::string_view login, std::string_view /*mechanism*/,
                              std::string_view /*client_address*/) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto user = users_.find(std::string(login));
    if (user == users_.end()) return Unknown();
    BackendAnswer answer = Known(login);
    answer.stored_verifier = base::Secret(user->second);  // Whatever the test calls a password.
    answer.weak_schemes = capabilities_.clear_text;
    return answer;
  }
  BackendAnswer VerifyToken(std::string_view login, const base::Secret& token) override {
    std::unique_lock<std::mutex> lock(mutex_);
    ++asked_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
    if (token.Reveal() == "right token") return Known(login);
    BackendAnswer answer;
    answer.outcome = BackendOutcome::kRefused;
    return answer;
  }

 private:
  BackendAnswer Known(std::string_view login) const {
    const auto address = addresses_.find(std::string(login));
    BackendAnswer answer;
    answer.outcome = BackendOutcome::kOk;
    answer.principal = {
        .tenant = TenantId(7),
        .account = "account of " + std::string(login),
        .address = address == addresses_.end() ? std::string(login) : address->second,
        .tenant_name = "gated"};
    return answer;
  }
  static BackendAnswer Unknown() {
    BackendAnswer answer;
    answer.outcome = BackendOutcome::kUnknown;
    return answer;
  }
  void SetOpen(bool open) {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }

  const Capabilities capabilities_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::string> users_;
  std::map<std::string, std::string> addresses_;
  BackendChanges changes_;
  bool open_ = true;
  bool down_ = false;
  int asked_ = 0;
};

}  // namespace poplar::auth
