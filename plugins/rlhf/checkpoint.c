#include "rlhf/checkpoint.h"

#include "formats/file.h"
#include "rlhf/tensor_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_STEPS = 64, STATE_BYTES = 1 << 20, BLOB_BYTES = 1 << 30, KEEP = 2 };

static const char *const SUMS = "SHA256SUMS", *const STATE = "state.json";

static void step_path(char path[PATH_MAX], const char *dir, const char *kind, uint64_t step)
{
    snprintf(path, PATH_MAX, "%.3900s/%s%012llu", dir, kind, (unsigned long long)step);
}

static job_code io_error(const char *path, const char *call, eng_error *err)
{
    return code_fail(err, INSTRUCTD_E_IO, "%.300s: %s: %s", path, call, strerror(errno));
}

/* ---- directories ---- */

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static job_code sync_dir(const char *path, eng_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return io_error(path, "open", err);
    job_code code = fsync(fd) == 0 ? INSTRUCTD_OK : io_error(path, "fsync", err);
    close(fd);
    return code;
}

static int by_step(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The steps below dir, ascending, at most the newest MAX_STEPS; temporary directories of a process
 * that ended are swept on the way. */
static size_t list_steps(const char *dir, uint64_t steps[MAX_STEPS])
{
    size_t n = 0;
    DIR *d = opendir(dir);
    struct dirent *entry;
    while (d && (entry = readdir(d))) {
        unsigned long long step;
        char path[PATH_MAX];
        int end = 0;
        if (strncmp(entry->d_name, ".tmp-", 5) == 0) {
            snprintf(path, sizeof path, "%.3800s/%.200s", dir, entry->d_name);
            remove_tree(path);
        } else if (sscanf(entry->d_name, "step-%12llu%n", &step, &end) == 1 &&
                   !entry->d_name[end] && n < MAX_STEPS) {
            steps[n++] = step;
        }
    }
    if (d)
        closedir(d);
    qsort(steps, n, sizeof *steps, by_step);
    return n;
}

static void prune(const char *dir, int64_t best)
{
    uint64_t steps[MAX_STEPS];
    char path[PATH_MAX];
    size_t n = list_steps(dir, steps);
    for (size_t i = 0; i + KEEP < n; i++) {
        if (best >= 0 && steps[i] == (uint64_t)best)
            continue;
        step_path(path, dir, "step-", steps[i]);
        remove_tree(path);
    }
}

void checkpoint_forget(const char *dir)
{
    uint64_t steps[MAX_STEPS];
    char path[PATH_MAX];
    size_t n;
    while ((n = list_steps(dir, steps)) > 0)
        while (n-- > 0) {
            step_path(path, dir, "step-", steps[n]);
            remove_tree(path);
            if (access(path, F_OK) == 0)
                return; /* what cannot be removed will be told when it is in the way */
        }
}

/* ---- saving ---- */

static void add_sum(eng__text *text, const char *hex, const char *file)
{
    eng__text_printf(text, "%s  %s\n", hex, file);
}

static job_code write_blocks(int dir_fd, const checkpoint *c, eng__text *list, eng_error *err)
{
    char hex[ENG_SHA256_HEX], folder[64];
    for (size_t i = 0, n; i < c->n_parts; i += n) {
        const checkpoint_part *part = &c->parts[i];
        const char *slash = strchr(part->file, '/');
        n = tensor_file_parts(part, c->n_parts - i);
        if (slash) {
            snprintf(folder, sizeof folder, "%.*s", (int)(slash - part->file), part->file);
            if (mkdirat(dir_fd, folder, 0700) != 0 && errno != EEXIST)
                return io_error(folder, "mkdir", err);
        }
        job_code code = tensor_file_write(dir_fd, part, n, hex, err);
        if (code != INSTRUCTD_OK)
            return code;
        add_sum(list, hex, part->file);
    }
    return INSTRUCTD_OK;
}

static job_code write_blob(int dir_fd, const checkpoint *c, eng__text *list, eng_error *err)
{
    char hex[ENG_SHA256_HEX];
    const checkpoint_blob *b = c->blob;
    if (!b)
        return INSTRUCTD_OK;
    job_code code = bytes_file_write(dir_fd, b->file, b->bytes, b->n, hex, err);
    if (code == INSTRUCTD_OK)
        add_sum(list, hex, b->file);
    return code;
}

static job_code write_state(int dir_fd, const checkpoint *c, eng__text *list, eng_error *err)
{
    char hex[ENG_SHA256_HEX];
    eng__text text;
    eng__text_init(&text, STATE_BYTES);
    eng__text_printf(&text,
                     "{\"format\":\"instructd-job/1\",\"kernels\":\"%s\",\"identity\":\"%s\","
                     "\"state\":{",
                     eng_cpu_kernels(), c->identity);
    state_put(&text, c->fields, c->n_fields);
    eng__text_put(&text, "}}\n", 3);
    job_code code = text.failed ? code_fail(err, INSTRUCTD_E_NOMEM, "state.json: no memory")
                                : bytes_file_write(dir_fd, STATE, text.data, text.len, hex, err);
    eng__text_free(&text);
    if (code == INSTRUCTD_OK)
        add_sum(list, hex, STATE);
    return code;
}

/* Folders of parts are synced by their own names. */
static job_code sync_folders(const char *path, const checkpoint *c, eng_error *err)
{
    char folder[PATH_MAX];
    job_code code = INSTRUCTD_OK;
    for (size_t i = 0; i < c->n_parts && code == INSTRUCTD_OK; i++) {
        const char *slash = strchr(c->parts[i].file, '/');
        if (!slash)
            continue;
        snprintf(folder, sizeof folder, "%.4000s/%.*s", path, (int)(slash - c->parts[i].file),
                 c->parts[i].file);
        code = sync_dir(folder, err);
    }
    return code == INSTRUCTD_OK ? sync_dir(path, err) : code;
}

static job_code write_files(const char *path, const checkpoint *c, eng_error *err)
{
    char hex[ENG_SHA256_HEX];
    eng__text list;
    eng__text_init(&list, STATE_BYTES);
    int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return io_error(path, "open", err);
    job_code code = write_blocks(dir_fd, c, &list, err);
    if (code == INSTRUCTD_OK)
        code = write_blob(dir_fd, c, &list, err);
    if (code == INSTRUCTD_OK)
        code = write_state(dir_fd, c, &list, err);
    if (code == INSTRUCTD_OK && list.failed)
        code = code_fail(err, INSTRUCTD_E_NOMEM, "%s: no memory", SUMS);
    if (code == INSTRUCTD_OK)
        code = bytes_file_write(dir_fd, SUMS, list.data, list.len, hex, err);
    eng__text_free(&list);
    close(dir_fd);
    return code == INSTRUCTD_OK ? sync_folders(path, c, err) : code;
}

job_code checkpoint_save(const char *dir, uint64_t step, int64_t best, const checkpoint *c,
                         eng_error *err)
{
    char temporary[PATH_MAX], path[PATH_MAX];
    step_path(temporary, dir, ".tmp-", step);
    step_path(path, dir, "step-", step);
    remove_tree(temporary);
    if (mkdir(temporary, 0700) != 0)
        return io_error(temporary, "mkdir", err);
    job_code code = write_files(temporary, c, err);
    if (code == INSTRUCTD_OK) {
        remove_tree(path);
        if (rename(temporary, path) != 0)
            code = io_error(path, "rename", err);
    }
    if (code != INSTRUCTD_OK) {
        remove_tree(temporary);
        return code;
    }
    code = sync_dir(dir, err);
    prune(dir, best);
    return code;
}

/* ---- loading ---- */

/* Each line of SHA256SUMS against the file it names; names are ours, without "..". */
static job_code check_sums(int dir_fd, eng_error *err)
{
    char *text, *save = NULL, hex[ENG_SHA256_HEX];
    size_t len;
    eng_status status = eng__file_slurp(dir_fd, SUMS, STATE_BYTES, &text, &len, err);
    if (status != ENG_OK)
        return code_of(status);
    job_code code = INSTRUCTD_OK;
    for (char *line = strtok_r(text, "\n", &save); line && code == INSTRUCTD_OK;
         line = strtok_r(NULL, "\n", &save)) {
        const char *name = strstr(line, "  ");
        eng__file file;
        if (!name || strstr(name, "..")) {
            code = code_fail(err, INSTRUCTD_E_INVALID, "%s: \"%.100s\" is no sum", SUMS, line);
            break;
        }
        code = code_of(eng__file_open(&file, dir_fd, name + 2, err));
        if (code != INSTRUCTD_OK)
            break;
        code = code_of(eng__file_digest(&file, hex, err));
        eng__file_close(&file);
        if (code == INSTRUCTD_OK && strncmp(hex, line, 64) != 0)
            code = code_fail(err, INSTRUCTD_E_INVALID, "%s: its SHA-256 is %s, expected %.64s",
                             name + 2, hex, line);
    }
    free(text);
    return code;
}

/* Refuses another job's state; another machine's goes on, though not bit for bit. */
static job_code take_state(const job_host *host, const checkpoint *c, const eng_json *object,
                           eng_error *err)
{
    const char *identity = eng_json_string(eng_json_get(object, "identity")),
               *kernels = eng_json_string(eng_json_get(object, "kernels"));
    if (!identity || strcmp(identity, c->identity) != 0)
        return code_fail(err, INSTRUCTD_E_INVALID,
                         "the checkpoint is of other data, numbers or models than the job");
    if (!kernels || strcmp(kernels, eng_cpu_kernels()) != 0)
        host_event(host, INSTRUCTD_LOG_WARN,
                   "the job was begun with %s kernels and goes on with %s: results will differ in "
                   "the last bits",
                   kernels ? kernels : "unknown", eng_cpu_kernels());
    return state_get(eng_json_get(object, "state"), c->fields, c->n_fields, err);
}

static job_code read_state(int dir_fd, const job_host *host, const checkpoint *c, eng_error *err)
{
    char *text;
    size_t len;
    const eng_json *object;
    eng_arena arena;
    eng_status status = eng__file_slurp(dir_fd, STATE, STATE_BYTES, &text, &len, err);
    if (status != ENG_OK)
        return code_of(status);
    eng_arena_init(&arena, (size_t)STATE_BYTES * 16);
    job_code code = code_of(eng_json_parse(&object, text, len, &arena, err));
    if (code == INSTRUCTD_OK)
        code = take_state(host, c, object, err);
    eng_arena_free(&arena);
    free(text);
    return code;
}

static job_code read_files(int dir_fd, const job_host *host, const checkpoint *c, eng_error *err)
{
    job_code code = read_state(dir_fd, host, c, err);
    for (size_t i = 0, n; i < c->n_parts && code == INSTRUCTD_OK; i += n) {
        n = tensor_file_parts(&c->parts[i], c->n_parts - i);
        code = tensor_file_read(dir_fd, &c->parts[i], n, err);
    }
    if (code == INSTRUCTD_OK && c->blob) {
        char *bytes = NULL;
        code =
            code_of(eng__file_slurp(dir_fd, c->blob->file, BLOB_BYTES, &bytes, &c->blob->n, err));
        c->blob->bytes = bytes;
    }
    return code;
}

/* *intact: its files are those that were written. */
static job_code load_step(const job_host *host, const char *path, const checkpoint *c, bool *intact,
                          eng_error *err)
{
    *intact = false;
    int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return io_error(path, "open", err);
    job_code code = check_sums(dir_fd, err);
    *intact = code == INSTRUCTD_OK;
    if (*intact)
        code = read_files(dir_fd, host, c, err);
    close(dir_fd);
    return code;
}

job_code checkpoint_load(const job_host *host, const char *dir, const checkpoint *c, bool *found,
                         eng_error *err)
{
    uint64_t steps[MAX_STEPS];
    char path[PATH_MAX], aside[PATH_MAX];
    *found = false;
    for (size_t i = list_steps(dir, steps); i-- > 0;) {
        bool intact;
        step_path(path, dir, "step-", steps[i]);
        job_code code = load_step(host, path, c, &intact, err);
        *found = code == INSTRUCTD_OK;
        if (intact)
            return code;
        host_event(host, INSTRUCTD_LOG_WARN, "checkpoint of step %llu is not used: %.400s",
                   (unsigned long long)steps[i], err->text);
        step_path(aside, dir, "corrupt-", steps[i]);
        remove_tree(aside);
        if (rename(path, aside) != 0)
            remove_tree(path);
    }
    return INSTRUCTD_OK;
}

job_code checkpoint_load_part(const char *dir, uint64_t step, const checkpoint_part *part,
                              eng_error *err)
{
    char path[PATH_MAX];
    step_path(path, dir, "step-", step);
    int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return io_error(path, "open", err);
    job_code code = check_sums(dir_fd, err);
    if (code == INSTRUCTD_OK)
        code = tensor_file_read(dir_fd, part, 1, err);
    close(dir_fd);
    return code;
}
