/* The interface of Poplar's authentication plug-ins: C, and stable within a version.
 *
 * A plug-in is a shared object that exports one function, `poplar_plugin_entry`. It answers who
 * somebody is and whether a password is right, from whatever it can reach: a directory, a database,
 * a file. auth/PLUGINS.md tells how to write one, with a complete example (auth/plugins/example.c).
 *
 * Plug-ins run in processes of their own (`poplar auth-host`), never in the server. Calls may
 * block. One that crashes or hangs is ended with its process and started anew; whoever waited for
 * it is told that logging in is not possible now.
 *
 * Strings that Poplar gives end with a NUL and hold none. They, and everything else that a call is
 * given, stay valid until it returns. No call may let a C++ exception or a longjmp past its frame.
 */

#ifndef POPLAR_AUTH_PLUGIN_H
#define POPLAR_AUTH_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Grows when something here changes its meaning or place. What is only added at the end of
 * `struct poplar_host`, or as a new field, leaves it: look at struct_bytes. So does a new outcome:
 * a server that does not know it takes it for TEMPORARY. */
#define POPLAR_PLUGIN_VERSION 1

/* What a plug-in can be asked. Bits: `operations` says which it can answer. */
enum poplar_operation {
  POPLAR_RESOLVE = 1,         /* Whose mail is this address? Asked for each recipient. */
  POPLAR_VERIFY_PASSWORD = 2, /* Is this the password of that login name? */
  POPLAR_FETCH_VERIFIER = 4,  /* What is stored for a mechanism that never sends the password. */
  /* Is this bearer token good, and of that login name? OK without POPLAR_ACCOUNT: good, and whose
   * the account is, the back ends of the chain are asked by RESOLVE. */
  POPLAR_VERIFY_TOKEN = 8,
  /* Which tenants are there? `login` says how many have been told already, in decimals: "0" begins
   * anew, and what is told then stays as it is until the next "0". Answer with as many as fit; OK
   * with none: that was all. UNSUPPORTED: this back end's settings say nothing of tenants. Asked
   * every now and then, in a process of its own, for one back end (users.tenants_backend). */
  POPLAR_LIST_TENANTS = 16
};

enum poplar_outcome {
  POPLAR_OK = 0,
  POPLAR_UNKNOWN = 1,  /* Nobody of that name here: the next back end of the chain is asked. */
  POPLAR_REFUSED = 2,  /* Somebody, but the wrong password or token. */
  POPLAR_DISABLED = 3, /* Right, but switched off. To VERIFY_PASSWORD only after a right one. */
  /* Could not be found out: never say UNKNOWN or REFUSED instead. It says nothing of the rest: an
   * entry without an account, a name that stands twice. */
  POPLAR_TEMPORARY = 4,
  POPLAR_UNSUPPORTED = 5, /* Not for this account: "no SCRAM keys are stored". */
  /* As TEMPORARY, and whom you ask could not be asked at all: no connection, no answer in time, too
   * busy. After five in a row the back end is left alone for a while. */
  POPLAR_UNREACHABLE = 6
};

/* What an answer may say, each with poplar_host.set. All are text of the length given. */
enum poplar_field {
  /* With OK, required (but see VERIFY_TOKEN): names the maildrop within its tenant, 1 to 128
   * octets. It must stay when the address changes and must never be given to another account: an
   * entryUUID, a row's id. With DISABLED, whose it is, if that is known: his sessions may have to
   * end. */
  POPLAR_ACCOUNT = 1,
  /* As it should be spelled in logs and listings. Default, and where its domain is none of the
   * tenant's: the login. */
  POPLAR_ADDRESS = 2,
  POPLAR_QUOTA_OCTETS = 3,   /* Decimal. Default: what the tenant gives each maildrop. */
  POPLAR_QUOTA_MESSAGES = 4, /* Decimal. */
  /* With OK or DISABLED to FETCH_VERIFIER: what is stored, `{SCHEME}…`. Poplar knows what it is
   * good for: SCRAM's keys, or a password in clear (with weak_schemes). */
  POPLAR_VERIFIER = 5,
  POPLAR_REASON = 6, /* A few words for the server's log; never a secret. */
  /* With OK or DISABLED to VERIFY_PASSWORD, instead of comparing: the stored password, `{SCHEME}…`.
   * Poplar compares, with all schemes that it knows; the outcome holds once it is the right one. */
  POPLAR_STORED_PASSWORD = 7,
  /* To LIST_TENANTS: one tenant more, a setting a line: "name=acme\ndomain=acme.example\n". A name,
   * a domain or several, and the settings of a tenant's file, as text; PLUGINS.md has them. Setting
   * it again adds one, until no more fits. */
  POPLAR_TENANT = 8
};

