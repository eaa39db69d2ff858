#include "rlhf/dataset.h"

#include "base/arena.h"
#include "base/json.h"
#include "rlhf/row.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024, LINE_BYTES = 32 * 1024 * 1024 };
/* A line of nothing but short list elements needs the most: some 24 bytes of tree for one of text.
 */
static const size_t ROW_BYTES = (size_t)LINE_BYTES * 32;

struct data_reader {
    int fd;
    data_format wanted, found;
    uint64_t line;
    bool at_end;
    char *buffer;           /* [cap] unread bytes are [begin, end) */
    size_t begin, end, cap; /* one byte more than cap is there for a NUL */
    eng_arena arena;        /* of the current row */
    data_row row;
};

const char *data_format_name(data_format format)
{
    static const char *const names[] = {"supervised", "reward_model", "ppo", "pretrain", "unknown"};
    return names[format];
}

job_code data_open(data_reader **out, int fd, data_format wanted, eng_error *err)
{
    data_reader *r = calloc(1, sizeof *r);
    char *buffer = malloc(READ_BYTES + 1);
    *out = r;
    if (!r || !buffer) {
        free(buffer);
        free(r);
        *out = NULL;
        return code_fail(err, INSTRUCTD_E_NOMEM, "no memory to read a data file");
    }
    *r = (data_reader){
        .fd = fd, .wanted = wanted, .found = DATA_ANY, .buffer = buffer, .cap = READ_BYTES};
    eng_arena_init(&r->arena, ROW_BYTES);
    return INSTRUCTD_OK;
}

void data_close(data_reader *r)
{
    if (!r)
        return;
    eng_arena_free(&r->arena);
    free(r->buffer);
    free(r);
}

data_format data_found(const data_reader *r)
{
    return r->found;
}

uint64_t data_line(const data_reader *r)
{
    return r->line;
}

/* ---- lines ---- */

/* Makes room behind `end`: first by moving the unread bytes to the front, then by doubling. */
static bool make_room(data_reader *r)
{
    if (r->begin > 0) {
        memmove(r->buffer, r->buffer + r->begin, r->end - r->begin);
        r->end -= r->begin;
        r->begin = 0;
    }
    if (r->end < r->cap)
        return true;
    char *buffer = r->cap < LINE_BYTES ? realloc(r->buffer, r->cap * 2 + 1) : NULL;
    if (!buffer)
        return false;
    r->buffer = buffer;
    r->cap *= 2;
    return true;
}

static job_code read_more(data_reader *r, eng_error *err)
{
    if (!make_room(r))
        return code_fail(err, INSTRUCTD_E_INVALID,
                         "line %llu: longer than %d bytes, or than memory",
                         (unsigned long long)++r->line, LINE_BYTES);
    ssize_t n;
    do {
        n = read(r->fd, r->buffer + r->end, r->cap - r->end);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return code_fail(err, INSTRUCTD_E_IO, "the data file: read: %s", strerror(errno));
    r->at_end = n == 0;
    r->end += (size_t)n;
    return INSTRUCTD_OK;
}

/* The next line without its end, NUL-terminated; *line NULL at the end of the file. */
static job_code next_line(data_reader *r, char **line, size_t *len, eng_error *err)
{
    size_t looked = 0;
    for (;;) {
        char *start = r->buffer + r->begin;
        char *stop = memchr(start + looked, '\n', r->end - r->begin - looked);
        if (!stop && !r->at_end) {
            looked = r->end - r->begin;
            job_code code = read_more(r, err);
            if (code != INSTRUCTD_OK)
                return code;
            continue;
        }
        if (!stop && r->begin == r->end) {
            *line = NULL;
            return INSTRUCTD_OK;
        }
        *line = start;
        *len = (size_t)((stop ? stop : r->buffer + r->end) - start);
        start[*len] = 0;
        r->begin += *len + (stop ? 1 : 0);
        r->line++;
        return INSTRUCTD_OK;
    }
}

static bool is_blank(const char *line, size_t len)
{
    return strspn(line, " \t\r") == len;
}

/* ---- rows ---- */

/* The first row settles the format: the one wanted, or what its members say. */
static job_code settle_format(data_reader *r, const eng_json *object, eng_error *err)
{
    if (r->found == DATA_ANY)
        r->found = r->wanted != DATA_ANY ? r->wanted : row_format(object);
    if (r->found == DATA_ANY)
        return code_fail(err, INSTRUCTD_E_UNSUPPORTED,
                         "a row of no known format: none of prompt, messages and text is there");
    return INSTRUCTD_OK;
}

static job_code parse_row(data_reader *r, const char *line, size_t len, eng_error *err)
{
    const eng_json *object;
    eng_arena_free(&r->arena);
    if (strncmp(line, "\xEF\xBB\xBF", 3) == 0)
        return code_fail(err, INSTRUCTD_E_INVALID,
                         "expected JSON, found a UTF-8 byte order mark; save the file without one");
    eng_status status = eng_json_parse(&object, line, len, &r->arena, err);
    if (status != ENG_OK)
        return status == ENG_NOMEM ? INSTRUCTD_E_NOMEM : INSTRUCTD_E_INVALID;
    if (object->type != ENG_JSON_OBJECT)
        return code_fail(err, INSTRUCTD_E_INVALID, "expected an object");
    job_code code = settle_format(r, object, err);
    if (code == INSTRUCTD_OK)
        code = row_read(&r->row, r->found, object, &r->arena, err);
    r->row.line = r->line;
    return code;
}

job_code data_next(data_reader *r, const data_row **row, eng_error *err)
{
    char *line;
    size_t len = 0;
    *row = NULL;
    do {
        job_code code = next_line(r, &line, &len, err);
        if (code != INSTRUCTD_OK || !line)
            return code;
    } while (is_blank(line, len));
    eng_error why;
    job_code code = parse_row(r, line, len, &why);
    if (code != INSTRUCTD_OK)
        return code_fail(err, code, "line %llu: %.460s", (unsigned long long)r->line, why.text);
    *row = &r->row;
    return INSTRUCTD_OK;
}
