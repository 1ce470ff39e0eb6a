#include "core/net/files_watch.h"

#include <algorithm>
#include <utility>

namespace poplar::net {
namespace {

constexpr int64_t kTickNsMax = 2'000'000'000;

}  // namespace

FilesWatch::FilesWatch(const base::Clock& clock, std::vector<std::string> paths) {
  const int64_t now_ns = clock.WallUs() * 1'000;
  for (std::string& path : paths) {
    const FileStamp stamp = StampOf(path);
    files_.push_back({.path = std::move(path),
                      .stamp = stamp,
                      .settled = now_ns - stamp.changed_ns > kTickNsMax});
  }
}

bool FilesWatch::Changed() const {
  return std::ranges::any_of(
      files_, [](const File& file) { return !file.settled || StampOf(file.path) != file.stamp; });
}

}  // namespace poplar::net
