#include "base/data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool make_dirs(const char *path, error_text *err)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part)
        return error_text_set(err, "the data directory's path is empty or too long");
    memcpy(part, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != 0)
            continue;
        part[i] = 0;
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return error_text_set(err, "%s: cannot be made: %s", part, strerror(errno));
        part[i] = path[i];
    }
    return true;
}

static bool check_dir(const char *path, error_text *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return error_text_set(err, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return error_text_set(err, "%s: not a directory", path);
    if (st.st_uid != geteuid())
        return error_text_set(err, "%s: belongs to another user", path);
    if (st.st_mode & 077)
        return error_text_set(err, "%s: mode %03o lets others in; chmod 700 it", path,
                              st.st_mode & 0777u);
    return true;
}

static void write_pid(int fd)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n)
        return; /* the pid is for people; the lock is what counts */
}

int data_dir_lock(const char *path, error_text *err)
{
    char file[PATH_MAX], pid[32] = "";
    if (!make_dirs(path, err) || !check_dir(path, err))
        return -1;
    if (snprintf(file, sizeof file, "%s/lock", path) >= (int)sizeof file) {
        error_text_set(err, "the data directory's path is too long");
        return -1;
    }
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        error_text_set(err, "%s: %s", file, strerror(errno));
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        write_pid(fd);
        return fd;
    }
    if (errno == EWOULDBLOCK) {
        ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
        pid[n > 0 ? strspn(pid, "0123456789") : 0] = 0;
        error_text_set(err, "%s is in use by another daemon (pid %s)", path, pid[0] ? pid : "?");
    } else {
        error_text_set(err, "%s: %s", file, strerror(errno));
    }
    close(fd);
    return -1;
}
