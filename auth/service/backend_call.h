// One question to one back end, as a shard asks it, and the answer.

#pragma once

#include <cstdint>
#include <string>

#include "auth/service/backend.h"
#include "core/base/metrics.h"
#include "core/base/secret.h"

namespace poplar::auth {

enum class Operation : uint8_t {
  kResolve,
  kResolveLogin,  // Of somebody who logs in, and whose name was proved already.
  kVerifyPassword,
  kFetchVerifier,
  kVerifyToken
};

struct BackendQuestion {
  Operation operation = Operation::kResolve;
  std::string login;      // As LookupKey makes it.
  base::Secret secret;    // Of kVerifyPassword and kVerifyToken.
  std::string mechanism;  // Of kFetchVerifier; of kResolveLogin, how the name was proved.
  ClientInfo client;

  BackendQuestion Copy() const { return {operation, login, secret.Copy(), mechanism, client}; }
};

// Whoever asks. It stays until it is answered.
class BackendCall {
 public:
  BackendCall() = default;
  BackendCall(const BackendCall&) = delete;
  BackendCall& operator=(const BackendCall&) = delete;

  BackendQuestion question;
  uint64_t deadline_us = 0;  // Of the reactor's clock: it is answered by then, come what may.
  uint64_t fair_key = 0;     // Whose turn it takes in a pool's queue (fair_key.h).
  BackendAnswer answer;

  // On the shard that asked, once for each time that it asked, perhaps from within Ask. May
  // destroy the call, or ask with it again.
  virtual void Answered() = 0;

 protected:
  ~BackendCall() = default;
};

// A back end as one shard sees it.
class BackendPort {
 public:
  virtual ~BackendPort() = default;

  virtual std::string_view name() const = 0;
  virtual Capabilities capabilities() const = 0;
  // Never blocks. Whatever becomes of the back end, `call` is answered, by its deadline at the
  // latest: kTemporary where nothing else can be said.
  virtual void Ask(BackendCall& call) = 0;
  // Nothing is under way any more, for callers that were answered already neither.
  virtual bool idle() const = 0;
  // What it counts, unless somebody else registers that. On any thread; it outlives the registry's
  // use.
  virtual void Register(base::MetricRegistry& /*registry*/) const {}
};

}  // namespace poplar::auth