enum poplar_level { POPLAR_ERROR = 0, POPLAR_WARNING = 1, POPLAR_INFO = 2, POPLAR_DEBUG = 3 };

/* One line of the back end's table in the configuration; numbers and truth values as text
 * ("3", "true"), lists as one entry for each value, in order. What is named "file" or "…_file" is a
 * path: where it is relative, the folder of the configuration stands before it. */
struct poplar_setting {
  const char* name;
  const char* value;
};

struct poplar_answer; /* The host's. */

/* What Poplar does for a plug-in; valid until `close` returns. Any thread of the plug-in's. */
struct poplar_host {
  uint32_t struct_bytes;
  /* Sets a field of the answer at hand; the bytes are copied. Setting it again replaces it (but see
   * POPLAR_TENANT). Returns 0, or -1 where `field` is not known, there is no room for `bytes`, or a
   * quota is no number: an answer with OK or DISABLED is then TEMPORARY, unless the field is set
   * again. */
  int (*set)(struct poplar_answer* answer, enum poplar_field field, const char* text, size_t bytes);
  /* A line in the server's log. Never a secret. */
  void (*log)(enum poplar_level level, const char* sentence);
  /* So many questions are asked of one instance at once, at most; 0: it is not known. With fewer
   * connections than that to whom you ask, tenants wait for each other's. */
  uint32_t calls_max;
};

struct poplar_question {
  uint32_t struct_bytes;
  enum poplar_operation operation;
  const char* login; /* Login name, or address with RESOLVE. ASCII letters in lower case. */
  /* The password or the token, with those operations; may hold any octets, and a NUL stands behind
   * them. Never empty. Do not keep it: Poplar wipes its copy. */
  const char* secret;
  size_t secret_bytes;
  /* With FETCH_VERIFIER: "SCRAM-SHA-1", "SCRAM-SHA-256", "APOP". With RESOLVE of somebody who logs
   * in without a password: "EXTERNAL" (by certificate), "OAUTHBEARER" (by token); DISABLED then
   * keeps him out. Else "". */
  const char* mechanism;
  const char* client_address; /* For rules by network; "" where there is none. */
  /* Answer within so many milliseconds. Later the answer counts no more, and a process with too
   * many calls that are late is ended: give your own waits this limit. */
  uint32_t deadline_ms;
};

struct poplar_plugin {
  uint32_t version;      /* POPLAR_PLUGIN_VERSION. */
  uint32_t struct_bytes; /* sizeof(struct poplar_plugin). */
  const char* name;      /* For logs. */
  uint32_t operations;   /* Bits of enum poplar_operation. */

  /* Makes an instance for one back end of the configuration. Called once for each, one after the
   * other; several instances may exist. `settings` ends with a NULL name. Returns the instance, not
   * NULL, or NULL with a sentence for the operator in `fault`, `fault_bytes` long with its NUL: a
   * setting that is wrong, or one that is not known. That a server cannot be reached now is no
   * fault: it may be there when somebody asks. */
  void* (*open)(const struct poplar_host* host, const struct poplar_setting* settings, char* fault,
                size_t fault_bytes);

  /* Answers one question. Called on several threads at once, also for the same instance. */
  enum poplar_outcome (*ask)(void* instance, const struct poplar_question* question,
                             struct poplar_answer* answer);

  /* Ends an instance. No call of it is under way, and none follows. */
  void (*close)(void* instance);
};

/* What a plug-in exports, also where it is compiled to hide all else. The struct is never freed. */
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif
const struct poplar_plugin* poplar_plugin_entry(void);
#ifdef __GNUC__
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif
