/* A plug-in that does what its question says, for tests of what plug-ins may do to a server:
 *
 *   ok@…        knows the password "secret"; account "of " and the login
 *   alias@…     the same, and is real@ by another name
 *   foreign@…   the same, and says that it is ok@other.example
 *   slow@…      the same, after 300 ms, or what `slow_ms` says
 *   deadline@…  the same, and its account is the milliseconds that it was told
 *   hold@…      the same, once the file `hold` is gone
 *   hang@…      never comes back
 *   hang+…@…    is unknown, after as long as slow@ takes
 *   crash@…     ends the process
 *   flood@…     from now on says something for the log as fast as it can, then as ok@
 *   leak@…      keeps 64 MiB a question, then as ok@
 *   gone@…      nobody can be reached
 *   down@…      cannot be answered
 *   mute@…      the same, and not why
 *   lie@…       right, but names no account
 *   longlie@…   right, with an account of 200 octets
 *   strange@…   gives an outcome that there is not
 *   off@…       switched off
 *   stored@…    hands out a stored password
 *   offstored@… the same, of an account that is switched off
 *
 * All others are unknown. The setting `refuse` makes it refuse to open; `prefix` stands before its
 * accounts; `only` is the one local part that it knows; `tenants` is how many tenants it tells, or
 * one of "hang", "crash", "down" and "deadline", which tells one that is called after the
 * milliseconds; while there is a file `hang_open`, opening never comes back.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/plugin.h"

#ifndef TROUBLE_VERSION
#define TROUBLE_VERSION POPLAR_PLUGIN_VERSION
#endif

struct trouble {
  const struct poplar_host* host;
  char prefix[64];
  char only[64];
  char tenants[16];
  char hold[256];
  unsigned slow_ms;
};

static void* trouble_open(const struct poplar_host* host, const struct poplar_setting* settings,
                          char* fault, size_t fault_bytes) {
  struct trouble* made = calloc(1, sizeof *made);
  if (made == NULL) return NULL;
  made->host = host;
  made->slow_ms = 300;
  for (; settings->name != NULL; ++settings) {
    if (strcmp(settings->name, "refuse") == 0) {
      snprintf(fault, fault_bytes, "refused: %s", settings->value);
      free(made);
      return NULL;
    }
    if (strcmp(settings->name, "hang_open") == 0 && access(settings->value, F_OK) == 0) {
      for (;;) pause();
    }
    if (strcmp(settings->name, "only") == 0) {
      snprintf(made->only, sizeof made->only, "%s", settings->value);
    }
    if (strcmp(settings->name, "slow_ms") == 0) made->slow_ms = (unsigned)atol(settings->value);
    if (strcmp(settings->name, "tenants") == 0) {
      snprintf(made->tenants, sizeof made->tenants, "%s", settings->value);
    }
    if (strcmp(settings->name, "hold") == 0) {
      snprintf(made->hold, sizeof made->hold, "%s", settings->value);
    }
    if (strcmp(settings->name, "prefix") == 0) {
      snprintf(made->prefix, sizeof made->prefix, "%s", settings->value);
    }
  }
  host->log(POPLAR_INFO, "opened");
  return made;
}

static int is(const struct poplar_question* question, const char* who) {
  const size_t length = strlen(who);
  return strncmp(question->login, who, length) == 0 && question->login[length] == '@';
}

static enum poplar_outcome known(const struct trouble* trouble,
                                 const struct poplar_question* question,
                                 struct poplar_answer* answer) {
  char account[400];
  const int length =
      is(question, "deadline")
          ? snprintf(account, sizeof account, "%u", question->deadline_ms)
          : snprintf(account, sizeof account, "%sof %s", trouble->prefix, question->login);
  trouble->host->set(answer, POPLAR_ACCOUNT, account, (size_t)length);
  trouble->host->set(answer, POPLAR_QUOTA_MESSAGES, "7", 1);
  if (is(question, "quota")) trouble->host->set(answer, POPLAR_QUOTA_OCTETS, "-5", 2);
  if (is(question, "again")) {
    trouble->host->set(answer, POPLAR_QUOTA_OCTETS, "5 MB", 4);
    trouble->host->set(answer, POPLAR_QUOTA_OCTETS, "12345", 5);
  }
  switch (question->operation) {
    case POPLAR_RESOLVE:
      return POPLAR_OK;
    case POPLAR_VERIFY_PASSWORD:
    case POPLAR_VERIFY_TOKEN:
      return question->secret_bytes == 6 && memcmp(question->secret, "secret", 7) == 0
                 ? POPLAR_OK
                 : POPLAR_REFUSED;
    case POPLAR_FETCH_VERIFIER: {
      /* RFC 7677's example: of "pencil". */
      static const char keys[] =
          "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
          ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
      trouble->host->set(answer, POPLAR_VERIFIER, keys, strlen(keys));
      return POPLAR_OK;
    }
    case POPLAR_LIST_TENANTS:
      break;
  }
  return POPLAR_UNSUPPORTED;
}

static enum poplar_outcome known_by_another_address(const struct trouble* trouble,
                                                    const struct poplar_question* question,
                                                    struct poplar_answer* answer) {
  char address[256];
  const int length = is(question, "foreign")
                         ? snprintf(address, sizeof address, "ok@other.example")
                         : snprintf(address, sizeof address, "Real%s", question->login + 5);
  trouble->host->set(answer, POPLAR_ADDRESS, address, (size_t)length);
  return known(trouble, question, answer);
}

