#include "base/data_files.h"

#include "base/log.h"
#include "base/random.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char draft_prefix[] = ".tmp-";

bool data_file_id_valid(const char *id)
{
    const size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return n >= 1 && n <= 64 && !id[n];
}

/* The folder, made if it is missing; -1 with *err. */
static int open_folder(const char *data_dir, error_text *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/files", data_dir) >= (int)sizeof path) {
        error_text_set(err, "the data directory's path is too long");
        return -1;
    }
    int fd = -1;
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        error_text_set(err, "%s: %s", path, strerror(errno));
    return fd;
}

int data_file_open(const char *data_dir, const char *id, error_text *err)
{
    if (!data_file_id_valid(id)) {
        error_text_set(err, "not the id of a file");
        return -1;
    }
    const int dir_fd = open_folder(data_dir, err);
    if (dir_fd < 0)
        return -1;
    const int fd = openat(dir_fd, id, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        error_text_set(err, "files/%s: %s", id, strerror(errno));
    close(dir_fd);
    return fd;
}

bool data_file_remove(const char *data_dir, const char *id, error_text *err)
{
    if (!data_file_id_valid(id))
        return error_text_set(err, "not the id of a file");
    const int dir_fd = open_folder(data_dir, err);
    if (dir_fd < 0)
        return false;
    const bool ok = unlinkat(dir_fd, id, 0) == 0 || errno == ENOENT ||
                    error_text_set(err, "files/%s: %s", id, strerror(errno));
    close(dir_fd);
    return ok;
}

/* ---- drafts ---- */

bool data_file_begin(data_file_draft *d, const char *data_dir, error_text *err)
{
    *d = (data_file_draft){.fd = -1, .dir_fd = open_folder(data_dir, err)};
    if (d->dir_fd < 0)
        return false;
    strcpy(d->name, draft_prefix);
    random_hex(d->name + strlen(draft_prefix), 12);
    d->fd = openat(d->dir_fd, d->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (d->fd >= 0)
        return true;
    error_text_set(err, "files/%s: %s", d->name, strerror(errno));
    close(d->dir_fd);
    *d = (data_file_draft){.fd = -1, .dir_fd = -1};
    return false;
}

bool data_file_write(data_file_draft *d, const void *bytes, size_t len, error_text *err)
{
    for (const char *at = bytes; len;) {
        const ssize_t n = write(d->fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_text_set(err, "write: %s", strerror(errno));
        at += n;
        len -= (size_t)n;
    }
    return true;
}

bool data_file_keep(data_file_draft *d, const char *id, error_text *err)
{
    if (fsync(d->fd) != 0 || renameat2(d->dir_fd, d->name, d->dir_fd, id, RENAME_NOREPLACE) != 0)
        return error_text_set(err, "files/%s: %s", id, strerror(errno));
    if (fsync(d->dir_fd) != 0) {
        error_text_set(err, "files: %s", strerror(errno));
        unlinkat(d->dir_fd, id, 0);
        return false;
    }
    d->name[0] = 0;
    return true;
}

void data_file_drop(data_file_draft *d)
{
    if (d->dir_fd > 0) {
        if (d->name[0])
            unlinkat(d->dir_fd, d->name, 0);
        close(d->fd);
        close(d->dir_fd);
    }
    *d = (data_file_draft){.fd = -1, .dir_fd = -1};
}

/* ---- after a crash ---- */

void data_files_sweep(const char *data_dir, bool (*wanted)(void *arg, const char *id), void *arg)
{
    error_text err;
    const int dir_fd = open_folder(data_dir, &err);
    DIR *dir = dir_fd >= 0 ? fdopendir(dir_fd) : NULL;
    if (!dir) {
        if (dir_fd >= 0)
            close(dir_fd);
        log_event(LOG_WARN, "files_not_swept", "data_dir=%.200s", data_dir);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(dir));) {
        const bool draft = strncmp(entry->d_name, draft_prefix, strlen(draft_prefix)) == 0;
        const bool orphan = data_file_id_valid(entry->d_name) && !wanted(arg, entry->d_name);
        if ((draft || orphan) && unlinkat(dirfd(dir), entry->d_name, 0) == 0)
            log_event(LOG_INFO, "file_swept", "name=%.80s", entry->d_name);
    }
    closedir(dir);
}
