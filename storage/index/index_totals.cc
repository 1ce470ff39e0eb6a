// What an index does by walking over the totals of all lists.

#include "storage/format/bytes.h"
#include "storage/index/index.h"

namespace poplar::storage {

StatusOr<std::vector<std::string>> Index::ReadMaildropKeys() {
  POP_ASSIGN_OR_RETURN(const auto transaction, store_.Begin(KeyValueStore::Access::kRead));
  std::vector<std::string> keys;
  POP_RETURN_IF_ERROR(transaction->ForEach(Database::kMaildrops, {},
                                           [&](std::string_view key, std::string_view /*totals*/) {
                                             keys.emplace_back(key);
                                             return OkStatus();
                                           }));
  return keys;
}

StatusOr<AgedKeys> Index::ReadAgedKeys(std::string_view after, size_t keys_max, Aged aged) {
  POP_ASSIGN_OR_RETURN(const auto transaction, store_.Begin(KeyValueStore::Access::kRead));
  AgedKeys found;
  const auto damaged = [&](const Status& status, std::string_view key) {
    ++found.damages;
    Found(status, std::string(key));
  };
  Status status = transaction->ForEachFrom(
      Database::kMaildrops, after, [&](std::string_view key, std::string_view bytes) -> Status {
        if (key == after) return OkStatus();
        const StatusOr<IndexTotals> totals = DecodeIndexTotals(key, bytes);
        if (!totals.ok()) {
          damaged(totals.status(), key);
          return OkStatus();
        }
        if (totals->messages == 0 || !aged(key, totals->oldest_day)) return OkStatus();
        found.keys.emplace_back(key);
        found.more = found.keys.size() >= keys_max;
        return found.more ? MakeStatus(StatusCode::kCancelled, "enough") : OkStatus();
      });
  if (status.code() == StatusCode::kDataLoss) {
    damaged(status, "");  // A page: what stands behind it cannot be reached.
  } else if (!status.ok() && status.code() != StatusCode::kCancelled) {
    return status;
  }
  return found;
}

StatusOr<IndexSums> Index::ReadSums() {
  POP_ASSIGN_OR_RETURN(const auto transaction, store_.Begin(KeyValueStore::Access::kRead));
  IndexSums sums;
  POP_RETURN_IF_ERROR(transaction->ForEach(
      Database::kMaildrops, {}, [&](std::string_view key, std::string_view bytes) -> Status {
        POP_ASSIGN_OR_RETURN(const IndexTotals totals, DecodeIndexTotals(key, bytes));
        if (IsKeptKey(key)) {
          sums.kept_messages += totals.messages;
          sums.kept_octets += totals.octets;
          return OkStatus();
        }
        if (totals.messages > 0) ++sums.maildrops;
        sums.messages += totals.messages;
        sums.octets += totals.octets;
        sums.wire_bytes += totals.wire_bytes;
        return OkStatus();
      }));
  POP_RETURN_IF_ERROR(
      transaction->ForEach(Database::kBlobs, {}, [&](std::string_view, std::string_view) {
        ++sums.blobs;
        return OkStatus();
      }));
  POP_ASSIGN_OR_RETURN(sums.file_bytes, transaction.store().FileBytes());
  return sums;
}

Status Index::CompareTotals(KeyValueTransaction& transaction, uint64_t& read_bytes) {
  std::map<TenantId, TenantTotals> difference;
  POP_RETURN_IF_ERROR(transaction.ForEach(
      Database::kMaildrops, {}, [&](std::string_view key, std::string_view bytes) -> Status {
        read_bytes += key.size() + bytes.size();
        POP_ASSIGN_OR_RETURN(const IndexTotals totals, DecodeIndexTotals(key, bytes));
        TenantTotals& tenant = difference[DecodeMaildropKey(key).tenant];
        (IsKeptKey(key) ? tenant.kept_messages : tenant.messages) += totals.messages;
        (IsKeptKey(key) ? tenant.kept_octets : tenant.octets) += totals.octets;
        return OkStatus();
      }));
  POP_RETURN_IF_ERROR(transaction.ForEach(
      Database::kTenants, {}, [&](std::string_view key, std::string_view bytes) -> Status {
        read_bytes += key.size() + bytes.size();
        if (key.size() != sizeof(uint64_t)) {
          return MakeStatus(StatusCode::kDataLoss, "index tenant: not sound");
        }
        POP_ASSIGN_OR_RETURN(const TenantTotals totals, DecodeTenantTotals(key, bytes));
        const auto counted = difference.try_emplace(TenantId(LoadBe64(key.data()))).first;
        if (counted->second == totals) difference.erase(counted);
        return OkStatus();
      }));
  for (const auto& [tenant, counted] : difference) {
    if (counted == TenantTotals()) continue;
    return MakeStatus(StatusCode::kDataLoss, "the lists of tenant " +
                                                 std::to_string(tenant.value()) +
                                                 " are not what the index counts for it");
  }
  return OkStatus();
}

Status Index::Check(uint64_t& read_bytes) {
  POP_ASSIGN_OR_RETURN(const auto transaction, store_.Begin(KeyValueStore::Access::kRead));
  const Status sound = CompareTotals(*transaction, read_bytes);
  if (sound.code() == StatusCode::kDataLoss) Found(sound, "");
  return sound;
}

}  // namespace poplar::storage
