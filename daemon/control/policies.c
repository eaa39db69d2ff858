/* /v1/policies: what there is, and the files of each. */
#include "control/policies.h"

#include "api/json_out.h"
#include "api/list.h"
#include "api/policies.h"
#include "base/log.h"
#include "base/sha256.h"
#include "control/page.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- policies ---- */

static bool record_of(const control *c, const char *id, policy_record *out, api_error *err)
{
    error_text why;
    if (!c->publisher)
        return control_not_ready(err);
    const publish_result result = publisher_record(c->publisher, id, out, &why);
    return result == PUBLISH_OK || api_publish_fail(err, result, NULL, &why);
}

bool control_policy_get(const control *c, const control_request *request, control_reply *reply,
                        api_error *err)
{
    policy_record record;
    if (!record_of(c, request->names[0], &record, err))
        return false;
    const bool ok = api_policy_write(&reply->body, &record, err);
    policy_record_free(&record);
    return ok;
}

/* Where the page begins: behind the row `after`. */
static bool find_after(const policy_listing *list, size_t n, const char *after, size_t *at,
                       api_error *err)
{
    *at = 0;
    if (!after[0])
        return true;
    while (*at < n && strcmp(list[*at].id, after) != 0)
        ++*at;
    if (++*at <= n)
        return true;
    return api_fail(err, 404, "not_found_error", "not_found", "after", "after: no policy %.64s",
                    after);
}

/* A policy that is removed while the list is made is left out. */
static bool write_page(const control *c, const policy_listing *list, size_t n, uint32_t limit,
                       control_reply *reply, api_error *err)
{
    size_t written = 0, i = 0;
    list_begin(&reply->body);
    for (; i < n && written < limit; i++) {
        policy_record record;
        error_text why;
        if (publisher_record(c->publisher, list[i].id, &record, &why) != PUBLISH_OK)
            continue;
        list_next(&reply->body, written++);
        const bool ok = api_policy_write(&reply->body, &record, err);
        policy_record_free(&record);
        if (!ok)
            return false;
    }
    list_end(&reply->body, i < n);
    return true;
}

bool control_policies_list(const control *c, const control_request *request, control_reply *reply,
                           api_error *err)
{
    control_page page;
    policy_listing *list;
    size_t n, at;
    if (!c->publisher)
        return control_not_ready(err);
    if (!control_page_read(&page, request, err))
        return false;
    if (!publisher_list(c->publisher, &list, &n))
        return api_no_memory(err);
    const bool ok = find_after(list, n, page.after, &at, err) &&
                    write_page(c, list + at, n - at, page.page.limit, reply, err);
    free(list);
    return ok;
}

bool control_policy_delete(const control *c, const control_request *request, control_reply *reply,
                           api_error *err)
{
    const char *id = request->names[0];
    error_text why;
    if (!c->publisher)
        return control_not_ready(err);
    const publish_result result = publisher_remove(c->publisher, id, request->actor, &why);
    if (result != PUBLISH_OK)
        return api_publish_fail(err, result, NULL, &why);
    JSON_LIT(&reply->body, "{\"id\":");
    json_cstring(&reply->body, id);
    JSON_LIT(&reply->body, ",\"object\":\"policy\",\"deleted\":true}");
    return true;
}

/* ---- files ---- */

enum { MAX_FILES = 64 };
static const char manifest_name[] = "manifest.json", gguf_name[] = "model.gguf";

/* The policy's files and where they lie. */
typedef struct files {
    char path[PATH_MAX]; /* a directory, or the GGUF file itself */
    bool is_file;
    api_policy_file list[MAX_FILES];
    size_t n;
} files;

static bool unreadable(const char *name, api_error *err)
{
    log_event(LOG_ERROR, "policy_file_lost", "name=%s error=\"%s\"", name, strerror(errno));
    return api_fail(err, 500, "server_error", NULL, NULL, "the file cannot be read");
}

static int open_file(const files *f, const char *name)
{
    char path[PATH_MAX + 130];
    snprintf(path, sizeof path, f->is_file ? "%s" : "%s/%s", f->path, name);
    return open(path, O_RDONLY | O_CLOEXEC | (f->is_file ? 0 : O_NOFOLLOW));
}

