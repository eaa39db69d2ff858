#include "commands.h"

#include "alias.h"
#include "download.h"
#include "json.h"
#include "names.h"

#include "formats/convert.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_ROOM = 256, FILES_MAX = 64 };

/* One export: the files come into `staging`, beside what is to be made, and become it or are
 * converted to it; in every case staging is gone afterwards. */
typedef struct exporting {
    const options *o;
    server *server;
    terminal *err;
    bool gguf;                        /* what to make */
    eng_dtype dtype;                  /* of its matrices */
    char policy[ENG_POLICY_ID_BYTES]; /* what to export */
    text staging;                     /* the directory's path */
    int staging_fd;                   /* -1 = not made yet */
    bool kept;                        /* staging has become the export */
    char source_gguf[PATH_ROOM];      /* the one file of a policy that is a GGUF file, or "" */
} exporting;

/* ---- what is asked for ---- */

static exit_code read_options(exporting *e, problem *p)
{
    const options *o = e->o;
    const char *format = o->format ? o->format : "hf", *type = o->dtype ? o->dtype : "f32";
    e->gguf = strcmp(format, "gguf") == 0;
    if (!e->gguf && strcmp(format, "hf") != 0)
        return problem_set(p, EXIT_USAGE, "--format is hf or gguf, not \"%.40s\"", format);
    if (!o->out)
        return problem_set(p, EXIT_USAGE, "export needs --out PATH");
    if (access(o->out, F_OK) == 0)
        return problem_set(p, EXIT_USAGE, "%.300s exists", o->out);
    if (strcmp(type, "f16") == 0 && e->gguf)
        e->dtype = ENG_F16;
    else if (strcmp(type, "bf16") == 0)
        e->dtype = ENG_BF16;
    else if (strcmp(type, "f32") != 0)
        return problem_set(p, EXIT_USAGE, "--type of %s is f32, bf16%s, not \"%.40s\"", format,
                           e->gguf ? " or f16" : "", type);
    return EXIT_DONE;
}

/* The policy itself, or the one that an alias stands for. */
static exit_code resolve(exporting *e, const char *name, problem *p)
{
    char policy[ALIAS_POLICY_ROOM];
    exit_code code = alias_resolve(e->server, name, policy, p);
    if (code == EXIT_DONE && strlen(policy) >= sizeof e->policy)
        code = problem_set(p, EXIT_USAGE, "\"%.80s\" is no policy", policy);
    if (code == EXIT_DONE)
        memcpy(e->policy, policy, strlen(policy) + 1);
    return code;
}

/* ---- the files ---- */

