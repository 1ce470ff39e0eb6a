#include "storage/index/tenant_ledger.h"

namespace poplar::storage {

void AddTo(TenantTotals& totals, const TenantTotals& change) {
  totals.messages += change.messages;
  totals.octets += change.octets;
  totals.kept_messages += change.kept_messages;
  totals.kept_octets += change.kept_octets;
}

bool TenantLedger::Reserve(TenantId tenant, uint64_t octets, const Quota& quota) {
  Stripe& stripe = StripeOf(tenant);
  const std::lock_guard lock(stripe.mutex);
  TenantTotals& totals = stripe.totals[tenant.value()];
  if (!quota.Allows(totals.octets + octets, totals.messages + 1)) return false;
  totals.octets += octets;
  ++totals.messages;
  return true;
}

void TenantLedger::Release(TenantId tenant, uint64_t octets) {
  Add(tenant, {.messages = uint64_t{0} - 1, .octets = uint64_t{0} - octets});
}

void TenantLedger::Add(TenantId tenant, const TenantTotals& change) {
  Stripe& stripe = StripeOf(tenant);
  const std::lock_guard lock(stripe.mutex);
  AddTo(stripe.totals[tenant.value()], change);
}

TenantTotals TenantLedger::TotalsOf(TenantId tenant) const {
  const Stripe& stripe = StripeOf(tenant);
  const std::lock_guard lock(stripe.mutex);
  const auto found = stripe.totals.find(tenant.value());
  return found == stripe.totals.end() ? TenantTotals() : found->second;
}

}  // namespace poplar::storage
