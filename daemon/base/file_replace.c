#include "base/file_replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool failed(const char *call, error_text *err)
{
    return error_text_set(err, "%s: %s", call, strerror(errno));
}

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        const ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

/* A new file, so that nobody has it open and its mode is ours. */
static bool write_beside(int dir_fd, const char *tmp, const void *bytes, size_t len,
                         error_text *err)
{
    unlinkat(dir_fd, tmp, 0);
    const int fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed("open", err);
    bool ok = write_all(fd, bytes, len) || failed("write", err);
    ok = ok && (fsync(fd) == 0 || failed("fsync", err));
    if (close(fd) != 0 && ok)
        ok = failed("close", err);
    return ok;
}

bool file_replace(int dir_fd, const char *name, const void *bytes, size_t len, error_text *err)
{
    char tmp[NAME_MAX + 1];
    if ((size_t)snprintf(tmp, sizeof tmp, "%s.tmp", name) >= sizeof tmp) {
        errno = ENAMETOOLONG;
        return failed("open", err);
    }
    bool ok = write_beside(dir_fd, tmp, bytes, len, err);
    ok = ok && (renameat(dir_fd, tmp, dir_fd, name) == 0 || failed("rename", err));
    if (!ok) {
        unlinkat(dir_fd, tmp, 0);
        return false;
    }
    return fsync(dir_fd) == 0 || failed("fsync of the folder", err);
}

bool file_replace_in(const char *dir, const char *name, const void *bytes, size_t len,
                     error_text *err)
{
    const int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return failed("open", err);
    const bool ok = file_replace(dir_fd, name, bytes, len, err);
    close(dir_fd);
    return ok;
}
