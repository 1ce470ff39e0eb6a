#include "storage/engine/maildrop.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/base/check.h"
#include "core/base/log.h"
#include "core/base/units.h"
#include "storage/engine/layout.h"
#include "storage/format/checksum.h"

namespace poplar::storage {
namespace {

constexpr const char* kSegmentMissing = "the message's segment is missing";
constexpr const char* kSegmentCut = "the message's segment is cut short";
constexpr const char* kBodyUnsound = "the message's octets are not what was delivered";

constexpr size_t kCheckedPieceBytes = 256 * kKiB;  // Of what is read to check it.

}  // namespace

EmbeddedMaildrop::EmbeddedMaildrop(EmbeddedShardStore& home, std::unique_ptr<OpenGrant> grant)
    : home_(home), grant_(std::move(grant)) {
  home_.metrics().open_maildrops.Add(1);
}

EmbeddedMaildrop::~EmbeddedMaildrop() {
  home_.metrics().open_maildrops.Add(-1);
  if (!committed_ && !grant_->only_reads)
    home_.commit_calls.Take(home_).Start(std::move(grant_), {}, {}, nullptr);
}

MessageInfo EmbeddedMaildrop::Info(MessagePosition position) const {
  const MessageEntry& entry = grant_->list->At(position.value(), hint_);
  MessageInfo info;
  info.octets = entry.octets;
  info.wire_bytes = entry.wire_bytes;
  info.header_bytes = entry.header_bytes;
  info.received_us = entry.received_us;
  if ((entry.flags & kEntryImported) != 0) info.flags |= kMessageImported;
  if ((entry.flags & kEntryRead) != 0) info.flags |= kMessageRead;
  CopyUidls(position, {&uidl_, 1});
  info.uidl = uidl_.view();
  return info;
}

void EmbeddedMaildrop::CopyOctets(MessagePosition first, std::span<uint64_t> into) const {
  for (size_t done = 0; done < into.size();) {
    const MessageRun run =
        grant_->list->RunFrom(first.value() + static_cast<uint32_t>(done), hint_);
    for (const MessageEntry& entry : run.entries) {
      if (done == into.size()) return;
      into[done++] = entry.octets;
    }
  }
}

void EmbeddedMaildrop::CopyUidls(MessagePosition first, std::span<UidlText> into) const {
  const std::string_view tag = home_.context().superblock.tag();
  for (size_t done = 0; done < into.size();) {
    const MessageRun run =
        grant_->list->RunFrom(first.value() + static_cast<uint32_t>(done), hint_);
    size_t text_at = 0;
    for (const MessageEntry& entry : run.entries) {
      if (done == into.size()) return;
      UidlText& uidl = into[done++];
      const std::string_view text = run.texts.substr(text_at, entry.text_bytes());
      text_at += entry.text_bytes();
      if ((entry.flags & kEntryImported) == 0) {
        WriteUidl(tag, grant_->partition, entry.id, uidl.text.data());
        uidl.bytes = kOwnUidlBytes;
      } else {
        uidl.bytes =
            static_cast<uint8_t>(UidlIn(entry, text).copy(uidl.text.data(), kUidlBytesMax));
      }
    }
  }
}

std::vector<MessagePosition> EmbeddedMaildrop::ReceivedSince(int64_t since_us) const {
  std::vector<MessagePosition> positions;
  for (uint32_t at = 0; at < count();) {
    for (const MessageEntry& entry : grant_->list->RunFrom(at, hint_).entries) {
      if (entry.received_us >= since_us) positions.emplace_back(at);
      ++at;
    }
  }
  return positions;
}

std::unique_ptr<io::Body> EmbeddedMaildrop::OpenBody(MessagePosition position) {
  return std::make_unique<StoredBody>(home_, grant_, grant_->list->At(position.value(), hint_));
}

void EmbeddedMaildrop::Commit(std::vector<MessagePosition> deleted,
                              std::vector<MessagePosition> fetched,
                              io::Completion<CommitOutcome>& done) {
  if (std::exchange(committed_, true)) {  // Repeated: the lease is gone.
    done.Set(CommitOutcome::kRefused);
    return;
  }
  if (grant_->only_reads) {
    done.Set(deleted.empty() && fetched.empty() ? CommitOutcome::kDone : CommitOutcome::kRefused);
    return;
  }
  home_.commit_calls.Take(home_).Start(grant_, IdsOf(std::move(deleted)), IdsOf(std::move(fetched)),
                                       &done);
}

std::vector<MessageId> EmbeddedMaildrop::IdsOf(std::vector<MessagePosition> positions) const {
  std::sort(positions.begin(), positions.end());
  positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
  std::vector<MessageId> ids;
  ids.reserve(positions.size());
  for (const MessagePosition position : positions) {
    ids.push_back(grant_->list->At(position.value(), hint_).id);
  }
  return ids;
}

// --- StoredBody

StoredBody::StoredBody(EmbeddedShardStore& home, std::shared_ptr<const OpenGrant> grant,
                       const MessageEntry& entry)
    : home_(home),
      grant_(std::move(grant)),
      entry_(entry),
      head_bytes_(kRecordFixedBytes + static_cast<uint32_t>(grant_->key.account.size()) +
                  entry.record_text_bytes()),
      segment_(home.files().Find(grant_->partition, entry.lsn.segment())) {}

void StoredBody::Verify(io::Completion<Status>& done) {
  POP_CHECK(verify_done_ == nullptr && read_done_ == nullptr);
  verify_done_ = &done;
  Advance();
}

void StoredBody::VerifyAll(io::Completion<Status>& done) {
  all_due_ = true;
  Verify(done);
}

void StoredBody::Advance() {
  if (segment_ == nullptr) segment_ = home_.files().Find(grant_->partition, entry_.lsn.segment());
  const std::string directory = PartitionDirectory(home_.context().options.path, grant_->partition);
  if (segment_ == nullptr) {
    OpenFile(directory + "/log/" + SegmentName(entry_.lsn.segment()) + ".seg");
  } else if (!head_sound_) {
    const iovec piece{head_.data(), head_bytes_};
    const ssize_t got = segment_->TryRead({&piece, 1}, entry_.lsn.offset());
    head_got_ = 0;
    if (got == static_cast<ssize_t>(head_bytes_)) {
      OnHeadRead(static_cast<int32_t>(got));
    } else {
      StartHeadRead();
    }
  } else if (in_blob() && blob_ == nullptr) {
    OpenFile(directory + "/blobs/" + BlobName(entry_.blob));
  } else if (all_due_) {
    SubmitWork();
  } else {
    Answer(body_unsound_ ? Damaged(kBodyUnsound) : OkStatus());
  }
}

void StoredBody::OpenFile(std::string path) {
  path_ = std::move(path);
  if (auto file = home_.context().options.env->TryOpenToRead(path_)) {
    opened_ = std::move(file);
    CheckLength();
    Done();
    return;
  }
  SubmitWork();
}

void StoredBody::SubmitWork() {
  if (!home_.context().disk.Submit(home_.shard().reactor(), grant_->key.tenant.value(), *this)) {
    Answer(MakeStatus(StatusCode::kUnavailable, "the disk pool's queue is full"));
  }
}

void StoredBody::Work() {
  if (head_sound_ && data_file() != nullptr) {
    octets_ = CheckOctets();
    return;
  }
  opened_ = home_.context().options.env->OpenToRead(path_);
  CheckLength();
}

void StoredBody::CheckLength() {
  if (!opened_.ok() || !in_blob() || segment_ == nullptr) return;
  const StatusOr<uint64_t> bytes = (*opened_)->Bytes();
  if (!bytes.ok()) {
    opened_ = bytes.status();
  } else if (*bytes != entry_.wire_bytes) {
    opened_ = MakeStatus(StatusCode::kDataLoss, "the message's blob is not as long as the message");
  }
}

Status StoredBody::CheckOctets() const {
  StreamingChecksum sum;
  std::string piece(kCheckedPieceBytes, '\0');
  for (uint64_t at = 0; at < entry_.wire_bytes;) {
    const uint64_t asked = std::min<uint64_t>(piece.size(), entry_.wire_bytes - at);
    POP_ASSIGN_OR_RETURN(const size_t got,
                         data_file()->ReadAt(std::span(piece).first(asked), data_offset() + at));
    if (got < asked) return MakeStatus(StatusCode::kDataLoss, "the message is cut short");
    sum.Update(std::string_view(piece).substr(0, got));
    at += got;
  }
  if (sum.Digest() == body_checksum_) return OkStatus();
  return MakeStatus(StatusCode::kDataLoss, kBodyUnsound);
}

void StoredBody::Done() {
  if (head_sound_ && data_file() != nullptr) {
    const bool damaged = octets_.code() == StatusCode::kDataLoss;
    Answer(damaged ? Damaged(Message(octets_)) : octets_);
    return;
  }
  if (opened_.status().code() == StatusCode::kNotFound) {
    // A blob goes with its message, and only a lease keeps others from deleting that.
    if (grant_->only_reads && segment_ != nullptr) {
      Answer(MakeStatus(StatusCode::kNotFound, "the message was deleted meanwhile"));
      return;
    }
    // The snapshot pins what it points to: only damage takes a file away.
    Answer(Damaged(segment_ == nullptr ? kSegmentMissing : "the message's blob is missing"));
    return;
  }
  if (opened_.status().code() == StatusCode::kDataLoss) {
    Answer(Damaged(Message(opened_.status())));
    return;
  }
  if (!opened_.ok()) {
    Answer(opened_.status());
    return;
  }
  if (segment_ == nullptr) {
    segment_ = std::move(*opened_);
    home_.metrics().files_opened.Add();
    home_.files().Keep(grant_->partition, entry_.lsn.segment(), segment_);
  } else {
    blob_ = std::move(*opened_);
  }
  Advance();
}

void StoredBody::StartHeadRead() {
  segment_->StartRead(home_.shard().reactor(), head_op_,
                      std::span(head_).subspan(head_got_, head_bytes_ - head_got_),
                      entry_.lsn.offset() + head_got_);
}

void StoredBody::OnHeadRead(int32_t result) {
  if (result > 0) head_got_ += static_cast<size_t>(result);
  // Fewer octets than asked are no damage: the rest follows, or the file ends.
  if (result > 0 && head_got_ < head_bytes_) return StartHeadRead();
  const Status status =
      result < 0 ? ErrnoStatus(-result, "reading a record") : CheckHead(head_got_);
  if (!status.ok()) {
    Answer(status);
    return;
  }
  head_sound_ = true;
  Advance();
}

Status StoredBody::Damaged(std::string_view what) const {
  home_.metrics().damaged_bodies.Add();
  base::Log(base::LogLevel::kError, "store_body_damaged",
            {{"partition", grant_->partition},
             {"at", PlaceText(entry_.lsn)},
             {"tenant", grant_->key.tenant.value()},
             {"account", grant_->key.account},
             {"id", IdText(entry_.id.value())},
             {"what", what}});
  return MakeStatus(StatusCode::kDataLoss, what);
}

const char* StoredBody::HeadFault(size_t got) {
  const std::optional<uint64_t> salt = grant_->segments->SaltOf(entry_.lsn.segment());
  if (!salt.has_value()) return kSegmentMissing;
  if (got != head_bytes_) return kSegmentCut;
  const auto record = DecodeRecordHead({head_.data(), head_bytes_}, entry_.lsn, *salt);
  if (!record.has_value() || record->tenant != grant_->key.tenant ||
      record->account != grant_->key.account || record->id != entry_.id ||
      record->octets != entry_.octets || record->wire_bytes != entry_.wire_bytes ||
      record->header_bytes != entry_.header_bytes ||
      (in_blob() && record->reference != entry_.blob.value())) {
    return "the record's head is not that of the message";
  }
  body_checksum_ = record->body_checksum;
  return nullptr;
}

bool StoredBody::IsSound(std::span<const char> body) const {
  return Checksum({body.data(), body.size()}) == body_checksum_;
}

bool StoredBody::EndsEarly() const {
  char last = '\0';
  const iovec piece{&last, sizeof last};
  return !in_blob() && segment_->TryRead({&piece, 1}, data_offset() + entry_.wire_bytes - 1) == 0;
}

Status StoredBody::CheckHead(size_t got) {
  const char* const fault = HeadFault(got);
  if (fault != nullptr) return Damaged(fault);
  return EndsEarly() ? Damaged(kSegmentCut) : OkStatus();
}

void StoredBody::Answer(const Status& status) {
  if (read_done_ == nullptr) {
    all_due_ = false;
    std::exchange(verify_done_, nullptr)->Set(status);
  } else if (status.ok()) {
    StartRead();
  } else {
    AnswerRead(status);
  }
}

bool StoredBody::TryReadAll(std::span<char> into) {
  POP_CHECK(into.size() >= entry_.wire_bytes);
  if (in_blob() || segment_ == nullptr) return false;
  const iovec pieces[] = {{head_.data(), head_bytes_}, {into.data(), entry_.wire_bytes}};
  const ssize_t got = segment_->TryRead(pieces, entry_.lsn.offset());
  if (got != static_cast<ssize_t>(head_bytes_ + uint64_t{entry_.wire_bytes})) return false;
  // What is damaged is named once: by the Verify that follows.
  head_sound_ = head_sound_ || HeadFault(head_bytes_) == nullptr;
  body_unsound_ = head_sound_ && !IsSound(into.first(entry_.wire_bytes));
  return head_sound_ && !body_unsound_;
}

void StoredBody::Read(uint64_t at, std::span<char> into, io::Completion<StatusOr<size_t>>& done) {
  POP_CHECK(at < entry_.wire_bytes && verify_done_ == nullptr && read_done_ == nullptr);
  read_done_ = &done;
  read_at_ = at;
  read_into_ = into.subspan(0, std::min<uint64_t>(into.size(), entry_.wire_bytes - at));
  if (head_sound_ && data_file() != nullptr) {
    StartRead();
  } else {
    Advance();
  }
}

void StoredBody::StartRead() {
  const iovec piece{read_into_.data(), read_into_.size()};
  const uint64_t offset = data_offset() + read_at_;
  read_got_ = 0;
  const ssize_t got = data_file()->TryRead({&piece, 1}, offset);
  if (got == static_cast<ssize_t>(read_into_.size())) {
    OnRead(static_cast<int32_t>(got));
  } else {
    data_file()->StartRead(home_.shard().reactor(), read_op_, read_into_, offset);
  }
}

void StoredBody::OnRead(int32_t result) {
  if (result < 0) return AnswerRead(ErrnoStatus(-result, "reading a message"));
  if (result == 0) {
    return AnswerRead(Damaged("the message is cut short"));
  }
  read_got_ += static_cast<size_t>(result);
  if (read_got_ < read_into_.size()) {
    data_file()->StartRead(home_.shard().reactor(), read_op_, read_into_.subspan(read_got_),
                           data_offset() + read_at_ + read_got_);
  } else if (!in_blob() && read_got_ == entry_.wire_bytes && !IsSound(read_into_)) {
    AnswerRead(Damaged(kBodyUnsound));
  } else {
    AnswerRead(read_got_);
  }
}

void StoredBody::AnswerRead(StatusOr<size_t> result) {
  std::exchange(read_done_, nullptr)->Set(std::move(result));
}

std::optional<io::FileRange> StoredBody::AsFileRange() const {
  const File* const file = data_file();
  if (!head_sound_ || file == nullptr || file->descriptor() < 0) return std::nullopt;
  return io::FileRange{file->descriptor(), data_offset(), entry_.wire_bytes};
}

}  // namespace poplar::storage
