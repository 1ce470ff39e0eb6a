/* A complete plug-in: users in a text file, one a line, fields by tabs:
 *
 *   login    account    stored password    [quota in octets]
 *
 *   alice@example.org    5f21c0de    $6$...    1000000000
 *
 * The stored password is what `openssl passwd -6` prints, or of another scheme of auth/README.md;
 * weak ones, {PLAIN} among them, need weak_schemes = true in the back end's section.
 *
 * The file is read for each question, so a change counts from the next one on; a lookup of a few
 * thousand lines takes a millisecond, and Poplar remembers right passwords for a while. Lines that
 * begin with '#' are comments.
 *
 * In the configuration:
 *
 *   [backend.flat]
 *   plugin = "/usr/local/lib/poplar/example.so"
 *   file = "/etc/poplar/users.txt"
 *
 *   [auth]
 *   chain = ["flat"]
 */

#define _POSIX_C_SOURCE 200809L /* getline, strdup, whatever -std says. */

#include <errno.h>
#include <poplar/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct flat_file {
  const struct poplar_host* host;
  char* path;
};

static void* flat_open(const struct poplar_host* host, const struct poplar_setting* settings,
                       char* fault, size_t fault_bytes) {
  const char* path = NULL;
  for (const struct poplar_setting* setting = settings; setting->name != NULL; ++setting) {
    if (strcmp(setting->name, "file") == 0) {
      path = setting->value;
    } else {
      snprintf(fault, fault_bytes, "there is no setting \"%s\"; there is \"file\"", setting->name);
      return NULL;
    }
  }
  if (path == NULL) {
    snprintf(fault, fault_bytes, "\"file\" is missing: where the users are");
    return NULL;
  }
  struct flat_file* flat = malloc(sizeof *flat);
  if (flat == NULL) return NULL;
  flat->host = host;
  flat->path = strdup(path);
  if (flat->path == NULL) {
    free(flat);
    return NULL;
  }
  return flat;
}

static void flat_close(void* instance) {
  struct flat_file* flat = instance;
  free(flat->path);
  free(flat);
}

/* The field up to the next tab or the end; moves on behind it. */
static char* next_field(char** line) {
  char* const field = *line;
  if (field == NULL) return NULL;
  char* const tab = strchr(field, '\t');
  if (tab == NULL) {
    *line = NULL;
  } else {
    *tab = '\0';
    *line = tab + 1;
  }
  return field;
}

/* The outcome, and why: the operator finds it in the server's log. */
static enum poplar_outcome say(const struct flat_file* flat, struct poplar_answer* answer,
                               enum poplar_outcome outcome, const char* why) {
  flat->host->set(answer, POPLAR_REASON, why, strlen(why));
  return outcome;
}

static enum poplar_outcome answer_from(const struct flat_file* flat, char* rest,
                                       const struct poplar_question* question,
                                       struct poplar_answer* answer) {
  const char* const account = next_field(&rest);
  const char* const stored = next_field(&rest);
  const char* const quota = next_field(&rest);
  if (account == NULL || *account == '\0') {
    /* One line is wrong, the others are not: no UNREACHABLE. */
    return say(flat, answer, POPLAR_TEMPORARY, "its line has no account");
  }
  flat->host->set(answer, POPLAR_ACCOUNT, account, strlen(account));
  if (quota != NULL) flat->host->set(answer, POPLAR_QUOTA_OCTETS, quota, strlen(quota));
  if (question->operation == POPLAR_RESOLVE) return POPLAR_OK;
  /* Poplar compares: it knows the schemes, and takes the same time for every verdict. */
  if (stored == NULL || *stored == '\0') return POPLAR_REFUSED;
  flat->host->set(answer, POPLAR_STORED_PASSWORD, stored, strlen(stored));
  return POPLAR_OK;
}

static enum poplar_outcome flat_ask(void* instance, const struct poplar_question* question,
                                    struct poplar_answer* answer) {
  const struct flat_file* flat = instance;
  if (question->operation != POPLAR_RESOLVE && question->operation != POPLAR_VERIFY_PASSWORD) {
    return POPLAR_UNSUPPORTED;
  }
  FILE* const file = fopen(flat->path, "re");
  if (file == NULL) {
    /* Not "unknown": who is in the file cannot be told now. */
    return say(flat, answer, POPLAR_UNREACHABLE, strerror(errno));
  }
  enum poplar_outcome outcome = POPLAR_UNKNOWN;
  char* line = NULL;
  size_t line_size = 0;
  while (outcome == POPLAR_UNKNOWN && getline(&line, &line_size, file) > 0) {
    line[strcspn(line, "\r\n")] = '\0';
    char* rest = line;
    if (line[0] != '#' && strcmp(next_field(&rest), question->login) == 0) {
      outcome = answer_from(flat, rest, question, answer);
    }
  }
  if (ferror(file)) {
    outcome = say(flat, answer, POPLAR_UNREACHABLE, "the file cannot be read to its end");
  }
  free(line);
  fclose(file);
  return outcome;
}

const struct poplar_plugin* poplar_plugin_entry(void) {
  static const struct poplar_plugin plugin = {
      .version = POPLAR_PLUGIN_VERSION,
      .struct_bytes = sizeof(struct poplar_plugin),
      .name = "example",
      .operations = POPLAR_RESOLVE | POPLAR_VERIFY_PASSWORD,
      .open = flat_open,
      .ask = flat_ask,
      .close = flat_close,
  };
  return &plugin;
}
