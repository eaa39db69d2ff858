#include "formats/file.h"

#include "base/pace.h"
#include "base/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

eng_status eng__file_adopt(eng__file *file, int fd, eng_error *err)
{
    struct stat st;
    *file = (eng__file){.fd = fd};
    eng_status status = ENG_OK;
    if (fstat(fd, &st) != 0)
        status = eng_fail(err, ENG_IO, "fstat: %s", strerror(errno));
    else if (!S_ISREG(st.st_mode))
        status = eng_fail(err, ENG_INVALID, "not a regular file");
    else
        file->size = (uint64_t)st.st_size;
    if (status != ENG_OK)
        eng__file_close(file);
    return status;
}

eng_status eng__file_open(eng__file *file, int dir_fd, const char *path, eng_error *err)
{
    file->fd = -1;
    /* O_NONBLOCK: opening a named pipe must not wait for its writer. */
    int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return eng_fail(err, ENG_IO, "%s: %s", path, strerror(errno));
    eng_error why;
    eng_status status = eng__file_adopt(file, fd, &why);
    if (status != ENG_OK)
        return eng_fail(err, status, "%s: %s", path, why.text);
    return ENG_OK;
}

void eng__file_close(eng__file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

/* pread; who minds waiting takes what is in memory first, and hears of it when nothing is. That is
 * EAGAIN, or on Linux 5.9 and 5.10 a 0 as if the file ended: whether it does, pread tells. */
static ssize_t read_piece(int fd, void *dst, size_t n, off_t offset)
{
    const struct iovec to = {dst, n};
    if (eng__pace_minds_waiting()) {
        const ssize_t got = preadv2(fd, &to, 1, offset, RWF_NOWAIT);
        if (got > 0)
            return got;
        if (got == 0 || errno == EAGAIN)
            eng__pace_waits();
    }
    return pread(fd, dst, n, offset);
}

eng_status eng__file_read(const eng__file *file, uint64_t offset, void *dst, size_t n,
                          eng_error *err)
{
    char *p = dst;
    if (offset > file->size || n > file->size - offset)
        return eng_fail(err, ENG_FORMAT, "%zu bytes at offset %llu: the file has %llu", n,
                        (unsigned long long)offset, (unsigned long long)file->size);
    while (n) {
        ssize_t got = read_piece(file->fd, p, eng__pace_bytes(n), (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return eng_fail(err, ENG_IO, "read at offset %llu: %s", (unsigned long long)offset,
                            strerror(errno));
        if (got == 0)
            return eng_fail(err, ENG_IO, "the file was truncated to %llu bytes while in use",
                            (unsigned long long)offset);
        p += got;
        n -= (size_t)got;
        offset += (uint64_t)got;
    }
    return ENG_OK;
}

eng_status eng__file_slurp(int dir_fd, const char *path, size_t max, char **out, size_t *len,
                           eng_error *err)
{
    eng__file file;
    eng_status status = eng__file_open(&file, dir_fd, path, err);
    if (status != ENG_OK)
        return status;
    char *text = NULL;
    if (file.size > max) {
        status = eng_fail(err, ENG_FORMAT, "%s: %llu bytes, at most %zu are read", path,
                          (unsigned long long)file.size, max);
        goto out_close;
    }
    text = malloc((size_t)file.size + 1);
    if (!text) {
        status = eng_fail(err, ENG_NOMEM, "%s: no memory for its %llu bytes", path,
                          (unsigned long long)file.size);
        goto out_close;
    }
    status = eng__file_read(&file, 0, text, (size_t)file.size, err);
    if (status != ENG_OK) {
        free(text);
        goto out_close;
    }
    text[file.size] = 0;
    *out = text;
    *len = (size_t)file.size;
out_close:
    eng__file_close(&file);
    return status;
}

eng_status eng__file_digest(const eng__file *file, char hex[65], eng_error *err)
{
    enum { PIECE_BYTES = 256 * 1024 };
    eng_sha256 sha;
    eng_sha256_init(&sha);
    uint8_t *piece = malloc(PIECE_BYTES);
    if (!piece)
        return eng_fail(err, ENG_NOMEM, "no memory to read the file");
    eng_status status = ENG_OK;
    for (uint64_t at = 0; at < file->size && status == ENG_OK; at += PIECE_BYTES) {
        uint64_t left = file->size - at;
        size_t n = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        status = eng__file_read(file, at, piece, n, err);
        if (status == ENG_OK)
            eng_sha256_update(&sha, piece, n);
    }
    free(piece);
    eng_sha256_final_hex(&sha, hex);
    return status;
}

bool eng__file_sync(int fd)
{
    eng__pace_waits();
    return fsync(fd) == 0;
}

bool eng__write_all(int fd, const void *data, size_t n)
{
    for (const char *p = data; n;) {
        ssize_t put = write(fd, p, eng__pace_bytes(n));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        p += put;
        n -= (size_t)put;
    }
    return true;
}
