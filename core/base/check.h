// Invariants. A POP_CHECK that fails is a fault of this program: it prints where and what, and
// aborts, in release builds too. Nothing that comes from the network, from disk or from the
// configuration may reach one.

#pragma once

namespace poplar::base {

[[noreturn]] void CheckFailed(const char* file, int line, const char* expression);

}  // namespace poplar::base

#define POP_CHECK(condition)                         \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::poplar::base::CheckFailed(__FILE__, __LINE__, #condition))

#ifdef NDEBUG
#define POP_DCHECK(condition) static_cast<void>(sizeof(static_cast<bool>(condition)))
#else
#define POP_DCHECK(condition) POP_CHECK(condition)
#endif
