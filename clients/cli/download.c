#include "download.h"

#include "base/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct receiving {
    const download *d;
    progress_line *bar;
    int fd, error; /* errno of a write that failed, 0 = none */
    uint64_t bytes;
    eng_sha256 sha;
} receiving;

static bool on_bytes(void *ctx, const char *bytes, size_t n)
{
    receiving *r = ctx;
    eng_sha256_update(&r->sha, bytes, n);
    r->bytes += n;
    while (n) {
        ssize_t put = write(r->fd, bytes, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) {
            r->error = errno;
            return false;
        }
        bytes += put;
        n -= (size_t)put;
    }
    progress_transfer(r->bar, r->d->name, r->bytes, r->d->bytes);
    return r->bytes <= r->d->bytes;
}

static exit_code compare(receiving *r, problem *p)
{
    char sha256[ENG_SHA256_HEX];
    eng_sha256_final_hex(&r->sha, sha256);
    if (r->error)
        return problem_set(p, EXIT_SERVER, "cannot write %s: %s", r->d->name, strerror(r->error));
    if (r->bytes != r->d->bytes)
        return problem_set(p, EXIT_CUT, "%s came with %s%llu bytes, expected %llu", r->d->name,
                           r->bytes > r->d->bytes ? "more than " : "",
                           (unsigned long long)(r->bytes > r->d->bytes ? r->d->bytes : r->bytes),
                           (unsigned long long)r->d->bytes);
    if (strcmp(sha256, r->d->sha256) != 0)
        return problem_set(p, EXIT_CUT, "%s came damaged: SHA-256 %.16s…, expected %.16s…",
                           r->d->name, sha256, r->d->sha256);
    return EXIT_DONE;
}

exit_code download_file(server *s, const download *d, int dir_fd, progress_line *bar, problem *p)
{
    receiving r = {.d = d, .bar = bar};
    http_reply reply;
    eng_sha256_init(&r.sha);
    r.fd = openat(dir_fd, d->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (r.fd < 0)
        return problem_set(p, EXIT_SERVER, "cannot make %s: %s", d->name, strerror(errno));
    http_call call = {.path = d->path, .on_body = on_bytes, .ctx = &r};
    exit_code code = server_exchange(s, &call, &reply, p);
    http_reply_free(&reply);
    if (close(r.fd) != 0 && !r.error)
        r.error = errno;
    if (code == EXIT_DONE)
        code = compare(&r, p);
    if (code != EXIT_DONE)
        unlinkat(dir_fd, d->name, 0);
    return code;
}
