#include <utility>

#include "storage/engine/partition.h"

namespace poplar::storage {

void PartitionMetrics::Register(base::MetricRegistry& registry,
                                const base::MetricLabels& labels) const {
  registry.Add(deliveries, "poplar_store_deliveries_total", "Messages stored.", labels);
  registry.Add(delivered_bytes, "poplar_store_delivered_bytes_total",
               "Octets of messages stored, in wire form.", labels);
  registry.Add(imported, "poplar_store_imported_total",
               "Messages stored with the UIDL of another server.", labels);
  registry.Add(import_repeats, "poplar_store_import_repeats_total",
               "Messages that were imported again and left out.", labels);
  registry.Add(blobs, "poplar_store_blobs_total", "Messages stored as blobs.", labels);
  registry.Add(commits, "poplar_store_commits_total", "Sessions' deletions committed.", labels);
  registry.Add(expunged, "poplar_store_expunged_total", "Messages deleted.", labels);
  registry.Add(kept, "poplar_store_kept_total",
               "Deleted messages that are kept for a while, of those.", labels);
  registry.Add(restored, "poplar_store_restored_total", "Kept messages that were brought back.",
               labels);
  for (const auto& [limit, counter] :
       {std::pair("maildrop_quota", &over_quota), std::pair("tenant_quota", &over_tenant_quota),
        std::pair("maildrop_messages", &too_many)}) {
    base::MetricLabels of_limit = labels;
    of_limit.emplace_back("limit", limit);
    registry.Add(*counter, "poplar_store_over_quota_total",
                 "Deliveries refused by the quota of a maildrop or tenant, or because a maildrop "
                 "holds as many messages as one may.",
                 of_limit);
  }
  registry.Add(list_hits, "poplar_store_list_hits_total",
               "Lists, or what they hold, found in memory.", labels);
  registry.Add(list_misses, "poplar_store_list_misses_total",
               "Lists, or what they hold, read from the index.", labels);
  registry.Add(checkpoints, "poplar_store_checkpoints_total", "Checkpoints written.", labels);
  registry.Add(checkpoint_failures, "poplar_store_checkpoint_failures_total",
               "Checkpoints that failed and will be tried again.", labels);
  registry.Add(checkpoint_maildrops, "poplar_store_checkpoint_maildrops_total",
               "Maildrops written by checkpoints.", labels);
  registry.Add(checkpoint_us, 1e-6, "poplar_store_checkpoint_seconds", "Time of a checkpoint.",
               labels);
  registry.Add(damages, "poplar_store_damages_total", "Damage found and set aside.", labels);
  registry.Add(blobs_kept, "poplar_store_blobs_kept_total",
               "Bodies that no record names, kept by the start as records may be lost.", labels);
  registry.Add(index_unsound, "poplar_store_index_unsound",
               "1 once damage was met in the index, until it is made anew.", labels);
  registry.Add(index_reopenings, "poplar_store_index_reopened_total",
               "Times that an index was opened again after a failed write of it.", labels);
  registry.Add(leases, "poplar_store_leases", "Maildrops held by sessions.", labels);
  registry.Add(pending_changes, "poplar_store_pending_changes",
               "Changes that the next checkpoint will write.", labels);
  registry.Add(pending_maildrops, "poplar_store_pending_maildrops",
               "Maildrops that the next checkpoint will write.", labels);
  registry.Add(cached_bytes, "poplar_store_list_cache_bytes", "Octets of lists in memory.", labels);
  registry.Add(starved, "poplar_store_starved_partitions",
               "Partitions for which no segment can be laid out just now: mail is, or soon will "
               "be, deferred.",
               labels);
  registry.Add(overfull, "poplar_store_resting_partitions",
               "Partitions that take no mail because too many changes wait for a checkpoint.",
               labels);
  registry.Add(segments, "poplar_store_segments", "Segments of the logs.", labels);
}

}  // namespace poplar::storage
