#include "host/job_dirs.h"

#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN_DIRS = 16 };

static bool make(const char *path, error_text *err)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST ||
           error_text_set(err, "%s: %s", path, strerror(errno));
}

bool job_dir_make(const char *data_dir, const char *id, char *path, size_t cap, error_text *err)
{
    char parent[PATH_MAX];
    if (snprintf(parent, sizeof parent, "%s/jobs", data_dir) >= (int)sizeof parent ||
        snprintf(path, cap, "%s/%s", parent, id) >= (int)cap)
        return error_text_set(err, "the checkpoint directory's path: expected at most %zu bytes",
                              cap - 1);
    return make(parent, err) && make(path, err);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    if (remove(path) != 0)
        log_event(LOG_WARN, "job_directory_stays", "%s: %s", path, strerror(errno));
    return 0;
}

void job_dir_remove(const char *data_dir, const char *id)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/jobs/%s", data_dir, id) < (int)sizeof path)
        nftw(path, remove_one, OPEN_DIRS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

void job_dirs_sweep(const char *data_dir, bool (*wanted)(void *arg, const char *id), void *arg)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/jobs", data_dir) >= (int)sizeof path)
        return;
    DIR *dir = opendir(path);
    if (!dir)
        return;
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.' && !wanted(arg, e->d_name))
            job_dir_remove(data_dir, e->d_name);
    closedir(dir);
}
