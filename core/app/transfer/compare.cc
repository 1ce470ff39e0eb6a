#include "core/app/transfer/compare.h"

#include <unordered_map>

namespace poplar::app {
namespace {

constexpr uint64_t kLineEndBytes = 2;

}  // namespace

Comparison CompareLists(const std::vector<Pop3Message>& theirs,
                        const std::vector<Pop3Message>& ours) {
  std::unordered_map<std::string, size_t> here;  // UIDL to its place.
  for (size_t i = 0; i < ours.size(); ++i) here.emplace(ours[i].uidl, i);
  Comparison comparison;
  comparison.theirs = theirs.size();
  size_t next = 0;
  for (const Pop3Message& message : theirs) {
    const auto found = here.find(message.uidl);
    if (message.uidl.empty() || found == here.end()) {
      comparison.missing.push_back(message.uidl);
      continue;
    }
    const uint64_t octets = ours[found->second].octets;
    ++(octets == message.octets                   ? comparison.identical
       : octets == message.octets + kLineEndBytes ? comparison.line_ends
                                                  : comparison.other_size);
    comparison.same_order = comparison.same_order && found->second >= next;
    next = found->second + 1;
    here.erase(found);  // Each counts once.
  }
  comparison.only_here = here.size();
  for (const Pop3Message& message : ours) {
    if (here.contains(message.uidl)) comparison.only_here_uidls.push_back(message.uidl);
  }
  return comparison;
}

StatusOr<Comparison> CompareMaildrops(Pop3Client& theirs, Pop3Client& ours) {
  POP_ASSIGN_OR_RETURN(const std::vector<Pop3Message> there, theirs.List());
  POP_ASSIGN_OR_RETURN(const std::vector<Pop3Message> here, ours.List());
  theirs.Quit().IgnoreError();
  ours.Quit().IgnoreError();
  return CompareLists(there, here);
}

}  // namespace poplar::app
