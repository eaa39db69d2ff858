#include "policy/versions.h"

#include "base/alias_name.h"
#include "base/log.h"
#include "base/random.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct versions {
    char *data_dir;                          /* (i) */
    int data, policies, aliases, quarantine; /* (i) descriptors of the directories */
};

static const char draft_prefix[] = ".tmp-";

static bool failed(const char *what, const char *call, error_text *err)
{
    return error_text_set(err, "%s: %s: %s", what, call, strerror(errno));
}

/* ---- directories ---- */

typedef void entry_fn(int dir_fd, const char *name, void *arg);

/* Calls fn with dir_fd for each entry but . and .. that `fd` (closed here, may be -1) reads. */
static bool read_entries(int fd, int dir_fd, entry_fn *fn, void *arg)
{
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            fn(dir_fd, e->d_name, arg);
    closedir(dir);
    return true;
}

static bool each_entry(int dir_fd, entry_fn *fn, void *arg)
{
    return read_entries(openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir_fd, fn, arg);
}

static void unlink_entry(int dir_fd, const char *name, void *arg)
{
    (void)arg;
    unlinkat(dir_fd, name, 0);
}

/* A directory of plain files. What cannot be removed stays for the next sweep. */
static void remove_dir(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) {
        each_entry(fd, unlink_entry, NULL);
        close(fd);
    }
    if (unlinkat(parent, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
        log_event(LOG_WARN, "not_removed", "name=%s error=\"%s\"", name, strerror(errno));
}

static void sweep_draft(int dir_fd, const char *name, void *arg)
{
    (void)arg;
    if (strncmp(name, draft_prefix, strlen(draft_prefix)) == 0)
        remove_dir(dir_fd, name);
}

static void sweep_alias_tmp(int dir_fd, const char *name, void *arg)
{
    const size_t n = strlen(name);
    (void)arg;
    if (n > 4 && strcmp(name + n - 4, ".tmp") == 0)
        unlinkat(dir_fd, name, 0);
}

static bool open_dir(const versions *v, const char *name, int *fd, error_text *err)
{
    if (mkdirat(v->data, name, 0700) != 0 && errno != EEXIST)
        return failed(name, "mkdir", err);
    *fd = openat(v->data, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return *fd >= 0 || failed(name, "open", err);
}

bool versions_open(versions **out, const char *data_dir, error_text *err)
{
    versions *v = calloc(1, sizeof *v);
    if (v)
        *v = (versions){strdup(data_dir), -1, -1, -1, -1};
    if (!v || !v->data_dir) {
        free(v);
        return error_text_set(err, "out of memory");
    }
    v->data = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = v->data >= 0 || failed(data_dir, "open", err);
    ok = ok && open_dir(v, "policies", &v->policies, err) &&
         open_dir(v, "aliases", &v->aliases, err) && open_dir(v, "quarantine", &v->quarantine, err);
    ok = ok && (fsync(v->data) == 0 || failed(data_dir, "fsync", err));
    if (!ok) {
        versions_free(v);
        return false;
    }
    each_entry(v->policies, sweep_draft, NULL);
    each_entry(v->aliases, sweep_alias_tmp, NULL);
    *out = v;
    return true;
}

void versions_free(versions *v)
{
    if (!v)
        return;
    const int fds[] = {v->quarantine, v->aliases, v->policies, v->data};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(v->data_dir);
    free(v);
}

/* ---- policies ---- */

static const char *last_part(const char *path)
{
    return strrchr(path, '/') + 1;
}

static void draft_name(char name[32])
{
    char hex[17];
    random_hex(hex, 8);
    snprintf(name, 32, "%s%s", draft_prefix, hex);
}

void versions_draft(const versions *v, char path[VERSIONS_PATH_BYTES])
{
    char name[32];
    draft_name(name);
    snprintf(path, VERSIONS_PATH_BYTES, "%s/policies/%s", v->data_dir, name);
}

/* File systems without RENAME_NOREPLACE: renaming a directory over one that holds files fails
 * everywhere. */
static int rename_new(int dir_fd, const char *from, const char *to)
{
    if (renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) == 0)
        return 0;
    return errno == EINVAL || errno == ENOSYS ? renameat(dir_fd, from, dir_fd, to) : -1;
}

versions_commit_result versions_commit(versions *v, const char *draft, const char *id,
                                       error_text *err)
{
    if (rename_new(v->policies, last_part(draft), id) != 0) {
        if (errno == EEXIST || errno == ENOTEMPTY)
            return VERSIONS_EXISTS;
        failed(id, "rename", err);
        return VERSIONS_FAILED;
    }
    if (fsync(v->policies) != 0) {
        failed("policies", "fsync", err);
        return VERSIONS_FAILED;
    }
    return VERSIONS_COMMITTED;
}

void versions_discard(versions *v, const char *draft)
{
    remove_dir(v->policies, last_part(draft));
}

bool versions_path(const versions *v, const char *id, char path[VERSIONS_PATH_BYTES])
{
    struct stat st;
    if (!policy_id_valid(id) || fstatat(v->policies, id, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISDIR(st.st_mode))
        return false;
    snprintf(path, VERSIONS_PATH_BYTES, "%s/policies/%s", v->data_dir, id);
    return true;
}

int64_t versions_time(const versions *v, const char *id)
{
    struct stat st;
    return fstatat(v->policies, id, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (int64_t)st.st_mtim.tv_sec : 0;
}

typedef struct id_list {
    char (*ids)[POLICY_ID_CHARS + 1];
    size_t n, cap;
} id_list;

static void list_policy(int dir_fd, const char *name, void *arg)
{
    id_list *list = arg;
    (void)dir_fd;
    if (policy_id_valid(name) && list->n < list->cap)
        memcpy(list->ids[list->n++], name, POLICY_ID_CHARS + 1);
}

size_t versions_list(const versions *v, char (*ids)[POLICY_ID_CHARS + 1], size_t cap)
{
    char path[VERSIONS_PATH_BYTES];
    id_list list = {ids, 0, cap};
    /* By its path: ThreadSanitizer follows open, but neither openat nor libuv's way to close, and
     * takes a number that comes again for a descriptor still in use. */
    snprintf(path, sizeof path, "%s/policies", v->data_dir);
    read_entries(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), v->policies, list_policy, &list);
    return list.n;
}

bool versions_remove(versions *v, const char *id, error_text *err)
{
    char draft[32];
    draft_name(draft);
    if (renameat(v->policies, id, v->policies, draft) != 0)
        return failed(id, "rename", err);
    if (fsync(v->policies) != 0) /* else a power cut might give the name back, not the files */
        return failed("policies", "fsync", err);
    remove_dir(v->policies, draft);
    return true;
}

/* Into quarantine/ under its own name, or with a number behind it if that is taken. */
static bool set_aside(versions *v, int from, const char *name, error_text *err)
{
    char to[128];
    for (int i = 0; i < 1000; i++) {
        snprintf(to, sizeof to, i ? "%s-%d" : "%s", name, i);
        if (renameat2(from, name, v->quarantine, to, RENAME_NOREPLACE) == 0)
            return (fsync(from) == 0 && fsync(v->quarantine) == 0) || failed(name, "fsync", err);
        if (errno != EEXIST)
            break;
    }
    return failed(name, "moving into quarantine", err);
}

bool versions_quarantine(versions *v, const char *id, error_text *err)
{
    return set_aside(v, v->policies, id, err);
}

/* ---- aliases ---- */

typedef struct alias_list {
    versions *v;
    alias_file *out;
    size_t n, cap;
} alias_list;

static void list_alias(int dir_fd, const char *name, void *arg)
{
    alias_list *list = arg;
    error_text err = {""};
    if (!alias_name_valid(name) || list->n == list->cap)
        return;
    alias_file *f = &list->out[list->n++];
    if (!alias_file_read(dir_fd, name, f, &err)) {
        *f = (alias_file){.lost = true};
        snprintf(f->name, sizeof f->name, "%s", name);
    }
    if (f->n)
        return;
    log_event(LOG_ERROR, "alias_unreadable", "alias=%s error=\"%s\"", name, err.text);
    if (!set_aside(list->v, dir_fd, name, &err))
        log_event(LOG_WARN, "not_quarantined", "alias=%s error=\"%s\"", name, err.text);
}

size_t versions_aliases(versions *v, alias_file *out, size_t cap)
{
    alias_list list = {v, out, 0, cap};
    each_entry(v->aliases, list_alias, &list);
    return list.n;
}

bool versions_write_alias(versions *v, const alias_file *f, error_text *err)
{
    return alias_file_write(v->aliases, f, err);
}

void versions_remove_alias(versions *v, const char *name)
{
    unlinkat(v->aliases, name, 0);
}
