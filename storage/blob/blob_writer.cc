#include "storage/blob/blob_writer.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <set>
#include <utility>

namespace poplar::storage {

std::string BlobEpochName(uint32_t epoch) {
  char name[16];
  std::snprintf(name, sizeof name, "%08x", epoch);
  return name;
}

std::string BlobName(BlobId id) {
  char name[32];
  std::snprintf(name, sizeof name, "%08x/%08x.blob", EpochOf(id.value()),
                static_cast<uint32_t>(id.value()));
  return name;
}

void BlobWriter::Open(Options options, void* owner, Handler handler) {
  options_ = std::move(options);
  owner_ = owner;
  handler_ = handler;
  written_ = 0;
  links_.clear();
  checksum_ = std::make_unique<StreamingChecksum>();
  Submit(Step::kOpen);
}

void BlobWriter::Submit(Step step) {
  step_ = step;
  if (pool_.Submit(reactor_, options_.pool_key, *this)) return;
  Answer(MakeStatus(StatusCode::kUnavailable, "the disk pool's queue is full"));
}

void BlobWriter::Work() {
  switch (step_) {
    case Step::kOpen:
      status_ = OpenNow();
      return;
    case Step::kGrant:
      status_ = GrantNow(left_.size() - granted_);
      return;
    case Step::kPublish:
      status_ = PublishNow();
      break;
    case Step::kAbandon:
      status_ = OkStatus();
      break;
  }
  (void)options_.env->Unlink(options_.path);  // What stays is removed at the next start.
  file_.reset();
}

Status BlobWriter::OpenNow() {
  if (options_.free_bytes_floor > 0) POP_RETURN_IF_ERROR(GrantNow(options_.expected_bytes));
  POP_ASSIGN_OR_RETURN(file_, options_.env->CreateFile(options_.path));
  return OkStatus();
}

Status BlobWriter::GrantNow(uint64_t bytes) {
  const std::string directory = options_.path.substr(0, options_.path.rfind('/'));
  POP_RETURN_IF_ERROR(
      options_.room->Grant(*options_.env, directory, options_.free_bytes_floor, bytes));
  granted_ += bytes;
  return OkStatus();
}

void BlobWriter::GiveBackGrant() {
  if (granted_ > 0) options_.room->GiveBack(std::exchange(granted_, 0));
}

Status BlobWriter::PublishNow() {
  POP_RETURN_IF_ERROR(file_->SyncData());
  std::set<std::string> directories;
  for (BlobLink& link : links_) {
    link.status = options_.env->Link(options_.path, link.path);
    directories.insert(link.directory);
  }
  for (const std::string& directory : directories) {
    const Status flushed = options_.env->SyncDirectory(directory);
    if (flushed.ok()) continue;
    for (BlobLink& link : links_) {
      if (link.directory == directory) link.status = flushed;
    }
  }
  return OkStatus();
}

void BlobWriter::Write(std::string_view bytes) {
  checksum_->Update(bytes);
  left_ = bytes;
  WriteOn();
}

void BlobWriter::WriteOn() {
  if (options_.free_bytes_floor > 0 && left_.size() > granted_) return Submit(Step::kGrant);
  piece_ = {const_cast<char*>(left_.data()), left_.size()};
  file_->StartWrite(reactor_, write_op_, {&piece_, 1}, written_);
}

void BlobWriter::OnWritten(int32_t result) {
  if (result <= 0) {
    Answer(ErrnoStatus(result == 0 ? EIO : -result, options_.path));
    return;
  }
  written_ += static_cast<uint64_t>(result);
  const uint64_t taken = std::min(granted_, static_cast<uint64_t>(result));
  granted_ -= taken;
  if (taken > 0) options_.room->GiveBack(taken);
  left_.remove_prefix(static_cast<size_t>(result));
  if (left_.empty()) {
    Answer(OkStatus());
  } else {
    WriteOn();
  }
}

void BlobWriter::Publish(std::vector<BlobLink> links) {
  links_ = std::move(links);
  Submit(Step::kPublish);
}

void BlobWriter::Abandon(void* owner, AbandonHandler handler) {
  owner_ = owner;
  abandon_handler_ = handler;
  step_ = Step::kAbandon;
  GiveBackGrant();
  if (file_ != nullptr && pool_.Submit(reactor_, options_.pool_key, *this)) return;
  file_.reset();  // A full pool: the name stays until the next start.
  abandon_handler_(owner_, *this);
}

void BlobWriter::Done() {
  if (step_ == Step::kAbandon) {
    abandon_handler_(owner_, *this);
  } else if (step_ == Step::kGrant && status_.ok()) {
    WriteOn();
  } else {
    Answer(status_);
  }
}

}  // namespace poplar::storage
