// Back ends asked in order: the first that knows the name answers; one that cannot answer ends the
// search too (the name may be its own). Folds their answers to the door's outcomes.
//
// Calls block; any thread, several at once.

#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "auth/api/auth.h"
#include "auth/schemes/hasher_pool.h"
#include "auth/service/backend.h"

namespace poplar::auth {

class Chain {
 public:
  // `hashers` outlives this.
  Chain(std::vector<std::unique_ptr<Backend>> backends, HasherPool& hashers);

  Capabilities capabilities() const { return capabilities_; }

  ResolveResult Resolve(std::string_view address);
  // A name that nobody knows costs a hash computation as well, so that time does not tell.
  AuthResult VerifyPassword(std::string_view login, const base::Secret& password);
  VerifierResult FetchVerifier(std::string_view login, std::string_view mechanism);
  AuthResult VerifyToken(std::string_view login, const base::Secret& token);

  // Of all back ends, as Backend::TakeChanges; one that fails is left out, and its fault told.
  BackendChanges TakeChanges(Status& fault);

 private:
  // Asks those who can, until one knows the name.
  template <class Ask>
  BackendAnswer AskInTurn(bool Capabilities::* can, Ask ask);

  std::vector<std::unique_ptr<Backend>> backends_;
  HasherPool& hashers_;
  Capabilities capabilities_;
};

}  // namespace poplar::auth