/* Size and digest of a file that no manifest lists: it is read whole. */
static bool measure(const files *f, api_policy_file *file, api_error *err)
{
    enum { PIECE = 256 * 1024 };
    eng_sha256 sha;
    int fd = open_file(f, file->name);
    char *piece = fd >= 0 ? malloc(PIECE) : NULL;
    ssize_t n = piece ? 1 : -1;
    eng_sha256_init(&sha);
    for (file->bytes = 0; n > 0; file->bytes += (uint64_t)n) {
        n = pread(fd, piece, PIECE, (off_t)file->bytes);
        if (n > 0)
            eng_sha256_update(&sha, piece, (size_t)n);
        else
            break;
    }
    const bool ok = n == 0 || unreadable(file->name, err);
    eng_sha256_final_hex(&sha, file->sha256);
    free(piece);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* A checkpoint directory of another tool's making: what of it a model is opened from. */
static bool list_foreign(files *f, api_error *err)
{
    static const char *const names[] = {"chat_template.jinja",    "config.json",
                                        "generation_config.json", "model.safetensors",
                                        "tokenizer.json",         "tokenizer_config.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[PATH_MAX + 130];
        snprintf(path, sizeof path, "%s/%s", f->path, names[i]);
        if (access(path, F_OK) != 0)
            continue;
        snprintf(f->list[f->n].name, sizeof f->list->name, "%s", names[i]);
        if (!measure(f, &f->list[f->n++], err))
            return false;
    }
    return true;
}

/* The manifest's own row stands behind those that it lists. */
static bool list_native(files *f, const char *manifest, api_error *err)
{
    if (!api_policy_files(manifest, f->list, MAX_FILES - 1, &f->n, err))
        return false;
    api_policy_file *own = &f->list[f->n++];
    snprintf(own->name, sizeof own->name, "%s", manifest_name);
    own->bytes = strlen(manifest);
    eng_sha256_hex(manifest, (size_t)own->bytes, own->sha256);
    return true;
}

static bool list_files(files *f, const policy_record *r, api_error *err)
{
    struct stat st;
    f->is_file = stat(f->path, &st) == 0 && S_ISREG(st.st_mode);
    if (f->is_file) {
        snprintf(f->list[0].name, sizeof f->list->name, "%s", gguf_name);
        memcpy(f->list[0].sha256, r->digest, sizeof r->digest);
        f->list[0].bytes = (uint64_t)st.st_size;
        f->n = 1;
        return true;
    }
    return r->manifest ? list_native(f, r->manifest, err) : list_foreign(f, err);
}

/* Calls `use` with the policy's files, which stay on disk meanwhile. */
static bool with_files(const control *c, const control_request *request, control_reply *reply,
                       bool (*use)(const files *f, const control_request *request,
                                   control_reply *reply, api_error *err),
                       api_error *err)
{
    policy_record record;
    error_text why;
    files *f = calloc(1, sizeof *f);
    if (!f)
        return api_no_memory(err);
    bool ok = record_of(c, request->names[0], &record, err);
    if (ok) {
        const publish_result held =
            publisher_hold(c->publisher, record.id, f->path, sizeof f->path, &why);
        ok = held == PUBLISH_OK ? list_files(f, &record, err) && use(f, request, reply, err)
                                : api_publish_fail(err, held, NULL, &why);
        if (held == PUBLISH_OK)
            publisher_release(c->publisher, record.id);
        policy_record_free(&record);
    }
    free(f);
    return ok;
}

static bool write_files(const files *f, const control_request *request, control_reply *reply,
                        api_error *err)
{
    (void)request;
    list_begin(&reply->body);
    for (size_t i = 0; i < f->n; i++) {
        list_next(&reply->body, i);
        api_policy_file_write(&reply->body, &f->list[i]);
    }
    list_end(&reply->body, false);
    return !reply->body.failed || api_no_memory(err);
}

bool control_policy_files_list(const control *c, const control_request *request,
                               control_reply *reply, api_error *err)
{
    return with_files(c, request, reply, write_files, err);
}

/* The name comes from a client: it is looked up among those listed, never made a path of. */
static bool send_file(const files *f, const control_request *request, control_reply *reply,
                      api_error *err)
{
    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(f->list[i].name, request->names[1]) != 0)
            continue;
        reply->file_fd = open_file(f, f->list[i].name);
        reply->type = "application/octet-stream";
        snprintf(reply->filename, sizeof reply->filename, "%s", f->list[i].name);
        return reply->file_fd >= 0 || unreadable(f->list[i].name, err);
    }
    return api_fail(err, 404, "not_found_error", "not_found", NULL,
                    "the policy has no file of this name");
}

bool control_policy_file_get(const control *c, const control_request *request, control_reply *reply,
                             api_error *err)
{
    return with_files(c, request, reply, send_file, err);
}
