#include "sent_files.h"

#include "json.h"
#include "names.h"
#include "upload.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "file-…" names a file of the server, unless one of that name lies here. */
static bool is_file_id(const char *name)
{
    return strncmp(name, "file-", 5) == 0 && name_is_id(name) && access(name, F_OK) != 0;
}

static const sent_file *find(const sent_files *f, const char *path)
{
    for (int i = 0; i < f->len; i++)
        if (strcmp(f->list[i].path, path) == 0)
            return &f->list[i];
    return NULL;
}

/* One that the server keeps though it found it faulty is noted too. */
static exit_code send_file(sent_files *f, const char *option, const char *path, problem *p)
{
    cJSON *file;
    exit_code code = upload_file(f->server, path, f->json ? f->out : NULL, f->err, &file, p);
    const char *id = json_string(file, "id");
    char *own = id && name_is_id(id) ? strdup(id) : NULL;
    if (code == EXIT_DONE && !own)
        code = problem_set(p, EXIT_SERVER, "the server gave %.200s no id", path);
    if (code == EXIT_DONE && !f->json)
        upload_print(file, f->out);
    if (own) {
        assert(f->len < SENT_FILES_MAX);
        f->list[f->len++] = (sent_file){path, option, own};
    }
    cJSON_Delete(file);
    return code;
}

exit_code sent_files_add(sent_files *f, const char *option, const char *value, char **id,
                         problem *p)
{
    if (!value)
        return EXIT_DONE;
    exit_code code = EXIT_DONE;
    const bool is_id = !find(f, value) && is_file_id(value);
    if (!is_id && !find(f, value))
        code = send_file(f, option, value, p);
    if (code == EXIT_DONE && !(*id = strdup(is_id ? value : find(f, value)->id)))
        code = problem_set(p, EXIT_SERVER, "out of memory");
    return code;
}

static void name_one(const sent_file *file, problem *p)
{
    const char *at = strstr(p->text, file->id);
    if (!at)
        return;
    problem before = *p;
    const char *rest = before.text + (at - p->text) + strlen(file->id);
    snprintf(p->text, sizeof p->text, "%.*s%.200s (%s)%s", (int)(at - p->text), before.text,
             file->path, file->option, rest);
}

void sent_files_name(const sent_files *f, problem *p)
{
    for (int i = 0; i < f->len; i++)
        name_one(&f->list[i], p);
}

void sent_files_take_back(const sent_files *f, problem *p)
{
    int gone = 0;
    for (int i = 0; i < f->len; i++) {
        char path[128];
        cJSON *reply = NULL;
        problem ignored = {0}; /* the one that is told is why there is no job */
        snprintf(path, sizeof path, "/v1/files/%.80s", f->list[i].id);
        const http_call call = {.path = path, .method = "DELETE"};
        gone += server_call(f->server, &call, &reply, NULL, NULL, &ignored) == EXIT_DONE;
        cJSON_Delete(reply);
    }
    if (gone && !p->hint[0])
        problem_hint(p, "what was uploaded for the job is deleted again");
}

void sent_files_free(sent_files *f)
{
    for (int i = 0; i < f->len; i++)
        free(f->list[i].id);
    f->len = 0;
}