static exit_code make_staging(exporting *e, problem *p)
{
    size_t len = strlen(e->o->out);
    while (len > 1 && e->o->out[len - 1] == '/')
        len--;
    text_printf(&e->staging, "%.*s.partial-XXXXXX", (int)len, e->o->out);
    if (e->staging.failed || !mkdtemp(e->staging.data))
        return problem_set(p, EXIT_USAGE, "cannot make a directory beside %.200s: %s", e->o->out,
                           strerror(errno));
    e->staging_fd = open(text_str(&e->staging), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return e->staging_fd >= 0 ? EXIT_DONE
                              : problem_set(p, EXIT_SERVER, "cannot open %.200s: %s",
                                            text_str(&e->staging), strerror(errno));
}

static void remove_files(int dir_fd)
{
    int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        unlinkat(dir_fd, entry->d_name, 0); /* "." and ".." are directories and stay */
    if (dir)
        closedir(dir);
    else if (copy >= 0)
        close(copy);
}

static void remove_staging(exporting *e)
{
    if (e->staging_fd < 0)
        return;
    if (!e->kept) {
        remove_files(e->staging_fd);
        rmdir(text_str(&e->staging));
    }
    close(e->staging_fd);
    e->staging_fd = -1;
}

static exit_code fetch_one(exporting *e, const cJSON *file, progress_line *bar, problem *p)
{
    char path[PATH_ROOM];
    const char *name = json_string(file, "name"), *sha256 = json_string(file, "sha256");
    double bytes = json_number(file, "bytes", -1);
    if (!name || !name_is_file(name) || !sha256 || bytes < 0 || bytes > 1e15)
        return problem_set(p, EXIT_SERVER, "the server lists a file \"%.80s\" that is none",
                           name ? name : "");
    size_t len = strlen(name);
    if (len > 5 && strcmp(name + len - 5, ".gguf") == 0)
        snprintf(e->source_gguf, sizeof e->source_gguf, "%s", name);
    snprintf(path, sizeof path, "/v1/policies/%s/files/%s", e->policy, name);
    download d = {path, name, (uint64_t)bytes, sha256};
    return download_file(e->server, &d, e->staging_fd, bar, p);
}

static exit_code fetch(exporting *e, problem *p)
{
    char path[PATH_ROOM];
    cJSON *list;
    const cJSON *file;
    progress_line bar;
    snprintf(path, sizeof path, "/v1/policies/%s/files", e->policy);
    exit_code code = server_json(e->server, path, NULL, &list, NULL, p);
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(list, "data");
    int n = cJSON_GetArraySize(data);
    if (code == EXIT_DONE && (n < 1 || n > FILES_MAX))
        code = problem_set(p, EXIT_SERVER, "the server lists %d files of %s", n, e->policy);
    if (code == EXIT_DONE)
        code = make_staging(e, p);
    progress_init(&bar, e->err);
    cJSON_ArrayForEach(file, data)
    {
        if (code == EXIT_DONE)
            code = fetch_one(e, file, &bar, p);
    }
    progress_clear(&bar);
    cJSON_Delete(list);
    return code;
}

/* ---- what becomes of them ---- */

static exit_code engine_problem(eng_status status, const eng_error *why, problem *p)
{
    return problem_set(
        p, status == ENG_UNSUPPORTED || status == ENG_INVALID ? EXIT_USAGE : EXIT_SERVER, "%s",
        why->text);
}

static exit_code move_to(const exporting *e, const char *from, problem *p)
{
    return rename(from, e->o->out) == 0
               ? EXIT_DONE
               : problem_set(p, EXIT_SERVER, "cannot make %.200s: %s", e->o->out, strerror(errno));
}

/* The directory as it came, once its manifest says that it is the policy asked for. */
static exit_code keep_directory(exporting *e, problem *p)
{
    char id[ENG_POLICY_ID_BYTES];
    eng_error why;
    if (faccessat(e->staging_fd, "manifest.json", F_OK, 0) == 0) {
        eng_status status = eng_checkpoint_verify(text_str(&e->staging), id, &why);
        if (status != ENG_OK)
            return engine_problem(status, &why, p);
        if (strcmp(id, e->policy) != 0)
            return problem_set(p, EXIT_SERVER, "the server sent %s for %s", id, e->policy);
    }
    exit_code code = move_to(e, text_str(&e->staging), p);
    e->kept = code == EXIT_DONE;
    return code;
}

/* Made inside staging and renamed, so that what has the target's name is whole. */
static exit_code convert(exporting *e, const char *from, const char *to, problem *p)
{
    char id[ENG_POLICY_ID_BYTES];
    eng_error why;
    eng_gguf_options file = {.dtype = e->dtype, .name = e->policy};
    eng_checkpoint_options directory = {.dtype = e->dtype, .parent = e->policy};
    eng_status status = e->gguf ? eng_convert_to_gguf(from, to, &file, &why)
                                : eng_convert_to_directory(from, to, &directory, id, &why);
    return status == ENG_OK ? move_to(e, to, p) : engine_problem(status, &why, p);
}

static exit_code finish(exporting *e, problem *p)
{
    bool from_gguf = e->source_gguf[0], as_it_is = !e->o->dtype && from_gguf == e->gguf;
    exit_code code;
    text from, to;
    text_init(&from, 8192);
    text_init(&to, 8192);
    text_printf(&from, "%s%s%s", text_str(&e->staging), from_gguf ? "/" : "", e->source_gguf);
    text_printf(&to, "%s/export", text_str(&e->staging));
    if (!as_it_is)
        code = convert(e, text_str(&from), text_str(&to), p);
    else
        code = from_gguf ? move_to(e, text_str(&from), p) : keep_directory(e, p);
    text_free(&to);
    text_free(&from);
    return code;
}

exit_code cmd_export(const options *o, terminal *out, terminal *err, problem *p)
{
    const char *name = options_argument(o, 0);
    server s = {0};
    exporting e = {.o = o, .server = &s, .err = err, .dtype = ENG_F32, .staging_fd = -1};
    text_init(&e.staging, 4096);
    exit_code code = name_check(name, "a policy", p);
    if (code == EXIT_DONE)
        code = read_options(&e, p);
    if (code == EXIT_DONE)
        code = server_open(&s, o, p);
    if (code == EXIT_DONE)
        code = resolve(&e, name, p);
    if (code == EXIT_DONE)
        code = fetch(&e, p);
    if (code == EXIT_DONE)
        code = finish(&e, p);
    remove_staging(&e);
    server_close(&s);
    if (code == EXIT_DONE && o->json)
        terminal_printf(out, "{\"object\":\"export\",\"id\":\"%s\",\"format\":\"%s\"}\n", e.policy,
                        e.gguf ? "gguf" : "hf");
    else if (code == EXIT_DONE)
        terminal_printf(out, "%s: %s\n", o->out, e.policy);
    text_free(&e.staging);
    return code;
}
