// A store for those who only ask: totals and kept mail as a test says. Its shards answer at once.

#pragma once

#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "storage/api/store.h"

namespace poplar::app {

class MemoryStore : public storage::Store, public storage::ShardStore {
 public:
  StatusOr<storage::MaildropTotals> totals = storage::MaildropTotals();
  std::map<uint64_t, storage::TenantTotals> tenants;
  std::vector<storage::KeptMessage> kept;
  storage::UndeleteResult undeleted;
  storage::MaildropKey asked;  // The last key that was asked for.
  storage::UndeleteRequest undelete;

  storage::ShardStore& OnShard(ShardIndex) override { return *this; }
  Status Close() override { return OkStatus(); }
  storage::TenantTotals TotalsOf(TenantId tenant) const override {
    const auto found = tenants.find(tenant.value());
    return found == tenants.end() ? storage::TenantTotals() : found->second;
  }
  void Register(base::MetricRegistry&) const override {}

  void Totals(storage::MaildropKey key,
              io::Completion<StatusOr<storage::MaildropTotals>>& done) override {
    asked = std::move(key);
    done.Set(totals);
  }
  void ListKept(storage::MaildropKey key,
                io::Completion<StatusOr<std::vector<storage::KeptMessage>>>& done) override {
    asked = std::move(key);
    done.Set(kept);
  }
  void Undelete(storage::MaildropKey key, storage::UndeleteRequest request,
                io::Completion<storage::UndeleteResult>& done) override {
    asked = std::move(key);
    undelete = std::move(request);
    done.Set(undeleted);
  }

  // Nobody who only asks comes here.
  void Open(storage::MaildropKey, SessionId, io::Completion<storage::OpenResult>&) override {
    POP_CHECK(false);
  }
  void OpenToRead(storage::MaildropKey, io::Completion<storage::OpenResult>&) override {
    POP_CHECK(false);
  }
  std::unique_ptr<storage::Delivery> BeginDelivery(storage::DeliveryRequest) override {
    POP_CHECK(false);
  }
  void HasRoom(storage::DeliveryRecipient, uint64_t,
               io::Completion<StatusOr<storage::Room>>&) override {
    POP_CHECK(false);
  }
  void Remove(storage::MaildropKey, io::Completion<Status>&) override { POP_CHECK(false); }
};

}  // namespace poplar::app
