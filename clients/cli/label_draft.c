#include "label_draft.h"

#include "json.h"
#include "private_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 4 * DRAFT_WRITING_MAX, SUBMISSION_BYTES = 12 };

const char *const draft_categories[DRAFT_CATEGORIES] = {
    "generation",    "open_qa",        "brainstorming", "chat",    "rewrite",
    "summarization", "classification", "closed_qa",     "extract", "other"};
const char *const draft_prompt_kinds[DRAFT_PROMPT_KINDS] = {"plain", "few_shot", "user_based"};

/* ---- where it lies ---- */

/* Makes the folder and those above it, as far as they are missing. */
static bool make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool ok = mkdir(path, 0700) == 0 || errno == EEXIST;
        *slash = '/';
        if (!ok)
            return false;
    }
    return true;
}

/* A name may hold anything; a file name holds letters, digits and %XX. */
static void append_name(text *out, const char *name)
{
    for (const unsigned char *c = (const unsigned char *)name; *c; c++) {
        const bool plain = (*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') ||
                           (*c >= 'a' && *c <= 'z') || *c == '-' || *c == '_';
        text_printf(out, plain ? "%c" : "%%%02X", *c);
    }
}

/* <state folder>/instructd/label/<task>.<labeler>.json */
static exit_code choose_path(label_draft *d, const char *labeler, const char *task, problem *p)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    text path;
    text_init(&path, sizeof d->path - sizeof ".new");
    if (state && *state == '/')
        text_puts(&path, state);
    else if (home && *home == '/')
        text_printf(&path, "%s/.local/state", home);
    const bool placed = path.len > 0;
    text_printf(&path, "/instructd/label/%s.", task);
    append_name(&path, labeler);
    text_puts(&path, ".json");
    exit_code code = EXIT_DONE;
    if (!placed || path.failed)
        code =
            problem_set(p, EXIT_USAGE, "there is no place for drafts: set XDG_STATE_HOME or HOME");
    else if (!make_folders(path.data))
        code = problem_set(p, EXIT_USAGE, "cannot make the folder of %.300s: %s", path.data,
                           strerror(errno));
    snprintf(d->path, sizeof d->path, "%s", text_str(&path));
    text_free(&path);
    return code;
}

/* ---- as it was left ---- */

static void take_text(text *to, const cJSON *saved, const char *name)
{
    const char *s = json_string(saved, name);
    if (s)
        text_puts(to, s);
}

static int take_place(const cJSON *saved, const char *name, int n)
{
    const double place = json_number(saved, name, -1);
    return place >= 0 && place < n ? (int)place : -1;
}

/* The order is this labeler's for good; a draft of another one would judge the wrong outputs. */
static bool is_of(const cJSON *saved, const label_draft *d, const label_task *task)
{
    const char *url = json_string(saved, "server"), *submission = json_string(saved, "submission");
    const cJSON *shown = cJSON_GetObjectItemCaseSensitive(saved, "shown");
    if (!url || strcmp(url, d->server) != 0 || !submission ||
        strlen(submission) >= sizeof d->submission || cJSON_GetArraySize(shown) != task->n)
        return false;
    for (int i = 0; i < task->n; i++) {
        const char *id = cJSON_GetStringValue(cJSON_GetArrayItem(shown, i));
        if (!id || strcmp(id, task->output_ids[i]) != 0)
            return false;
    }
    return true;
}

static void take(label_draft *d, const cJSON *saved, const label_task *task)
{
    char unused[LABEL_WHY_ROOM];
    const cJSON *line, *ratings = cJSON_GetObjectItemCaseSensitive(saved, "ratings");
    const char *ranking = json_string(saved, "ranking");
    snprintf(d->submission, sizeof d->submission, "%s", json_string(saved, "submission"));
    cJSON_ArrayForEach(line, ratings)
    {
        const char *typed = cJSON_GetStringValue(line);
        if (d->n_rated == task->n || !typed ||
            !rating_parse(rating_form_of(task->criterion), typed, &d->ratings[d->n_rated], unused))
            break;
        d->n_rated++;
    }
    d->ranked =
        d->n_rated == task->n && ranking && ranking_parse(ranking, task->n, d->ranks, unused);
    take_text(&d->comment, saved, "comment");
    d->rate_s = json_number(saved, "rate_s", 0);
    d->rank_s = json_number(saved, "rank_s", 0);
    take_text(&d->writing, saved, "writing");
    d->category = take_place(saved, "category", DRAFT_CATEGORIES);
    d->prompt_kind = take_place(saved, "prompt_kind", DRAFT_PROMPT_KINDS);
}

