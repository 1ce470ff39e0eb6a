// Which files a process may still open, by the kernel's Landlock: everything that no rule names is
// refused, to io_uring too. Rules only ever become fewer; they hold for the calling thread and for
// the threads and processes that it starts from then on, so call it before there are others.
//
// A rule is for a folder and all below it, also for what comes there later; or for a single file,
// and then not for one that takes its place. What is open already stays open. Not ruled: looking at
// names and modes (stat), Unix sockets that have a path.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/status.h"

namespace poplar::sandbox {

enum class FileAccess : uint8_t {
  kRead,
  kRun,      // And read.
  kSockets,  // Make Unix sockets there, and remove them.
  kFiles,    // Read, write, make and remove files.
  kAll,      // That, and folders too; links and renames between all folders with kAll.
};

struct AllowedPath {
  std::string path;  // Left out where there is none.
  FileAccess access = FileAccess::kRead;
};

struct LandlockRules {
  std::vector<AllowedPath> paths;
  // TCP, from Linux 6.7 on.
  bool may_connect = false;
  bool may_bind = false;             // Any port; else:
  std::vector<uint16_t> bind_ports;  // These; 0 is one that the kernel chooses.
  bool may_signal_others = false;    // From Linux 6.12 on. Others: outside of what it starts.
  bool may_reach_abstract = false;   // Likewise: others' sockets of the abstract namespace.
};

// The kernel's, or 0: it has no Landlock that would do (it came with Linux 5.13, and links between
// folders with 5.19), or a container hides it.
int LandlockAbi();

// kUnavailable: there is none; others: it failed, and nothing is restricted. REQUIRES:
// no_new_privs.
Status RestrictFiles(const LandlockRules& rules);

}  // namespace poplar::sandbox
