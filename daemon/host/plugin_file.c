#include "host/plugin_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whoever can change what is run here is this process' user or root. */
static bool check_owner_and_mode(const char *path, const struct stat *st, error_text *err)
{
    uid_t me = geteuid();
    if (st->st_uid != me && st->st_uid != 0)
        return error_text_set(err, "%s: owner: expected user %ld or root, found user %ld", path,
                              (long)me, (long)st->st_uid);
    if (st->st_mode & 022)
        return error_text_set(err,
                              "%s: mode: expected no write permission for group and others, "
                              "found %03o (chmod go-w)",
                              path, st->st_mode & 0777u);
    return true;
}

/* Opened first and asked afterwards, so that the answer is about what was opened. */
static bool check_opened(const char *path, int flags, mode_t type, const char *noun,
                         error_text *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
    struct stat st;
    if (fd < 0)
        return error_text_set(err, "%s: %s", path,
                              errno == ELOOP ? "expected a regular file, found a link"
                                             : strerror(errno));
    bool good;
    if (fstat(fd, &st) != 0)
        good = error_text_set(err, "%s: %s", path, strerror(errno));
    else if ((st.st_mode & S_IFMT) != type)
        good = error_text_set(err, "%s: expected a %s, found file type %06o", path, noun,
                              st.st_mode & S_IFMT);
    else
        good = check_owner_and_mode(path, &st, err);
    close(fd);
    return good;
}

bool plugin_directory_check(const char *path, error_text *err)
{
    return check_opened(path, 0, S_IFDIR, "directory", err);
}

bool plugin_file_check(const char *path, error_text *err)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int n = slash ? snprintf(directory, sizeof directory, "%.*s", (int)(slash - path + 1), path)
                  : snprintf(directory, sizeof directory, ".");
    if (n >= (int)sizeof directory)
        return error_text_set(err, "%.100s...: the path is too long", path);
    return plugin_directory_check(directory, err) &&
           check_opened(path, O_NOFOLLOW, S_IFREG, "regular file", err);
}
