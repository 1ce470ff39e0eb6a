#include "core/app/store_json.h"

#include <cmath>
#include <cstdio>

#include "core/app/table.h"

namespace poplar::app {
namespace {

using nlohmann::json;
using storage::IndexSums;

std::string Hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(c));
    text += digits;
  }
  return text;
}

json ToJson(const storage::PartitionStats& stats) {
  return {{"segments", stats.segments},
          {"segment_bytes", stats.segment_bytes},
          {"written_bytes", stats.written_bytes},
          {"live_bytes", stats.live_bytes},
          {"dead_share", stats.dead_share()},
          {"blobs", stats.index.blobs},
          {"maildrops", stats.index.maildrops},
          {"messages", stats.index.messages},
          {"octets", stats.index.octets},
          {"wire_bytes", stats.index.wire_bytes},
          {"kept_messages", stats.index.kept_messages},
          {"kept_octets", stats.index.kept_octets},
          {"index_bytes", stats.index.file_bytes},
          {"log_behind_bytes", stats.log_behind_bytes},
          {"epoch", stats.epoch}};
}

json ToJson(const IndexSums& sums) {
  return {{"maildrops", sums.maildrops}, {"messages", sums.messages}, {"octets", sums.octets}};
}

std::string SumsText(const IndexSums& sums) {
  return std::to_string(sums.messages) + " messages in " + std::to_string(sums.maildrops) +
         " maildrops";
}

}  // namespace

json ToJson(const storage::VerifyReport& report) {
  return {{"partitions", report.partitions},       {"segments", report.segments},
          {"segment_bytes", report.segment_bytes}, {"records", report.records},
          {"maildrops", report.maildrops},         {"messages", report.messages},
          {"kept_messages", report.kept_messages}, {"blobs", report.blobs},
          {"blob_bytes", report.blob_bytes},       {"damages", report.damages}};
}

json ToJson(const storage::StoreStats& stats) {
  json partitions = json::array();
  for (const storage::PartitionStats& partition : stats.partitions) {
    partitions.push_back(ToJson(partition));
  }
  const storage::StoreId& id = stats.superblock.store_id;
  return {{"path", stats.path},
          {"format_version", storage::kFormatVersion},
          {"store_id", Hex({id.data(), id.size()})},
          {"uidl_tag", std::string(stats.superblock.tag())},
          {"created_s", stats.superblock.created_us / 1'000'000},
          {"served", stats.open},
          {"partitions", partitions},
          {"total", ToJson(stats.Total())}};
}

json ToJson(const storage::RebuiltIndex& index) {
  return {{"partition", index.partition},
          {"after", ToJson(index.after)},
          {"records", index.records},
          {"damages", index.damages},
          {"aside", index.aside}};
}

json ToJson(const storage::SnapshotReport& report) {
  return {{"segments", report.segments},
          {"blobs", report.blobs},
          {"copied_bytes", report.copied_bytes},
          {"missing", report.missing}};
}

json ToJson(const storage::CompactionState& state) {
  return {{"running", state.running},       {"log_bytes", state.log_bytes},
          {"live_bytes", state.live_bytes}, {"kept", state.kept},
          {"emptied", state.emptied},       {"unlinked", state.unlinked},
          {"failures", state.failures}};
}

StatusOr<storage::CompactionState> CompactionStateOf(const json& from) try {
  storage::CompactionState state;
  state.running = from.at("running").get<bool>();
  state.log_bytes = from.at("log_bytes").get<uint64_t>();
  state.live_bytes = from.at("live_bytes").get<uint64_t>();
  state.kept = from.at("kept").get<uint64_t>();
  state.emptied = from.at("emptied").get<uint64_t>();
  state.unlinked = from.at("unlinked").get<uint64_t>();
  state.failures = from.at("failures").get<uint64_t>();
  return state;
} catch (const json::exception&) {
  return MakeStatus(StatusCode::kInternal,
                    "the server's answer on the admin socket is not understood");
}

bool PrintStats(const json& stats, std::ostream& out) try {
  out << stats.at("path").get<std::string>() << ": format version "
      << stats.at("format_version").get<uint32_t>() << ", store "
      << stats.at("store_id").get<std::string>() << ", made "
      << TimeText(stats.at("created_s").get<int64_t>()) << '\n';
  Table table({"PARTITION", "SEGMENTS", "SIZE", "WRITTEN", "LIVE", "DEAD", "BLOBS", "MAILDROPS",
               "MESSAGES", "OCTETS", "KEPT", "INDEX"});
  const auto add = [&table](const std::string& name, const json& row) {
    const auto number = [&row](const char* key) { return row.at(key).get<uint64_t>(); };
    const long dead = std::lround(row.at("dead_share").get<double>() * 100);
    table.Add({name, std::to_string(number("segments")), SizeText(number("segment_bytes")),
               SizeText(number("written_bytes")), SizeText(number("live_bytes")),
               std::to_string(dead) + " %", std::to_string(number("blobs")),
               std::to_string(number("maildrops")), std::to_string(number("messages")),
               SizeText(number("octets")), SizeText(number("kept_octets")),
               SizeText(number("index_bytes"))});
  };
  size_t partition = 0;
  for (const json& row : stats.at("partitions")) add(std::to_string(partition++), row);
  add("total", stats.at("total"));
  table.Print(out);
  const uint64_t behind_bytes = stats.at("total").value("log_behind_bytes", uint64_t{0});
  if (stats.at("served").get<bool>()) {
    out << "Segments as of now; blobs, maildrops, messages and octets as of the last checkpoint.\n";
  } else if (behind_bytes > 0) {
    out << "As of the last checkpoint: the log goes on behind it, by " << SizeText(behind_bytes)
        << ", which a server counts when it starts.\n";
  }
  return true;
} catch (const json::exception&) {
  return false;
}

void PrintRebuilt(const storage::RebuiltIndex& index, std::ostream& out) {
  out << "partition " << index.partition << ": " << SumsText(index.after) << ", from "
      << index.records << " records";
  if (index.damages > 0) out << "; " << index.damages << " damages, named above";
  if (!index.aside.empty()) out << "; the old index is " << index.aside;
  out << '\n';
}

}  // namespace poplar::app
