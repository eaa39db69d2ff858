#include "control/dataset_rows.h"

#include "base/data_files.h"
#include "base/limits.h"
#include "base/log.h"
#include "control/page.h"
#include "human/gather.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the store ---- */

typedef struct gathering {
    const control *c;
    record_list *rows;
    eng_arena *arena;
    uint64_t after;
    store_withheld *withheld;
    store_status status; /* of the store's last answer */
    error_text why;
} gathering;

/* The task, or one without text if it is gone: erased since the page was read. */
static store_status find_task(gathering *g, const char *id, store_task *out)
{
    *out = (store_task){0};
    return id ? store_task_get(g->c->store, id, out, &g->why) : STORE_NOT_FOUND;
}

/* Each takes a page: how many rows it had, or -1 on failure. */
static int64_t take_prompts(gathering *g)
{
    store_prompt *page;
    size_t n;
    bool ok = true;
    g->status = store_train_prompts(g->c->store, g->after, LIMIT_DATASET_PAGE, &page, &n, &g->why);
    if (g->status != STORE_OK)
        return -1;
    for (size_t i = 0; i < n; i++) {
        ok = ok && gather_prompt(g->rows, g->arena, &page[i], &g->why);
        g->after = page[i].row;
        store_prompt_free(&page[i]);
    }
    free(page);
    return ok ? (int64_t)n : -1;
}

static bool take_demonstration(gathering *g, const store_demonstration *d)
{
    store_task task;
    const store_status found = find_task(g, d->task, &task);
    if (found != STORE_OK && found != STORE_NOT_FOUND) {
        g->status = found;
        return false;
    }
    const bool ok = gather_demonstration(
        g->rows, g->arena, d, found == STORE_OK && task.owner ? task.owner : "", &g->why);
    if (found == STORE_OK)
        store_task_free(&task);
    return ok;
}

static int64_t take_demonstrations(gathering *g)
{
    store_demonstration *page;
    size_t n;
    bool ok = true;
    g->status =
        store_train_demonstrations(g->c->store, g->after, LIMIT_DATASET_PAGE, &page, &n, &g->why);
    if (g->status != STORE_OK)
        return -1;
    for (size_t i = 0; i < n; i++) {
        ok = ok && take_demonstration(g, &page[i]);
        g->after = page[i].row;
        store_demonstration_free(&page[i]);
    }
    free(page);
    return ok ? (int64_t)n : -1;
}

static bool take_ranking(gathering *g, const store_ranking *r)
{
    store_task task;
    g->status = find_task(g, r->task, &task);
    if (g->status == STORE_NOT_FOUND || (g->status == STORE_OK && task.n_outputs == 0)) {
        if (g->status == STORE_OK)
            store_task_free(&task);
        g->status = STORE_OK;
        g->withheld->erased++; /* while we were reading */
        return true;
    }
    if (g->status != STORE_OK)
        return false;
    const bool ok = gather_ranking(g->rows, g->arena, r, &task, &g->why);
    store_task_free(&task);
    return ok;
}

/* What held-out labelers were asked to judge by. */
static const char *criterion_of(dataset_kind kind)
{
    return kind == DATASET_TOXICITY ? "toxicity" : "general";
}

static int64_t take_rankings(gathering *g, dataset_kind kind)
{
    store_ranking *page;
    size_t n;
    bool ok = true;
    store *s = g->c->store;
    g->status = kind == DATASET_RM
                    ? store_train_rankings(s, g->after, LIMIT_DATASET_PAGE, &page, &n, &g->why)
                    : store_heldout_rankings(s, criterion_of(kind), g->after, LIMIT_DATASET_PAGE,
                                             &page, &n, &g->why);
    if (g->status != STORE_OK)
        return -1;
    for (size_t i = 0; i < n; i++) {
        ok = ok && take_ranking(g, &page[i]);
        g->after = page[i].row;
        store_ranking_free(&page[i]);
    }
    free(page);
    return ok ? (int64_t)n : -1;
}

static store_status count_withheld(gathering *g, dataset_kind kind)
{
    store *s = g->c->store;
    return kind == DATASET_PPO   ? store_train_prompts_withheld(s, g->withheld, &g->why)
           : kind == DATASET_SFT ? store_train_demonstrations_withheld(s, g->withheld, &g->why)
           : kind == DATASET_RM
               ? store_train_rankings_withheld(s, g->withheld, &g->why)
               : store_heldout_rankings_withheld(s, criterion_of(kind), g->withheld, &g->why);
}