/* NULL: there is none, or none that can be read. */
static cJSON *read_file(const char *path)
{
    text all;
    text_init(&all, FILE_MAX);
    char piece[4096];
    size_t n;
    FILE *file = fopen(path, "re");
    while (file && (n = fread(piece, 1, sizeof piece, file)) > 0)
        text_append(&all, piece, n);
    if (file)
        fclose(file);
    cJSON *json = all.failed ? NULL : json_parse(text_str(&all), all.len);
    text_free(&all);
    return json;
}

static exit_code name_submission(label_draft *d, problem *p)
{
    unsigned char bytes[SUBMISSION_BYTES];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return problem_set(p, EXIT_SERVER, "no random numbers: %s", strerror(errno));
    int at = snprintf(d->submission, sizeof d->submission, "cli-");
    for (size_t i = 0; i < sizeof bytes; i++)
        at += snprintf(d->submission + at, sizeof d->submission - (size_t)at, "%02x", bytes[i]);
    return EXIT_DONE;
}

exit_code label_draft_open(label_draft *d, const server *s, const char *labeler,
                           const label_task *task, problem *p)
{
    *d = (label_draft){.category = -1, .prompt_kind = -1};
    text_init(&d->comment, DRAFT_COMMENT_MAX);
    text_init(&d->writing, DRAFT_WRITING_MAX);
    snprintf(d->server, sizeof d->server, "%s", s->url);
    exit_code code = choose_path(d, labeler, task->id, p);
    if (code != EXIT_DONE)
        return code;
    cJSON *saved = read_file(d->path);
    if (is_of(saved, d, task))
        take(d, saved, task);
    else
        code = name_submission(d, p);
    cJSON_Delete(saved);
    return code;
}

void label_draft_free(label_draft *d)
{
    text_free(&d->comment);
    text_free(&d->writing);
}

bool label_draft_begun(const label_draft *d)
{
    return d->n_rated || d->writing.len;
}

void label_draft_drop(const label_draft *d)
{
    unlink(d->path);
}

void label_draft_prune(const label_draft *d, time_t now)
{
    const char *slash = strrchr(d->path, '/');
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - d->path) : 0, d->path);
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        struct stat st;
        const int at = dirfd(dir);
        if (fstatat(at, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
            now - st.st_mtime > DRAFT_KEPT_S)
            unlinkat(at, entry->d_name, 0);
    }
    if (dir)
        closedir(dir);
}

bool label_draft_undo(label_draft *d)
{
    if (d->ranked)
        d->ranked = false;
    else if (d->n_rated)
        d->n_rated--;
    else
        return false;
    return true;
}

/* ---- saving ---- */

static void add_ranking(cJSON *json, const label_draft *d, const label_task *task)
{
    cJSON *ratings = cJSON_AddArrayToObject(json, "ratings");
    text line;
    text_init(&line, 256);
    for (int i = 0; i < d->n_rated; i++) {
        text_clear(&line);
        rating_format(&d->ratings[i], &line);
        cJSON_AddItemToArray(ratings, cJSON_CreateString(text_str(&line)));
    }
    text_clear(&line);
    if (d->ranked) {
        ranking_format(d->ranks, task->n, &line);
        cJSON_AddStringToObject(json, "ranking", text_str(&line));
    }
    text_free(&line);
    cJSON_AddStringToObject(json, "comment", text_str(&d->comment));
    cJSON_AddNumberToObject(json, "rate_s", d->rate_s);
    cJSON_AddNumberToObject(json, "rank_s", d->rank_s);
}