static enum poplar_outcome list_tenants(const struct trouble* trouble,
                                        const struct poplar_question* question,
                                        struct poplar_answer* answer) {
  if (trouble->tenants[0] == '\0') return POPLAR_UNSUPPORTED;
  if (strcmp(trouble->tenants, "hang") == 0) {
    for (;;) pause();
  }
  if (strcmp(trouble->tenants, "crash") == 0) abort();
  if (strcmp(trouble->tenants, "down") == 0) {
    trouble->host->set(answer, POPLAR_REASON, "the directory is down", 21);
    return POPLAR_TEMPORARY;
  }
  if (strcmp(trouble->tenants, "deadline") == 0) {
    char text[64];
    const int length = snprintf(text, sizeof text, "name=%u\n", question->deadline_ms);
    if (strcmp(question->login, "0") == 0) {
      trouble->host->set(answer, POPLAR_TENANT, text, (size_t)length);
    }
    return POPLAR_OK;
  }
  const long tenants = atol(trouble->tenants);
  for (long i = atol(question->login); i < tenants; ++i) {
    char text[64];
    const int length = snprintf(text, sizeof text, "name=t%ld\ndomain=t%ld.example\n", i, i);
    if (trouble->host->set(answer, POPLAR_TENANT, text, (size_t)length) != 0) break;
  }
  return POPLAR_OK;
}

static void* flood(void* host) {
  for (;;) ((const struct poplar_host*)host)->log(POPLAR_INFO, "again and again");
  return NULL;
}

static int is_ordinary(const struct poplar_question* question) {
  return is(question, "ok") || is(question, "slow") || is(question, "deadline") ||
         is(question, "quota") || is(question, "again");
}

static enum poplar_outcome trouble_ask(void* instance, const struct poplar_question* question,
                                       struct poplar_answer* answer) {
  const struct trouble* trouble = instance;
  if (question->operation == POPLAR_LIST_TENANTS) return list_tenants(trouble, question, answer);
  if (trouble->only[0] != '\0' && !is(question, trouble->only)) return POPLAR_UNKNOWN;
  if (is(question, "hang")) {
    for (;;) pause();
  }
  if (strncmp(question->login, "hang+", 5) == 0) {
    usleep((useconds_t)trouble->slow_ms * 1000);
    return POPLAR_UNKNOWN;
  }
  if (is(question, "crash")) abort();
  if (is(question, "gone")) {
    trouble->host->set(answer, POPLAR_REASON, "no connection", 13);
    return POPLAR_UNREACHABLE;
  }
  if (is(question, "down")) {
    trouble->host->set(answer, POPLAR_REASON, "the directory is down", 21);
    return POPLAR_TEMPORARY;
  }
  if (is(question, "mute")) return POPLAR_TEMPORARY;
  if (is(question, "lie")) return POPLAR_OK;
  if (is(question, "longlie")) {
    char account[200];
    memset(account, 'a', sizeof account);
    trouble->host->set(answer, POPLAR_ACCOUNT, account, sizeof account);
    return POPLAR_OK;
  }
  if (is(question, "strange")) return (enum poplar_outcome)99;
  if (is(question, "off")) return POPLAR_DISABLED;
  if (is(question, "slow")) usleep((useconds_t)trouble->slow_ms * 1000);
  /* Knows tokens of accounts that are others'. */
  if (is(question, "token") && question->operation == POPLAR_VERIFY_TOKEN) return POPLAR_OK;
  /* Gets mail, and may not log in. */
  if (is(question, "mailonly") && question->mechanism[0] != '\0') return POPLAR_DISABLED;
  if (is(question, "token") || is(question, "mailonly")) return known(trouble, question, answer);
  if (is(question, "leak")) {
    const size_t bytes = (size_t)64 << 20;
    char* const kept = malloc(bytes);
    if (kept != NULL) memset(kept, 1, bytes);
    return known(trouble, question, answer);
  }
  if (is(question, "stored") || is(question, "offstored")) {
    known(trouble, question, answer);
    static const char stored[] =
        "$6$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix19DxoMBLogdTET5Ukw9Sf7eZTITsuk"
        "0Ry5qulYz.";
    trouble->host->set(answer, POPLAR_STORED_PASSWORD, stored, strlen(stored));
    return is(question, "stored") ? POPLAR_OK : POPLAR_DISABLED;
  }
  if (is(question, "flood")) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, flood, (void*)trouble->host) == 0) pthread_detach(thread);
    return known(trouble, question, answer);
  }
  if (is(question, "alias") || is(question, "foreign")) {
    return known_by_another_address(trouble, question, answer);
  }
  if (is(question, "hold")) {
    while (access(trouble->hold, F_OK) == 0) usleep(1000);
    return known(trouble, question, answer);
  }
  if (is_ordinary(question)) {
    return known(trouble, question, answer);
  }
  return POPLAR_UNKNOWN;
}

static void trouble_close(void* instance) { free(instance); }

const struct poplar_plugin* poplar_plugin_entry(void) {
  static const struct poplar_plugin plugin = {
      .version = TROUBLE_VERSION,
      .struct_bytes = sizeof(struct poplar_plugin),
      .name = "trouble",
      .operations = POPLAR_RESOLVE | POPLAR_VERIFY_PASSWORD | POPLAR_FETCH_VERIFIER |
                    POPLAR_VERIFY_TOKEN | POPLAR_LIST_TENANTS,
      .open = trouble_open,
      .ask = trouble_ask,
      .close = trouble_close,
  };
  return &plugin;
}
