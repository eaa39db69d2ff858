/* A line of somebody's data: whatever it holds, it is refused with a reason or becomes rows that
 * every format can be asked for, and our own format reads what it wrote. The first byte chooses the
 * format that the line is read as. */
#include "human/formats.h"
#include "human/kind.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES = 64 << 20, OUT_BYTES = 64 << 20 };

/* All rows in our format; NULL if that is nothing. */
static char *written(const record_list *rows)
{
    buf out;
    size_t len;
    buf_init(&out, OUT_BYTES);
    for (size_t i = 0; i < rows->n; i++)
        if (record_export(&out, &rows->rows[i], FORMAT_INSTRUCTD) != 1)
            abort();
    return buf_take(&out, &len);
}

static void check_round_trip(const char *text)
{
    eng_arena arena;
    record_list rows = {0};
    error_text err;
    eng_arena_init(&arena, ARENA_BYTES);
    record_import in = {FORMAT_INSTRUCTD, "again", &arena, &rows};
    uint64_t line = 0;
    for (const char *at = text; *at;) {
        const size_t n = strcspn(at, "\n");
        char *copy = strndup(at, n);
        if (!record_import_line(&in, copy, n, ++line, &err))
            abort();
        free(copy);
        at += n + 1;
    }
    char *again = written(&rows);
    if (!again || strcmp(again, text) != 0)
        abort();
    free(again);
    record_list_free(&rows);
    eng_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eng_arena arena;
    record_list rows = {0};
    error_text err = {""};
    if (size == 0 || size > 1 << 16)
        return 0;
    eng_arena_init(&arena, ARENA_BYTES);
    char *line = malloc(size); /* the input has no NUL, which strndup may look for */
    if (!line)
        abort();
    memcpy(line, data + 1, size - 1);
    line[size - 1] = 0;
    record_import in = {(record_format)(data[0] % (RECORD_FORMATS + 1)), "fuzz", &arena, &rows};
    const bool ok = record_import_line(&in, line, strlen(line), 1, &err);
    if (ok ? in.format == FORMAT_GUESS && rows.n : rows.n || strncmp(err.text, "line 1: ", 8) != 0)
        abort();
    char *text = written(&rows);
    if (text)
        check_round_trip(text);
    free(text);
    for (size_t i = 0; i < rows.n; i++) {
        buf out;
        buf_init(&out, OUT_BYTES);
        for (int f = 0; f < RECORD_FORMATS; f++)
            record_export(&out, &rows.rows[i], (record_format)f);
        buf_free(&out);
        for (int k = 0; k < DATASET_KINDS; k++) {
            record copy = rows.rows[i];
            dataset_kind_fit((dataset_kind)k, &copy);
        }
    }
    record_list_free(&rows);
    eng_arena_free(&arena);
    free(line);
    return 0;
}
