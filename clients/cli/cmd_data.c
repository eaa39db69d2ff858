#include "actions.h"
#include "commands.h"
#include "json.h"
#include "listing.h"
#include "names.h"
#include "object.h"
#include "upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_ROOM = 256 };

static double rows_of(const cJSON *set, const char *part)
{
    return json_number(cJSON_GetObjectItemCaseSensitive(set, "counts"), part, 0);
}

/* ---- list, show ---- */

static void put_set(const cJSON *set, table *t)
{
    table_cell(t, json_string(set, "id"));
    table_cell(t, json_string(set, "name"));
    table_cell(t, json_string(set, "kind"));
    table_cellf(t, "%.0f", rows_of(set, "train"));
    table_cellf(t, "%.0f", rows_of(set, "valid"));
    table_cellf(t, "%.0f", rows_of(set, "test"));
    table_cell(t, cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(set, "stale")) ? "stale" : "");
    table_time(t, json_number(set, "created_at", 0));
}

static exit_code list(const action_context *a, problem *p)
{
    static const char *const headings[] = {"ID",    "NAME", "KIND",  "TRAIN",
                                           "VALID", "TEST", "STATE", "CREATED"};
    static const listing sets = {"/v1/datasets", "data sets", headings, 8, put_set};
    return listing_print(a->server, a->o, &sets, a->out, p);
}

static exit_code show(const action_context *a, problem *p)
{
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "/v1/datasets/%s", a->name);
    return object_show(a->server, a->o, path, a->out, p);
}

/* ---- build, import ---- */

static bool has_kind(const options *o, problem *p)
{
    if (!o->kind)
        problem_set(p, EXIT_USAGE, "a data set needs --kind sft, rm, ppo, eval or toxicity");
    return o->kind;
}

static exit_code add_fractions(cJSON *body, const char *given, problem *p)
{
    double train, valid, test;
    char end;
    if (sscanf(given, "%lf,%lf,%lf%c", &train, &valid, &test, &end) != 3)
        return problem_set(p, EXIT_USAGE, "--fractions takes TRAIN,VALID,TEST, not \"%.40s\"",
                           given);
    cJSON *fractions = cJSON_AddObjectToObject(body, "fractions");
    cJSON_AddNumberToObject(fractions, "train", train);
    cJSON_AddNumberToObject(fractions, "valid", valid);
    cJSON_AddNumberToObject(fractions, "test", test);
    return EXIT_DONE;
}

static void add_string(cJSON *body, const char *member, const char *value)
{
    if (value)
        cJSON_AddStringToObject(body, member, value);
}

/* source: a file's id, or NULL for what people gave on the server. */
static exit_code fill_request(cJSON *body, const options *o, const char *name, const char *source,
                              problem *p)
{
    const char *seed = options_seed(o);
    if (!has_kind(o, p))
        return EXIT_USAGE;
    add_string(body, "name", name);
    add_string(body, "kind", o->kind);
    add_string(body, "salt", o->salt);
    add_string(body, "source", source);
    add_string(body, "format", source ? o->format : NULL);
    if (o->cap)
        cJSON_AddNumberToObject(body, "cap_per_user", o->cap);
    if (seed)
        cJSON_AddRawToObject(body, "seed", seed);
    return o->fractions ? add_fractions(body, o->fractions, p) : EXIT_DONE;
}

/* "declined 2, email 1" */
static void print_reasons(const cJSON *kinds, terminal *out)
{
    const cJSON *kind;
    const char *before = "  ";
    cJSON_ArrayForEach(kind, kinds)
    {
        if (!name_is_id(kind->string))
            continue;
        terminal_printf(out, "%s%.40s %.0f", before, kind->string, cJSON_GetNumberValue(kind));
        before = ", ";
    }
}

static bool is_empty(const cJSON *set)
{
    return rows_of(set, "train") + rows_of(set, "valid") + rows_of(set, "test") == 0;
}