static cJSON *to_json(const label_draft *d, const label_task *task)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "server", d->server);
    cJSON_AddStringToObject(json, "submission", d->submission);
    cJSON_AddItemToObject(json, "shown",
                          cJSON_CreateStringArray((const char *const *)task->output_ids, task->n));
    if (task->n) {
        add_ranking(json, d, task);
    } else {
        cJSON_AddStringToObject(json, "writing", text_str(&d->writing));
        cJSON_AddNumberToObject(json, "category", d->category);
        cJSON_AddNumberToObject(json, "prompt_kind", d->prompt_kind);
    }
    return json;
}

/* Whole or not at all: written beside it, then renamed. */
static bool write_file(const char *path, const char *content)
{
    char beside[PATH_MAX];
    if (snprintf(beside, sizeof beside, "%s.new", path) >= (int)sizeof beside)
        return false;
    if (private_file_write(beside, content) && rename(beside, path) == 0)
        return true;
    const int why = errno;
    unlink(beside);
    errno = why;
    return false;
}

exit_code label_draft_save(const label_draft *d, const label_task *task, problem *p)
{
    cJSON *json = to_json(d, task);
    char *printed = json_print(json);
    cJSON_Delete(json);
    if (!printed)
        return problem_set(p, EXIT_SERVER, "out of memory");
    exit_code code = EXIT_DONE;
    if (!write_file(d->path, printed))
        code = problem_set(p, EXIT_USAGE, "cannot save the draft %.300s: %s", d->path,
                           strerror(errno));
    free(printed);
    return code;
}

/* ---- what is sent ---- */

static cJSON *submission(const char *name, const label_task *task)
{
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "submission_id", name);
    cJSON_AddStringToObject(body, "task_id", task->id);
    return body;
}

static char *print_and_delete(cJSON *body)
{
    char *printed = json_print(body);
    cJSON_Delete(body);
    return printed;
}

static void add_groups(cJSON *body, const label_draft *d, const label_task *task)
{
    cJSON *groups = cJSON_AddArrayToObject(body, "groups");
    for (int rank = 0; rank < task->n; rank++) {
        cJSON *group = NULL;
        for (int i = 0; i < task->n; i++) {
            if (d->ranks[i] != rank)
                continue;
            if (!group)
                cJSON_AddItemToArray(groups, group = cJSON_CreateArray());
            cJSON_AddItemToArray(group, cJSON_CreateString(task->output_ids[i]));
        }
    }
}

char *label_draft_ranking(const label_draft *d, const label_task *task)
{
    cJSON *body = submission(d->submission, task);
    cJSON_AddItemToObject(body, "shown",
                          cJSON_CreateStringArray((const char *const *)task->output_ids, task->n));
    cJSON *ratings = cJSON_AddArrayToObject(body, "ratings");
    for (int i = 0; i < task->n; i++)
        cJSON_AddItemToArray(ratings, rating_json(&d->ratings[i], task->output_ids[i]));
    add_groups(body, d, task);
    cJSON *elapsed = cJSON_AddObjectToObject(body, "elapsed_ms");
    cJSON_AddNumberToObject(elapsed, "rate", (double)(long long)(d->rate_s * 1e3));
    cJSON_AddNumberToObject(elapsed, "rank", (double)(long long)(d->rank_s * 1e3));
    if (d->comment.len)
        cJSON_AddStringToObject(body, "comment", text_str(&d->comment));
    return print_and_delete(body);
}

char *label_draft_demonstration(const label_draft *d, const label_task *task)
{
    cJSON *body = submission(d->submission, task);
    cJSON_AddStringToObject(body, "prompt_kind", draft_prompt_kinds[d->prompt_kind]);
    cJSON_AddStringToObject(body, "prompt", task->prompt);
    cJSON_AddStringToObject(body, "category", draft_categories[d->category]);
    cJSON_AddStringToObject(body, "completion", text_str(&d->writing));
    cJSON_AddStringToObject(body, "source", "written");
    return print_and_delete(body);
}

char *label_draft_skip(const label_draft *d, const label_task *task, const char *reason,
                       const char *note)
{
    cJSON *body = submission(d->submission, task);
    cJSON_AddStringToObject(body, "reason", reason);
    if (*note)
        cJSON_AddStringToObject(body, "note", note);
    return print_and_delete(body);
}
