#include "core/net/certificate_desk.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace poplar::net {
namespace {

// The pool does nothing else: all looks are one queue.
constexpr uint64_t kQueueKey = 0;

}  // namespace

class CertificateLook : public io::OffloadJob {
 public:
  CertificateLook(CertificateDesk& desk, std::string wanted)
      : host(std::move(wanted)), desk_(desk) {}

  const std::string host;
  std::vector<CertificateWait*> waits;
  CertificateStore::Certificates found;

 private:
  void Work() override { found = desk_.store_.Look(host); }
  void Done() override { desk_.End(*this); }

  CertificateDesk& desk_;
};

void CertificateWait::Cancel() {
  if (look_ == nullptr) return;
  std::erase(std::exchange(look_, nullptr)->waits, this);
}

CertificateDesk::CertificateDesk(io::Reactor& reactor, io::OffloadPool& pool,
                                 CertificateStore& store)
    : reactor_(reactor), pool_(pool), store_(store) {}

CertificateDesk::~CertificateDesk() { POP_CHECK(idle()); }

bool CertificateDesk::Look(const std::string& host, CertificateWait& wait) {
  POP_CHECK(!wait.waiting());
  auto under_way = looks_.find(host);
  if (under_way == looks_.end()) {
    auto look = std::make_unique<CertificateLook>(*this, host);
    if (!pool_.Submit(reactor_, kQueueKey, *look)) return false;
    under_way = looks_.emplace(host, std::move(look)).first;
  }
  wait.look_ = under_way->second.get();
  wait.look_->waits.push_back(&wait);
  return true;
}

size_t CertificateDesk::waiting() const {
  size_t waiting = 0;
  for (const auto& [host, look] : looks_) waiting += look->waits.size();
  return waiting;
}

void CertificateDesk::End(CertificateLook& look) {
  const std::vector<CertificateWait*> waits = std::move(look.waits);
  const CertificateStore::Certificates found = std::move(look.found);
  looks_.erase(looks_.find(look.host));  // `look` is gone.
  for (CertificateWait* const wait : waits) wait->look_ = nullptr;
  for (CertificateWait* const wait : waits) wait->handler_(wait->owner_, found);
}

}  // namespace poplar::net
