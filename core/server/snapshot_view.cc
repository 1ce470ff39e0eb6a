#include "core/server/snapshot_view.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace poplar::server {
namespace {

constexpr size_t kSumPiece = 64;

}  // namespace

SnapshotView::SnapshotView(const storage::Maildrop& maildrop, int64_t since_us)
    : maildrop_(maildrop), chosen_(maildrop.ReceivedSince(since_us)) {
  std::array<uint64_t, kSumPiece> octets;
  for (uint32_t at = 0; at < count(); at += kSumPiece) {
    const std::span piece = std::span(octets).first(std::min<size_t>(kSumPiece, count() - at));
    CopyOctets(pop3::MessageIndex(at), piece);
    chosen_octets_ = std::accumulate(piece.begin(), piece.end(), chosen_octets_);
  }
}

template <class T, class Copy>
void SnapshotView::CopyRuns(pop3::MessageIndex first, std::span<T> into, Copy copy) const {
  if (!chosen_) return copy(storage::MessagePosition(first.value()), into);
  for (size_t done = 0; done < into.size();) {
    const auto* const begin = chosen_->data() + first.value() + done;
    size_t run = 1;
    while (done + run < into.size() && begin[run].value() == begin->value() + run) ++run;
    copy(*begin, into.subspan(done, run));
    done += run;
  }
}

void SnapshotView::CopyOctets(pop3::MessageIndex first, std::span<uint64_t> into) const {
  CopyRuns(first, into, [this](storage::MessagePosition position, std::span<uint64_t> part) {
    maildrop_.CopyOctets(position, part);
  });
}

void SnapshotView::CopyUidls(pop3::MessageIndex first, std::span<UidlText> into) const {
  CopyRuns(first, into, [this](storage::MessagePosition position, std::span<UidlText> part) {
    maildrop_.CopyUidls(position, part);
  });
}

}  // namespace poplar::server
