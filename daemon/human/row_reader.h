/* What the importers share: parts of a line's JSON, checked and named. */
#ifndef DAEMON_HUMAN_ROW_READER_H
#define DAEMON_HUMAN_ROW_READER_H

#include "base/error_text.h"
#include "base/json.h"
#include "human/record.h"

enum { ROW_JSON_MAX_BYTES = 1024 * 1024 }; /* of a value kept as text */

typedef struct row_reader {
    eng_arena *arena;
    uint64_t line;
    error_text *err;
} row_reader;

/* False, with "line N: where: expected ..., found ...". */
bool row_wrong(const row_reader *r, const char *where, const char *expected, const eng_json *found);
bool row_no_memory(const row_reader *r);

/* Each false with *err. Strings point into the arena. */
bool row_string(const row_reader *r, const char *where, const eng_json *node, const char **out);
/* NULL for an absent member and null. */
bool row_optional_string(const row_reader *r, const char *where, const eng_json *node,
                         const char **out);
/* A string, or messages that end with the user. */
bool row_prompt(const row_reader *r, const char *where, const eng_json *node, record_prompt *out);
/* A string, or a list of the one message of the assistant. */
bool row_answer(const row_reader *r, const char *where, const eng_json *node, const char **out);
/* A message's role ("developer" reads as system) and content (a string, or parts of text). */
bool row_message(const row_reader *r, const char *where, const eng_json *node, record_message *out);
/* n outputs, zeroed, for the record; false: no memory. */
bool row_outputs(const row_reader *r, record *out, uint32_t n);
/* The value as text again, in the arena; NULL for an absent member and null. */
bool row_json(const row_reader *r, const eng_json *node, const char **out);

#endif
