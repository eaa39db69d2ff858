#include "policy/alias_file.h"

#include "base/crc32c.h"
#include "base/file_replace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- lines ---- */

void alias_file_push(alias_file *f, const alias_version *v, char *fallen)
{
    size_t at = 0;
    fallen[0] = 0;
    while (at < f->n && strcmp(f->list[at].policy, v->policy) != 0)
        at++;
    if (at == ALIAS_VERSIONS) {
        at--;
        memcpy(fallen, f->list[at].policy, POLICY_ID_CHARS + 1);
    }
    memmove(f->list + 1, f->list, at * sizeof *f->list);
    f->list[0] = *v;
    if (at == f->n)
        f->n++;
}

static size_t format_line(const alias_version *v, char *out, size_t cap)
{
    int n =
        snprintf(out, cap, "%" PRIu64 " %s %s %s %" PRId64 " %s", v->number, v->policy,
                 v->base ? "base" : "published", v->recompute ? "recompute" : "pin", v->at, v->by);
    n += snprintf(out + n, cap - (size_t)n, " %08" PRIx32 "\n", crc32c(out, (size_t)n));
    return (size_t)n;
}

size_t alias_file_format(const alias_file *f, char *out, size_t cap)
{
    size_t len = 0;
    for (size_t i = 0; i < f->n; i++)
        len += format_line(&f->list[i], out + len, cap - len);
    return len;
}

/* One line without its end. It parses if writing it again gives the same bytes, so there is one
 * spelling of each version. */
static bool parse_line(const char *line, size_t len, alias_version *v)
{
    char text[256], again[512], place[16], in_flight[16];
    uint32_t crc;
    if (len >= sizeof text || memchr(line, 0, len))
        return false;
    memcpy(text, line, len);
    text[len] = 0;
    if (sscanf(text, "%" SCNu64 " %20s %15s %15s %" SCNd64 " %64s %8" SCNx32, &v->number, v->policy,
               place, in_flight, &v->at, v->by, &crc) != 7)
        return false;
    v->base = strcmp(place, "base") == 0;
    v->recompute = strcmp(in_flight, "recompute") == 0;
    return v->number && policy_id_valid(v->policy) &&
           format_line(v, again, sizeof again) == len + 1 && memcmp(again, line, len) == 0;
}

void alias_file_parse(alias_file *f, const char *text, size_t len)
{
    f->n = 0;
    f->lost = true;
    for (bool first = true; len && f->n < ALIAS_VERSIONS; first = false) {
        const char *end = memchr(text, '\n', len);
        const size_t n = end ? (size_t)(end - text) : len;
        alias_version v;
        if (end && parse_line(text, n, &v) && (!f->n || v.number < f->list[f->n - 1].number)) {
            f->lost &= !first;
            f->list[f->n++] = v;
        }
        text += n + (end != NULL);
        len -= n + (end != NULL);
    }
}

/* ---- files ---- */

static bool failed(const char *name, const char *call, error_text *err)
{
    return error_text_set(err, "aliases/%s: %s: %s", name, call, strerror(errno));
}

bool alias_file_read(int dir_fd, const char *name, alias_file *out, error_text *err)
{
    char text[ALIAS_FILE_BYTES + 1];
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return failed(name, "open", err);
    const ssize_t n = read(fd, text, sizeof text);
    const int saved = errno;
    close(fd);
    errno = saved;
    if (n < 0)
        return failed(name, "read", err);
    *out = (alias_file){0};
    snprintf(out->name, sizeof out->name, "%s", name);
    alias_file_parse(out, text, (size_t)n);
    return true;
}

bool alias_file_write(int dir_fd, const alias_file *f, error_text *err)
{
    char text[ALIAS_FILE_BYTES];
    error_text why;
    const size_t len = alias_file_format(f, text, sizeof text);
    return file_replace(dir_fd, f->name, text, len, &why) ||
           error_text_set(err, "aliases/%s: %s", f->name, why.text);
}
