#include "storage/segment/log_survey.h"

#include <algorithm>
#include <charconv>

#include "storage/segment/preparer.h"

namespace poplar::storage {
namespace {

constexpr uint64_t kReadPieceBytes = kMiB;
constexpr std::string_view kSuffix = ".seg";

Status TellUnreadable(const LogSurveyOptions& options, const SurveyedSegment& segment,
                      const Status& why, const DamageHandler& on_damage) {
  if (options.unreadable_is_damage) {
    on_damage({Lsn(segment.number, 0), segment.bytes,
               "nothing of a segment can be read: " + std::string(Message(why)), MaildropKey(),
               MessageId(0)});
    return OkStatus();
  }
  return MakeStatus(why.code(), SegmentPath(options.directory, segment.number) +
                                    ": nothing of it can be read (" + std::string(Message(why)) +
                                    "): see \"A damaged disk\" in OPERATIONS.md before you move it "
                                    "out of the way");
}

// Whoever's mail is looked for here would find another's folder, and so an empty mailbox.
Status TellMisplaced(const LogSurveyOptions& options, const SegmentHead& head,
                     const DamageHandler& on_damage) {
  const std::string what = "partition folder " + PartitionName(options.partition) +
                           " holds partition " + std::to_string(head.partition);
  if (options.unreadable_is_damage) {
    on_damage({Lsn(head.number, 0), kBlockBytes, what, MaildropKey(), MessageId(0)});
    return OkStatus();
  }
  return MakeStatus(StatusCode::kDataLoss, what + ", as its segment " + SegmentName(head.number) +
                                               " says: give each folder the place of its own (" +
                                               PartitionName(head.partition) + ")");
}

// Head and first batch. A damaged head costs nothing: a batch head has the salt, too.
Status Look(const LogSurveyOptions& options, SurveyedSegment& segment,
            const DamageHandler& on_damage) {
  const auto opened = options.env->OpenToRead(SegmentPath(options.directory, segment.number));
  if (opened.status().code() == StatusCode::kNotFound) {  // A link to nowhere has a name.
    const Status why = MakeStatus(StatusCode::kUnavailable, Message(opened.status()));
    return TellUnreadable(options, segment, why, on_damage);
  }
  POP_RETURN_IF_ERROR(opened.status());
  const auto& file = *opened;
  POP_ASSIGN_OR_RETURN(segment.bytes, file->Bytes());
  std::string begin(kFirstBatchOffset + kBatchHeadBytes, '\0');
  Status why;
  const uint64_t got =
      ReadReadable(*file, begin, 0, [&why](uint64_t, uint64_t, const Status& said) { why = said; });
  if (got == 0 && !why.ok()) return TellUnreadable(options, segment, why, on_damage);
  begin.resize(std::min<uint64_t>(begin.size(), segment.bytes));
  const std::string_view view = begin;
  const auto head = DecodeSegmentHead(view.substr(0, kBlockBytes));
  if (head.status().code() == StatusCode::kFailedPrecondition) return head.status();
  if (head.ok() && head->store_id == options.store_id && head->partition != options.partition) {
    POP_RETURN_IF_ERROR(TellMisplaced(options, *head, on_damage));
  }
  const bool sound_head = head.ok() && head->number == segment.number &&
                          head->store_id == options.store_id &&
                          head->partition == options.partition;
  std::optional<uint64_t> salt;
  if (sound_head) salt = head->salt;
  if (view.size() > kFirstBatchOffset) {
    segment.first = ReadFirstBatch(view.substr(kFirstBatchOffset), segment.number, salt);
  }
  segment.sound = sound_head || segment.first.has_value();
  const Lsn at(segment.number, 0);
  if (!segment.sound) {
    on_damage(
        {at, segment.bytes, "a segment's head and first batch are damaged", {}, MessageId(0)});
    return OkStatus();
  }
  segment.salt = sound_head ? head->salt : segment.first->salt;
  segment.epoch = sound_head ? head->epoch : EpochOf(segment.first->next_id);
  if (!sound_head) on_damage({at, kBlockBytes, "a segment's head is damaged", {}, MessageId(0)});
  return OkStatus();
}

// The first batch of a segment says where the log before the segment ends.
void FindEnds(LogSurvey& survey) {
  Lsn mark = kLsnMax;
  for (auto segment = survey.segments.rbegin(); segment != survey.segments.rend(); ++segment) {
    const Lsn begin(segment->number, kFirstBatchOffset);
    const Lsn behind(segment->number + 1, 0);
    if (mark != kLsnMax && mark < behind) segment->end = std::max(mark, begin);
    if (!segment->first.has_value()) continue;
    survey.proven = std::max(survey.proven, segment->first->flushed);
    // A segment behind the log's end is not part of it, nor is what it says.
    if (mark == kLsnMax || mark > begin) mark = segment->first->flushed;
  }
}

}  // namespace

uint64_t ReadReadable(const File& file, std::span<char> into, uint64_t offset,
                      const LostHandler& lost) {
  const StatusOr<size_t> whole = file.ReadAt(into, offset);
  if (whole.ok()) return *whole;
  uint64_t read = 0;
  for (uint64_t at = 0; at < into.size(); at += kBlockBytes) {
    const std::span<char> block =
        into.subspan(at, std::min<uint64_t>(kBlockBytes, into.size() - at));
    const StatusOr<size_t> got = file.ReadAt(block, offset + at);
    if (got.ok()) {
      read += *got;
      continue;
    }
    std::fill(block.begin(), block.end(), '\0');
    lost(offset + at, block.size(), got.status());
  }
  return read;
}

std::string SegmentPath(const std::string& log_directory, uint32_t number) {
  return log_directory + "/" + SegmentName(number) + std::string(kSuffix);
}

std::optional<uint32_t> SegmentNumberOf(std::string_view name) {
  constexpr size_t kDigits = 8;
  if (name.size() != kDigits + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  uint32_t number = 0;
  const char* const end = name.data() + kDigits;
  const auto parsed = std::from_chars(name.data(), end, number, 16);
  // Another way to write a number is no name of ours.
  const bool is_ours =
      parsed.ec == std::errc() && parsed.ptr == end && name.starts_with(SegmentName(number));
  return is_ours ? std::optional(number) : std::nullopt;
}

StatusOr<LogSurvey> SurveyLog(const LogSurveyOptions& options, const DamageHandler& on_damage) {
  LogSurvey survey;
  survey.proven = options.from;
  POP_ASSIGN_OR_RETURN(const std::vector<std::string> names, options.env->List(options.directory));
  for (const std::string& name : names) {
    if (const auto number = SegmentNumberOf(name)) survey.present.push_back(*number);
  }
  std::sort(survey.present.begin(), survey.present.end());
  for (const uint32_t number : survey.present) {
    if (number < options.from.segment()) continue;
    SurveyedSegment segment;
    segment.number = number;
    POP_RETURN_IF_ERROR(Look(options, segment, on_damage));
    survey.segments.push_back(segment);
  }
  FindEnds(survey);
  return survey;
}

StatusOr<Lsn> FindLogEnd(const LogSurveyOptions& options, const SurveyedSegment& segment,
                         Lsn from) {
  POP_ASSIGN_OR_RETURN(const auto file,
                       options.env->OpenToRead(SegmentPath(options.directory, segment.number)));
  std::string bytes(kBatchHeadBytes, '\0');
  uint64_t offset = from.offset();
  while (offset < segment.bytes) {
    const StatusOr<size_t> got = file->ReadAt(bytes, offset);
    if (!got.ok() || *got < bytes.size()) break;
    const auto head = DecodeBatchHead(bytes, Lsn(segment.number, offset), segment.salt);
    if (!head.has_value()) break;
    offset = std::min(RoundUp(offset + head->bytes, kBlockBytes), segment.bytes);
  }
  return Lsn(segment.number, offset);
}

StatusOr<std::string> ReadSegment(const LogSurveyOptions& options, const SurveyedSegment& segment,
                                  const DamageHandler& on_damage) {
  POP_ASSIGN_OR_RETURN(const auto file,
                       options.env->OpenToRead(SegmentPath(options.directory, segment.number)));
  std::string bytes(std::min(segment.bytes, kSegmentBytesMax), '\0');
  Status why;
  const auto lost = [&](uint64_t at, uint64_t octets, const Status& said) {
    why = said;
    on_damage(
        {Lsn(segment.number, at), octets, std::string(Message(said)), MaildropKey(), MessageId(0)});
  };
  uint64_t read = 0;
  for (uint64_t at = 0; at < bytes.size(); at += kReadPieceBytes) {
    const std::span<char> piece =
        std::span(bytes).subspan(at, std::min(kReadPieceBytes, bytes.size() - at));
    read += ReadReadable(*file, piece, at, lost);
  }
  if (read == 0 && !options.unreadable_is_damage) POP_RETURN_IF_ERROR(why);
  return bytes;
}

}  // namespace poplar::storage
