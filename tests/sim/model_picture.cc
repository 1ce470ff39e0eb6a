// What a snapshot of the store must hold.

#include <algorithm>
#include <set>

#include "tests/sim/model.h"

namespace poplar::sim {
namespace {

// How well a copy fits what is listed. Of those that nobody saw, first one that must be there. One
// that went by its age before anybody saw it has the UIDL with which it came back, if it did.
int Fit(const Model::Copy& copy, const Listed& listed, bool required) {
  if (copy.uidl == listed.uidl) return 4;
  if (copy.uidl.empty()) return required ? 3 : 2;
  return copy.may_expire ? 1 : 0;
}

}  // namespace

Model::Picture Model::BeginPicture() {
  Picture picture;
  for (const auto& [name, maildrop] : maildrops_) {
    picture.maildrops.push_back(BeginOpen(maildrop->key));
  }
  return picture;
}

// What somebody began to delete meanwhile may be in it or not.
void Model::EndPicture(Picture* picture) {
  picture->ended = ++moment_;
  for (Opening& opening : picture->maildrops) {
    std::erase_if(opening.required, [&](const Copy* copy) {
      return !copy->MustBeThere() || copy->deletion_at >= opening.began;
    });
  }
}

void Model::CheckPicture(const Picture& picture, const Opening& opening,
                         const std::vector<Listed>& list,
                         const std::vector<StatusOr<std::string>>& wires) const {
  const Maildrop& maildrop = *opening.maildrop;
  if (!maildrop.sound()) return;
  const std::set<const Copy*> required(opening.required.begin(), opening.required.end());
  std::set<const Copy*> found;
  for (size_t i = 0; i < list.size(); ++i) {
    const Listed& listed = list[i];
    const Copy* match = nullptr;
    int best = 0;
    for (const Copy& copy : maildrop.copies) {
      if (copy.number != listed.number || found.contains(&copy)) continue;
      if (!copy.imported_uidl.empty() && copy.imported_uidl != listed.uidl) continue;
      if (copy.began_at >= picture.ended) continue;
      if (!copy.MayBeThere(opening.began) && !copy.was_doubtful) continue;
      const int fit = Fit(copy, listed, required.contains(&copy));
      if (fit > best) match = &copy;
      best = std::max(best, fit);
    }
    const std::string what =
        NameOf(maildrop) + ": " + std::to_string(listed.number) + " " + listed.uidl;
    Require(match != nullptr, "a message that should not be in a snapshot of " + what);
    Require(wires[i].ok() || match->damaged, "a message of a snapshot cannot be read: " + what +
                                                 ": " + wires[i].status().ToString());
    Require(match->damaged ||
                (match->body->wire == *wires[i] && match->body->facts.octets == listed.octets),
            "wrong bytes in a snapshot of " + what);
    found.insert(match);
  }
  for (const Copy* copy : required) {
    Require(found.contains(copy) || copy->damaged,
            "a message is missing in a snapshot of " + NameOf(maildrop) + ": " +
                std::to_string(copy->number) + " " + copy->uidl);
  }
}

}  // namespace poplar::sim
