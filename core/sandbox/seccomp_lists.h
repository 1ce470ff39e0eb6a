// The calls that are allowed, by name, with blanks between; names that an architecture lacks are
// left out there. Those that depend on their arguments stand in seccomp.cc. Private to it.

#pragma once

#include <string_view>

namespace poplar::sandbox {

// Everybody: what is open, memory, threads, time, waiting, reading files (Landlock says which).
inline constexpr std::string_view kForAll =
    // Descriptors.
    "read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek close "
    "close_range dup dup2 dup3 fcntl "
    // Files that are read.
    "open openat stat lstat fstat newfstatat statx statfs fstatfs access faccessat faccessat2 "
    "readlink readlinkat getdents64 getcwd umask "
    // Memory; mmap and mprotect are in seccomp.cc.
    "mremap munmap madvise brk mincore msync mlock mlock2 munlock membarrier "
    // Threads of its own; clone is in seccomp.cc.
    "futex futex_waitv set_robust_list get_robust_list rseq set_tid_address gettid getpid getppid "
    "getpgrp sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_getscheduler "
    "getpriority setpriority getcpu sched_getattr sched_setattr exit exit_group restart_syscall "
    "rt_sigaction rt_sigprocmask "
    "rt_sigreturn rt_sigtimedwait rt_sigpending rt_sigsuspend sigaltstack "
    // Time and waiting.
    "clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times poll ppoll "
    "select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 "
    "eventfd2 pipe pipe2 timerfd_create timerfd_settime timerfd_gettime "
    // Sockets that it has.
    "getsockname getpeername getsockopt setsockopt shutdown sendto sendmsg sendmmsg recvfrom "
    "recvmsg recvmmsg "
    // What it is, and what the machine is.
    "getuid geteuid getgid getegid getresuid getresgid getgroups capget uname sysinfo getrusage "
    "getrlimit getrandom";

// The server: clients come, and files are written (Landlock says which). cachestat is in
// seccomp.cc.
inline constexpr std::string_view kForServer =
    "accept accept4 wait4 openat2 sendfile io_uring_enter io_uring_register fsync fdatasync "
    "sync_file_range fallocate ftruncate fadvise64 readahead copy_file_range flock mkdir "
    "mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat chmod fchmod fchmodat "
    "fchown utimensat";

// A plug-in: it goes to servers.
inline constexpr std::string_view kForAuthHost = "connect bind";

// Who starts plug-ins' processes: what a program does until it has restricted itself.
inline constexpr std::string_view kForLauncher =
    "execve clone vfork wait4 waitid kill tgkill prctl prlimit64 setrlimit arch_prctl capset "
    "seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self";

// The runtimes of sanitizers, in builds that have them: leaks are looked for by a process of its
// own that stops all others.
inline constexpr std::string_view kForSanitizers =
    "clone ptrace wait4 prctl kill tkill tgkill personality process_vm_readv arch_prctl prlimit64 "
    "setrlimit";

}  // namespace poplar::sandbox
