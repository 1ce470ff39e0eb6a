#include "core/sandbox/seccomp.h"

#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "core/sandbox/seccomp_lists.h"

namespace poplar::sandbox {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

#ifndef PR_SET_VMA
constexpr int kSetVma = 0x53564d41;
#else
constexpr int kSetVma = PR_SET_VMA;
#endif
constexpr uint32_t kSocketTypes = 0xf;  // Beside them, flags.
constexpr int kCachestat = 451;         // The same on every architecture.

// A filter that is being made. The first fault stays.
class Filter {
 public:
  Filter() : context_(seccomp_init(SCMP_ACT_ERRNO(ENOSYS)), &seccomp_release) {
    if (context_ == nullptr) fault_ = -ENOMEM;
  }

  void Set(scmp_filter_attr attribute, uint32_t value) {
    if (fault_ == 0) fault_ = seccomp_attr_set(context_.get(), attribute, value);
  }

  // Names with blanks between.
  void Allow(std::string_view names) {
    while (!names.empty()) {
      const size_t end = std::min(names.find(' '), names.size());
      Allow(std::string(names.substr(0, end)).c_str(), {});
      names.remove_prefix(std::min(end + 1, names.size()));
    }
  }

  // Where all of `arguments` are so; without any, always.
  void Allow(const char* name, std::initializer_list<scmp_arg_cmp> arguments) {
    const int number = seccomp_syscall_resolve_name(name);
    if (fault_ != 0 || number == __NR_SCMP_ERROR) return;
    const int result = seccomp_rule_add_array(context_.get(), SCMP_ACT_ALLOW, number,
                                              static_cast<unsigned>(arguments.size()),
                                              arguments.size() == 0 ? nullptr : arguments.begin());
    if (result != -EEXIST) fault_ = result;
  }

  // For a call whose name libseccomp may not know yet.
  void AllowNumber(int number) {
    if (fault_ == 0) fault_ = seccomp_rule_add(context_.get(), SCMP_ACT_ALLOW, number, 0);
  }

  Status Load() {
    if (fault_ == 0) fault_ = seccomp_load(context_.get());
    if (fault_ == 0) return OkStatus();
    const bool lacking = fault_ == -EINVAL || fault_ == -ENOSYS || fault_ == -EPERM ||
                         fault_ == -EACCES || fault_ == -ECANCELED;
    return lacking ? MakeStatus(StatusCode::kUnavailable, "this kernel takes no seccomp filter")
                   : ErrnoStatus(-fault_, "seccomp");
  }

 private:
  const std::unique_ptr<void, void (*)(scmp_filter_ctx)> context_;
  int fault_ = 0;
};

// libseccomp's macros for these are C's. All 64 bits are compared, also where the kernel takes 32:
// who sets bits above them is refused.
scmp_arg_cmp Is(unsigned argument, int64_t value) {
  return {argument, SCMP_CMP_EQ, static_cast<scmp_datum_t>(value), 0};
}
scmp_arg_cmp BitsAre(unsigned argument, uint32_t mask, uint32_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

void AllowSocketsOf(Filter& filter, const char* call, std::initializer_list<int> families) {
  for (const int family : families) filter.Allow(call, {Is(0, family)});
}

// Of threads, not of processes. clone3 has its flags where no filter can see them; without it glibc
// takes clone.
void AllowThreads(Filter& filter) {
  filter.Allow("clone", {BitsAre(0, CLONE_THREAD, CLONE_THREAD)});
  const pid_t self = ::getpid();
  for (const char* const call : {"tgkill", "kill"}) {
    filter.Allow(call, {Is(0, self)});  // abort(3) and the like.
  }
  for (const int what : {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, PR_CAPBSET_READ, kSetVma}) {
    filter.Allow("prctl", {Is(0, what)});
  }
  // To read its limits, not to set them.
  filter.Allow("prlimit64", {Is(0, 0), Is(2, 0)});
}

void AllowIoctls(Filter& filter) {
  for (const uint32_t what :
       {FIONREAD, FIONBIO, FIOCLEX, FIONCLEX, FIOASYNC, TCGETS, TIOCGWINSZ, SIOCOUTQ}) {
    filter.Allow("ioctl", {Is(1, what)});
  }
}

void AllowMemory(Filter& filter, bool may_run_it) {
  for (const char* const call : {"mmap", "mprotect"}) {
    if (may_run_it) {
      filter.Allow(call, {});
    } else {
      filter.Allow(call, {BitsAre(2, PROT_EXEC, 0)});
    }
  }
}

}  // namespace

Status RestrictCalls(Calls calls) {
  Filter filter;
  filter.Set(SCMP_FLTATR_CTL_TSYNC, 1);
  filter.Set(SCMP_FLTATR_CTL_OPTIMIZE, 2);  // A tree, not a list.
  filter.Set(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  filter.Allow(kForAll);
  AllowThreads(filter);
  AllowIoctls(filter);
  // A server's code is loaded when it serves; a plug-in loads more, as does who looks up names.
  AllowMemory(filter, kSanitized || calls != Calls::kServer);
  AllowSocketsOf(filter, "socketpair", {AF_UNIX});
  switch (calls) {
    case Calls::kServer:
      filter.Allow(kForServer);
      filter.AllowNumber(kCachestat);
      // For sd_notify(3): without connect it is good for a datagram to a path only.
      filter.Allow("socket", {Is(0, AF_UNIX), BitsAre(1, kSocketTypes, SOCK_DGRAM)});
      break;
    case Calls::kLauncher:
      filter.Allow(kForLauncher);
      [[fallthrough]];
    case Calls::kAuthHost:
      filter.Allow(kForAuthHost);
      AllowSocketsOf(filter, "socket", {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK});
      // About network interfaces (SIOCGIF…).
      filter.Allow("ioctl", {BitsAre(1, 0xff00U, 0x8900U)});
      break;
  }
  if (kSanitized) filter.Allow(kForSanitizers);
  return filter.Load();
}

}  // namespace poplar::sandbox
