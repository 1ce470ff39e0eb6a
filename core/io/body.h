// One message in wire form, on its way out. Reading always works; a file range may be offered for
// the lanes that need no copy. A body belongs to one session on one shard; the bytes behind it
// never change (files only disappear by unlink, and a body keeps its file open).

#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "core/base/status.h"
#include "core/io/task.h"

namespace poplar::io {

struct FileRange {
  int fd = -1;
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

class Body {
 public:
  virtual ~Body() = default;

  // Terminator included.
  virtual uint64_t wire_bytes() const = 0;

  // Proves, before `+OK` is said, that this is the message the index promised (its head on disk
  // says the same maildrop, id and sizes). kDataLoss: damaged, or missing where it must be;
  // kNotFound: gone, as another engine may say; kUnavailable: an I/O error.
  virtual void Verify(Completion<Status>& done) = 0;

  // The same of every octet, for which it reads them all.
  virtual void VerifyAll(Completion<Status>& done) = 0;

  // The whole body into `into`, verified, if that needs no wait: true and `into` is filled, or
  // false (not in the page cache, or damaged: Verify tells). REQUIRES: into.size() >= wire_bytes().
  virtual bool TryReadAll(std::span<char> into) = 0;

  // Bytes from `at` on; as many as `into` holds unless the body ends before. Errors as Verify.
  // REQUIRES: at < wire_bytes(); `into` stays until the answer; one read at a time.
  virtual void Read(uint64_t at, std::span<char> into, Completion<StatusOr<size_t>>& done) = 0;

  // Where the bytes are, for sendfile. The descriptor lives as long as the body.
  virtual std::optional<FileRange> AsFileRange() const = 0;
};

}  // namespace poplar::io
