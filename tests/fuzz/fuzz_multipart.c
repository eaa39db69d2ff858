/* A form's body: reads the same whole and in pieces, and hands on no more than it was given. The
 * first byte is the size of the pieces, a line the boundary, the rest the body. */
#include "api/multipart.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct trace {
    uint64_t hash;
    size_t data;
    int open, parts;
} trace;

static void mix(trace *t, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        t->hash = (t->hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3u;
}

static bool on_begin(void *arg, const char *name, const char *filename, api_error *err)
{
    (void)err;
    trace *t = arg;
    if (t->open++ || strlen(name) > MULTIPART_NAME_MAX ||
        (filename && strlen(filename) > MULTIPART_FILENAME_MAX))
        abort();
    t->parts++;
    mix(t, name, strlen(name) + 1);
    if (filename)
        mix(t, filename, strlen(filename) + 1);
    return true;
}

static bool on_data(void *arg, const char *bytes, size_t len, api_error *err)
{
    (void)err;
    trace *t = arg;
    if (t->open != 1 || len == 0)
        abort();
    t->data += len;
    mix(t, bytes, len);
    return true;
}

static bool on_end(void *arg, api_error *err)
{
    (void)err;
    trace *t = arg;
    if (--t->open)
        abort();
    mix(t, ";", 1);
    return true;
}

static bool run(trace *t, const char *type, const char *body, size_t len, size_t piece)
{
    const multipart_sink sink = {on_begin, on_data, on_end, t};
    multipart m;
    api_error err;
    if (!multipart_begin(&m, type, &sink, &err))
        return false;
    for (size_t at = 0; at < len; at += piece) {
        const size_t n = len - at < piece ? len - at : piece;
        char *exact = malloc(n); /* so that reading past a piece shows */
        memcpy(exact, body + at, n);
        const bool ok = multipart_feed(&m, exact, n, &err);
        free(exact);
        if (!ok)
            return false;
    }
    return multipart_end(&m, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const size_t piece = data[0] % 16 + 1;
    const char *text = (const char *)data + 1;
    const char *line = memchr(text, '\n', size - 1);
    if (!line || line - text > 120)
        return 0;
    char type[200];
    snprintf(type, sizeof type, "multipart/form-data; boundary=%.*s", (int)(line - text), text);
    const size_t len = size - 1 - (size_t)(line + 1 - text);
    trace whole = {0}, pieces = {0};
    const bool a = run(&whole, type, line + 1, len, len ? len : 1);
    const bool b = run(&pieces, type, line + 1, len, piece);
    if (a != b || whole.hash != pieces.hash || whole.data != pieces.data || whole.data > len)
        abort();
    if (a && (whole.open || !whole.parts))
        abort();
    return 0;
}