/* The stages that left rows out, and why; where no row came through all of them up to the last row.
 */
static void print_stages(const cJSON *set, terminal *out)
{
    const bool all = is_empty(set);
    const cJSON *manifest = cJSON_GetObjectItemCaseSensitive(set, "manifest"), *stage;
    cJSON_ArrayForEach(stage, cJSON_GetObjectItemCaseSensitive(manifest, "stages"))
    {
        const char *name = json_string(stage, "stage");
        const double before = json_number(stage, "in", 0), left = json_number(stage, "out", 0);
        if (!name || !name_is_id(name) || (before == left && !all))
            continue;
        terminal_printf(out, "  %-7.20s %.0f -> %.0f rows", name, before, left);
        print_reasons(cJSON_GetObjectItemCaseSensitive(stage, "kinds"), out);
        terminal_printf(out, "\n");
        if (left == 0)
            break;
    }
}

static void print_files(const cJSON *set, terminal *out)
{
    static const char *const parts[] = {"train", "valid", "test"};
    const cJSON *files = cJSON_GetObjectItemCaseSensitive(set, "files");
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (json_string(files, parts[i]))
            terminal_printf(out, "  %-7s %.0f rows  %.64s\n", parts[i], rows_of(set, parts[i]),
                            json_string(files, parts[i]));
}

/* How many rows there were before the first stage. */
static double rows_found(const cJSON *set)
{
    const cJSON *manifest = cJSON_GetObjectItemCaseSensitive(set, "manifest");
    const cJSON *stages = cJSON_GetObjectItemCaseSensitive(manifest, "stages");
    return json_number(cJSON_GetArrayItem(stages, 0), "in", 0);
}

/* What people would have had to give for a set of the kind. */
static const char *material_of(const char *kind)
{
    static const struct {
        const char *kind, *what;
    } all[] = {
        {"sft", "demonstrations"},
        {"rm", "rankings"},
        {"ppo", "Playground prompts that their authors share"},
        {"eval", "evaluations"},
        {"toxicity", "toxicity rankings"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i].kind, kind) == 0)
            return all[i].what;
    return "rows";
}

static exit_code refuse_empty(const options *o, const cJSON *set, bool from_file, problem *p)
{
    const char *id = json_string(set, "id");
    if (rows_found(set) > 0)
        problem_set(p, EXIT_FRUITLESS, "no row is left: the stages left them all out");
    else if (from_file)
        problem_set(p, EXIT_FRUITLESS, "no row is left: the file has none of kind %.20s", o->kind);
    else
        problem_set(p, EXIT_FRUITLESS, "no row is left: there are no %s yet", material_of(o->kind));
    problem_hint(p, "nothing can be trained on %.64s; instruct data show has every stage",
                 id && name_is_id(id) ? id : "the set");
    return EXIT_FRUITLESS;
}

static exit_code create(const action_context *a, const char *name, const char *source, problem *p)
{
    cJSON *body = cJSON_CreateObject(), *set = NULL;
    char *request = NULL, *raw = NULL;
    exit_code code = fill_request(body, a->o, name, source, p);
    if (code == EXIT_DONE && !(request = json_print(body)))
        code = problem_set(p, EXIT_SERVER, "out of memory");
    if (code == EXIT_DONE)
        code = server_json(a->server, "/v1/datasets", request, &set, &raw, p);
    const char *id = json_string(set, "id");
    if (code == EXIT_DONE && a->o->json) {
        terminal_line(a->out, raw);
    } else if (code == EXIT_DONE) {
        terminal_printf(a->out, "%.64s: %s\n", id && name_is_id(id) ? id : "?", a->o->kind);
        print_stages(set, a->out);
        print_files(set, a->out);
    }
    if (code == EXIT_DONE && is_empty(set))
        code = refuse_empty(a->o, set, source, p);
    cJSON_Delete(set);
    cJSON_Delete(body);
    free(request);
    free(raw);
    return code;
}