bool dataset_rows_of_store(const control *c, dataset_kind kind, record_list *rows, eng_arena *arena,
                           store_withheld *withheld, api_error *err)
{
    gathering g = {.c = c, .rows = rows, .arena = arena, .withheld = withheld};
    int64_t n;
    g.status = count_withheld(&g, kind);
    if (g.status != STORE_OK)
        return control_store_fail(err, g.status, NULL, &g.why);
    do {
        n = kind == DATASET_PPO   ? take_prompts(&g)
            : kind == DATASET_SFT ? take_demonstrations(&g)
                                  : take_rankings(&g, kind);
    } while (n > 0);
    if (n == 0)
        return true;
    return g.status == STORE_OK
               ? api_fail(err, 413, "invalid_request_error", NULL, NULL, "%s", g.why.text)
               : control_store_fail(err, g.status, NULL, &g.why);
}

/* ---- files ---- */

static bool read_lines(FILE *file, record_import *im, api_error *err)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    uint64_t number = 0;
    error_text why;
    bool ok = true;
    while (ok && (n = getline(&line, &cap, file)) >= 0) {
        ok = record_import_line(im, line, (size_t)n, ++number, &why);
        if (!ok)
            api_invalid(err, "invalid_value", "source", "source: %.400s", why.text);
    }
    free(line);
    if (ok && ferror(file))
        ok = api_fail(err, 503, "unavailable_error", NULL, NULL, "the file cannot be read");
    return ok;
}

/* One line by itself, so that a file of any size passes in little memory. */
static bool recognise_line(const char *line, size_t len, uint64_t number, record_format *format,
                           uint64_t *rows)
{
    eng_arena arena;
    record_list list = {0};
    error_text unused;
    eng_arena_init(&arena, LIMIT_DATASET_ROW_BYTES);
    record_import im = {*format, "row", &arena, &list};
    const bool ok = record_import_line(&im, line, len, number, &unused);
    *format = im.format;
    *rows += list.n;
    record_list_free(&list);
    eng_arena_free(&arena);
    return ok;
}

/* What a plugin cannot read in these it should have: its word on them stands. */
static bool is_for_jobs(record_format format)
{
    return format == FORMAT_INSTRUCTD || format == FORMAT_OPENAI_SFT || format == FORMAT_TRL_REWARD;
}

bool dataset_file_recognise(int fd, record_format *format, uint64_t *rows)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    uint64_t number = 0;
    bool ok = true;
    const int copy = dup(fd);
    FILE *file = copy < 0 || lseek(copy, 0, SEEK_SET) != 0 ? NULL : fdopen(copy, "r");
    *format = FORMAT_GUESS;
    *rows = 0;
    while (file && ok && (n = getline(&line, &cap, file)) >= 0)
        ok = recognise_line(line, (size_t)n, ++number, format, rows) && !is_for_jobs(*format);
    ok = ok && file && !ferror(file) && *rows > 0;
    free(line);
    if (file)
        fclose(file);
    else if (copy >= 0)
        close(copy);
    return ok;
}

bool dataset_rows_of_file(const control *c, const char *id, dataset_file_source *source,
                          record_list *rows, eng_arena *arena, api_error *err)
{
    store_file row;
    error_text why;
    const store_status status = store_file_get(c->store, id, &row, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, "source", &why);
    snprintf(source->sha256, sizeof source->sha256, "%s", row.sha256);
    store_file_free(&row);
    const int fd = data_file_open(c->data_dir, id, &why);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    if (!file) {
        log_event(LOG_ERROR, "file_lost", "%.400s", fd < 0 ? why.text : strerror(errno));
        if (fd >= 0)
            close(fd);
        return api_fail(err, 500, "server_error", NULL, NULL, "the file's content is not there");
    }
    record_import im = {source->format, "row", arena, rows};
    const bool ok = read_lines(file, &im, err);
    fclose(file);
    source->format = im.format == FORMAT_GUESS ? FORMAT_INSTRUCTD : im.format;
    return ok;
}
