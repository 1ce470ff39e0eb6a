// AuthService over a back end that can be held (gate_backend.h), with one user.

#pragma once

#include <memory>
#include <utility>

#include "tests/unit/auth/gate_backend.h"
#include "tests/unit/auth/service_fixture.h"

namespace poplar::auth {

inline constexpr char kAlice[] = "alice@example.org";

class GatedService : public ServiceFixture {
 protected:
  void Start(Capabilities capabilities = {.password = true}) {
    auto backend = std::make_unique<GateBackend>(capabilities);
    gate_ = backend.get();
    gate_->SetUser(kAlice, "secret");
    StartService(std::move(backend));
  }
  ~GatedService() override {
    if (gate_ != nullptr) gate_->Open();
  }

  GateBackend* gate_ = nullptr;
};

}  // namespace poplar::auth