static exit_code build(const action_context *a, problem *p)
{
    return create(a, a->o->name ? a->o->name : a->o->kind ? a->o->kind : "", NULL, p);
}

/* The file's name without folders and what comes after its last dot. */
static void plain_name(const char *path, char out[64])
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    snprintf(out, 64, "%.*s", (int)(dot && dot > base ? dot - base : (long)strlen(base)), base);
}

static exit_code import(const action_context *a, problem *p)
{
    char name[64];
    cJSON *file;
    plain_name(a->name, name);
    if (!has_kind(a->o, p))
        return EXIT_USAGE;
    exit_code code = upload_file(a->server, a->name, NULL, a->err, &file, p);
    if (code == EXIT_DONE)
        code = create(a, a->o->name ? a->o->name : name, json_string(file, "id"), p);
    cJSON_Delete(file);
    return code;
}

/* ---- export ---- */

/* Where the lines go. */
typedef struct sink {
    terminal *out; /* or, where fd >= 0, a file */
    int fd;
    int error; /* errno of a write */
} sink;

static bool on_lines(void *ctx, const char *bytes, size_t n)
{
    sink *s = ctx;
    if (s->fd < 0)
        terminal_write(s->out, bytes, n);
    while (s->fd >= 0 && n && !s->error) {
        const ssize_t written = write(s->fd, bytes, n);
        if (written < 0 && errno != EINTR)
            s->error = errno;
        if (written > 0) {
            bytes += written;
            n -= (size_t)written;
        }
    }
    return !s->error;
}

static exit_code fetch(const action_context *a, sink *s, problem *p)
{
    char path[PATH_ROOM];
    http_reply reply;
    snprintf(path, sizeof path, "/v1/datasets/%s/export?format=%.40s%s%.20s", a->name,
             a->o->format ? a->o->format : "instructd", a->o->split ? "&split=" : "",
             a->o->split ? a->o->split : "");
    const http_call call = {.path = path, .on_body = on_lines, .ctx = s};
    exit_code code = server_exchange(a->server, &call, &reply, p);
    if (code == EXIT_DONE && s->error)
        code =
            problem_set(p, EXIT_SERVER, "cannot write %.200s: %s", a->o->out, strerror(s->error));
    if (code == EXIT_DONE && reply.rows_left_out)
        terminal_printf(a->err, "%llu %s cannot be said in this format, left out\n",
                        (unsigned long long)reply.rows_left_out,
                        reply.rows_left_out == 1 ? "row" : "rows");
    http_reply_free(&reply);
    return code;
}

static bool is_word(const char *s)
{
    return !s || s[strspn(s, "abcdefghijklmnopqrstuvwxyz_")] == 0;
}

static exit_code export_set(const action_context *a, problem *p)
{
    const char *path = a->o->out;
    sink s = {.out = a->out, .fd = -1};
    if (!is_word(a->o->format) || !is_word(a->o->split))
        return problem_set(p, EXIT_USAGE, "--format and --split take a word");
    if (path && (s.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)) < 0)
        return problem_set(p, EXIT_USAGE, "cannot make %.200s: %s", path, strerror(errno));
    exit_code code = fetch(a, &s, p);
    if (s.fd >= 0 && close(s.fd) != 0 && code == EXIT_DONE)
        code = problem_set(p, EXIT_SERVER, "cannot write %.200s: %s", path, strerror(errno));
    if (path && code != EXIT_DONE)
        unlink(path);
    return code;
}

exit_code cmd_data(const options *o, terminal *out, terminal *err, problem *p)
{
    static const action actions[] = {
        {"list", ACTION_ALONE, list},      {"show", ACTION_ID, show},
        {"build", ACTION_ALONE, build},    {"import", ACTION_PATHS, import},
        {"export", ACTION_ID, export_set},
    };
    return actions_run(actions, sizeof actions / sizeof actions[0], "a data set", o, out, err, p);
}
