#include "storage/blob/blob_writer.h"

#include <cerrno>
#include <cstdio>
#include <set>

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
  if (options_.free_bytes_floor > 0) {
    POP_ASSIGN_OR_RETURN(const uint64_t free, options_.env->FreeBytes(options_.path.substr(
                                                  0, options_.path.rfind('/'))));
    if (free < options_.free_bytes_floor + options_.expected_bytes) {
      return MakeStatus(StatusCode::kResourceExhausted, "the disk is full but for the reserve");
    }
  }
  POP_ASSIGN_OR_RETURN(file_, options_.env->CreateFile(options_.path));
  return OkStatus();
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
  piece_ = {const_cast<char*>(left_.data()), left_.size()};
  file_->StartWrite(reactor_, write_op_, {&piece_, 1}, written_);
}

void BlobWriter::OnWritten(int32_t result) {
  if (result <= 0) {
    Answer(ErrnoStatus(result == 0 ? EIO : -result, options_.path));
    return;
  }
  written_ += static_cast<uint64_t>(result);
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
  if (file_ != nullptr && pool_.Submit(reactor_, options_.pool_key, *this)) return;
  file_.reset();  // A full pool: the name stays until the next start.
  abandon_handler_(owner_, *this);
}

void BlobWriter::Done() {
  if (step_ == Step::kAbandon) {
    abandon_handler_(owner_, *this);
  } else {
    Answer(status_);
  }
}

}  // namespace poplar::storage
