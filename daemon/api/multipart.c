#include "api/multipart.h"

#include "api/multipart_head.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef enum multipart_state {
    AT_START, /* inside the first boundary */
    AFTER,    /* behind a delimiter: CRLF or -- */
    IN_HEAD,  /* of a part */
    IN_DATA,  /* of a part; `matched` bytes of a delimiter are held back */
    AT_END,   /* behind the last boundary: a CRLF, or nothing */
    FINISHED
} multipart_state;

static bool bad(api_error *err, const char *what)
{
    return api_invalid(err, "invalid_value", NULL, "multipart/form-data: %s", what);
}

/* ---- the boundary ---- */

static bool boundary_valid(const char *b)
{
    const size_t n = strspn(b, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                               "'()+_,-./:=? ");
    return n >= 1 && n <= MULTIPART_BOUNDARY_MAX && !b[n] && b[n - 1] != ' ';
}

/* The one boundary among the parameters of a Content-Type. */
static bool find_boundary(const char *parameters, char boundary[MULTIPART_BOUNDARY_MAX + 1],
                          api_error *err)
{
    bool found = false;
    for (const char *at = parameters; *at;) {
        char name[32], value[128];
        if (!multipart_parameter(&at, name, value, sizeof value))
            return bad(err, "the Content-Type cannot be read");
        if (strcasecmp(name, "boundary") != 0)
            continue;
        if (found || !boundary_valid(value))
            return bad(err, "the Content-Type's boundary is not one of 1 to 70 allowed characters");
        strcpy(boundary, value);
        found = true;
    }
    return found || bad(err, "the Content-Type names no boundary");
}

bool multipart_begin(multipart *m, const char *content_type, const multipart_sink *sink,
                     api_error *err)
{
    static const char type[] = "multipart/form-data";
    const size_t n = strcspn(content_type, "; \t");
    if (n != sizeof type - 1 || strncasecmp(content_type, type, n) != 0)
        return api_fail(err, 415, "invalid_request_error", NULL, NULL, "the body must be %s", type);
    char boundary[MULTIPART_BOUNDARY_MAX + 1];
    if (!find_boundary(content_type + n + strspn(content_type + n, " \t"), boundary, err))
        return false;
    *m = (multipart){.sink = *sink, .state = AT_START, .matched = 2}; /* no CRLF before the first */
    strcpy(m->delimiter, "\r\n--");
    strcat(m->delimiter, boundary);
    m->delimiter_len = strlen(m->delimiter);
    return true;
}

/* ---- states: each takes some bytes from *at and may change the state ---- */

static bool take_start(multipart *m, const char **at, api_error *err)
{
    if (*(*at)++ != m->delimiter[m->matched++])
        return bad(err, "the body does not begin with its boundary");
    if (m->matched == m->delimiter_len) {
        m->state = AFTER;
        m->matched = 0;
    }
    return true;
}

/* The two bytes that tell what a boundary is followed by. */
static bool take_after(multipart *m, const char **at, api_error *err)
{
    m->tail[m->matched++] = *(*at)++;
    if (m->matched < 2)
        return true;
    m->matched = 0;
    if (memcmp(m->tail, "--", 2) == 0) {
        m->state = AT_END;
        return m->parts > 0 || bad(err, "a body without parts");
    }
    if (memcmp(m->tail, "\r\n", 2) != 0)
        return bad(err, "a boundary that is followed by neither a line end nor --");
    if (++m->parts > MULTIPART_PARTS_MAX)
        return api_invalid(err, "invalid_value", NULL, "multipart/form-data: more than %d parts",
                           MULTIPART_PARTS_MAX);
    m->state = IN_HEAD;
    m->head_len = 0;
    return true;
}

static bool head_ended(const multipart *m)
{
    const char *end = m->head + m->head_len;
    return (m->head_len == 2 && memcmp(m->head, "\r\n", 2) == 0) ||
           (m->head_len >= 4 && memcmp(end - 4, "\r\n\r\n", 4) == 0);
}

static bool take_head(multipart *m, const char **at, api_error *err)
{
    const char c = *(*at)++;
    if (c == 0)
        return bad(err, "a control byte in a part's head");
    if (m->head_len == MULTIPART_HEAD_MAX)
        return api_invalid(err, "invalid_value", NULL,
                           "multipart/form-data: a part's head of more than %d bytes",
                           MULTIPART_HEAD_MAX);
    m->head[m->head_len++] = c;
    if (!head_ended(m))
        return true;
    m->head[m->head_len - 2] = 0;
    multipart_head head;
    if (!multipart_head_parse(m->head, &head, err))
        return false;
    m->state = IN_DATA;
    m->matched = 0;
    return m->sink.begin(m->sink.arg, head.name, head.has_filename ? head.filename : NULL, err);
}

static bool emit(multipart *m, const char *bytes, size_t len, api_error *err)
{
    return len == 0 || m->sink.data(m->sink.arg, bytes, len, err);
}

/* CR stands at the delimiter's begin and nowhere else in it, so after a mismatch the match starts
 * anew at the byte that did not fit: what was held back is data. */
static bool take_data(multipart *m, const char **at, const char *end, api_error *err)
{
    if (m->matched == 0) {
        const char *cr = memchr(*at, '\r', (size_t)(end - *at));
        const char *stop = cr ? cr : end;
        const char *from = *at;
        *at = stop;
        if (!emit(m, from, (size_t)(stop - from), err))
            return false;
        if (!cr)
            return true;
    }
    if (**at != m->delimiter[m->matched]) {
        const size_t held = m->matched;
        m->matched = 0;
        return emit(m, m->delimiter, held, err);
    }
    ++*at;
    if (++m->matched < m->delimiter_len)
        return true;
    m->state = AFTER;
    m->matched = 0;
    return m->sink.end(m->sink.arg, err);
}

static bool take_end(multipart *m, const char **at, api_error *err)
{
    if (m->state == FINISHED || *(*at)++ != "\r\n"[m->matched++])
        return bad(err, "bytes behind the last boundary");
    if (m->matched == 2)
        m->state = FINISHED;
    return true;
}

bool multipart_feed(multipart *m, const char *bytes, size_t len, api_error *err)
{
    const char *at = bytes, *end = bytes + len;
    bool ok = true;
    while (ok && at < end) {
        switch ((multipart_state)m->state) {
        case AT_START:
            ok = take_start(m, &at, err);
            break;
        case AFTER:
            ok = take_after(m, &at, err);
            break;
        case IN_HEAD:
            ok = take_head(m, &at, err);
            break;
        case IN_DATA:
            ok = take_data(m, &at, end, err);
            break;
        case AT_END:
        case FINISHED:
            ok = take_end(m, &at, err);
            break;
        }
    }
    return ok;
}

bool multipart_end(const multipart *m, api_error *err)
{
    if (m->state == FINISHED || (m->state == AT_END && m->matched == 0))
        return true;
    return bad(err, "the body ends before its last boundary");
}
