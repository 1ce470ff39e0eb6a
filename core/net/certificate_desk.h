// Where the handshakes of one shard get certificates: at once what the store knows, and after a
// look at the disk, on a thread of a pool, what it does not. All who want the same host wait for
// one look.
//
// One shard's. The pool and the store outlive it.

#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/io/offload_pool.h"
#include "core/io/reactor.h"
#include "core/net/certificate_store.h"

namespace poplar::net {

class CertificateDesk;
class CertificateLook;

// Somebody who waits: a field of his.
class CertificateWait {
 public:
  using Handler = void (*)(void* owner, const CertificateStore::Certificates& found);

  // `handler` must not destroy other waits.
  CertificateWait(void* owner, Handler handler) : owner_(owner), handler_(handler) {}
  CertificateWait(const CertificateWait&) = delete;
  CertificateWait& operator=(const CertificateWait&) = delete;
  ~CertificateWait() { Cancel(); }

  bool waiting() const { return look_ != nullptr; }
  // The handler will not be called.
  void Cancel();

 private:
  friend class CertificateDesk;

  void* const owner_;
  const Handler handler_;
  CertificateLook* look_ = nullptr;
};

class CertificateDesk {
 public:
  CertificateDesk(io::Reactor& reactor, io::OffloadPool& pool, CertificateStore& store);
  // REQUIRES: idle().
  ~CertificateDesk();

  // As CertificateStore::Find.
  std::optional<CertificateStore::Certificates> Find(const std::string& host) {
    return store_.Find(host);
  }
  // Calls the handler later, unless too many wait already: then false. REQUIRES: !wait.waiting().
  [[nodiscard]] bool Look(const std::string& host, CertificateWait& wait);

  // Handshakes that wait.
  size_t waiting() const;
  // No look is under way.
  bool idle() const { return looks_.empty(); }

 private:
  friend class CertificateLook;

  void End(CertificateLook& look);

  io::Reactor& reactor_;
  io::OffloadPool& pool_;
  CertificateStore& store_;
  std::unordered_map<std::string, std::unique_ptr<CertificateLook>> looks_;  // By host.
};

}  // namespace poplar::net
