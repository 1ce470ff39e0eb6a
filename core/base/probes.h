// USDT probes, for bpftrace and its like: places in the running program where a tracer may look
// (core/ops/README.md lists them with their arguments). One costs a `nop`, and whatever its
// arguments cost: so these are values that are there anyway, never made for the probe.
//
// Texts are addresses of octets that end with a NUL; times are microseconds. A probe's name and the
// order of its arguments are a promise to scripts.

#pragma once

#include <sys/sdt.h>

// session, service ("pop3s"), descriptor of the socket
#define POPLAR_PROBE_ACCEPT(session, service, fd) \
  DTRACE_PROBE3(poplar, accept, (session), (service), (fd))

// session, user (who it is, or claims to be), outcome ("ok"), time from the credentials
#define POPLAR_PROBE_LOGIN(session, user, outcome, us) \
  DTRACE_PROBE4(poplar, login, (session), (user), (outcome), (us))

// session, user, outcome ("ok"), messages in the maildrop, time of its opening
#define POPLAR_PROBE_OPEN(session, user, outcome, messages, us) \
  DTRACE_PROBE5(poplar, open, (session), (user), (outcome), (messages), (us))

// session, user, message number, octets on the wire, time until the kernel had all of it
#define POPLAR_PROBE_RETR(session, user, message, octets, us) \
  DTRACE_PROBE5(poplar, retr, (session), (user), (message), (octets), (us))

// session, user, messages deleted, time until they were, 1 if they are
#define POPLAR_PROBE_COMMIT(session, user, deleted, us, done) \
  DTRACE_PROBE5(poplar, commit, (session), (user), (deleted), (us), (done))

// partition, records, octets, time of write and flush
#define POPLAR_PROBE_FLUSH(partition, records, octets, us) \
  DTRACE_PROBE4(poplar, flush, (partition), (records), (octets), (us))

// partition, segment, octets read to empty it
#define POPLAR_PROBE_COMPACTION(partition, segment, octets) \
  DTRACE_PROBE3(poplar, compaction, (partition), (segment), (octets))
