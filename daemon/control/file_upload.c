#include "control/file_upload.h"

#include "api/multipart.h"
#include "base/data_files.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/random.h"
#include "control/dataset_rows.h"
#include "control/files.h"
#include "control/page.h"
#include "host/plugin_host.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { VALUE_MAX = 64 }; /* of a part that is no file */

typedef enum upload_part { PART_NONE, PART_FILE, PART_PURPOSE } upload_part;

struct file_upload {
    const control *control;
    multipart form;
    upload_part part; /* that is being read */
    bool has_file, has_purpose;
    data_file_draft draft;
    crypto_hash_sha256_state sha256;
    uint64_t bytes;
    char filename[MULTIPART_FILENAME_MAX + 1];
    char purpose[VALUE_MAX + 1];
    size_t purpose_len;
};

/* ---- parts ---- */

/* The last component: browsers of old send whole paths. */
static const char *base_name(const char *filename)
{
    const char *base = filename;
    for (const char *c = filename; *c; c++)
        if (*c == '/' || *c == '\\')
            base = c + 1;
    return base;
}

static bool begin_file(file_upload *u, const char *filename, api_error *err)
{
    error_text why;
    if (u->has_file)
        return api_invalid(err, "invalid_value", "file", "file: the form has more than one");
    snprintf(u->filename, sizeof u->filename, "%s", filename ? base_name(filename) : "");
    u->has_file = true;
    u->part = PART_FILE;
    return data_file_begin(&u->draft, u->control->data_dir, &why) || control_disk_fail(err, &why);
}

static bool on_begin(void *arg, const char *name, const char *filename, api_error *err)
{
    file_upload *u = arg;
    if (strcmp(name, "file") == 0)
        return begin_file(u, filename, err);
    if (strcmp(name, "purpose") != 0)
        return api_invalid(err, "unknown_parameter", name, "%s: not a field of this request", name);
    if (u->has_purpose)
        return api_invalid(err, "invalid_value", name, "purpose: the form has more than one");
    u->has_purpose = true;
    u->part = PART_PURPOSE;
    return true;
}

static bool on_file_data(file_upload *u, const char *bytes, size_t len, api_error *err)
{
    error_text why;
    if (len > LIMIT_UPLOAD_BYTES - u->bytes)
        return api_fail(err, 413, "invalid_request_error", NULL, "file", "file: more than %d bytes",
                        LIMIT_UPLOAD_BYTES);
    u->bytes += len;
    crypto_hash_sha256_update(&u->sha256, (const unsigned char *)bytes, len);
    return data_file_write(&u->draft, bytes, len, &why) || control_disk_fail(err, &why);
}

static bool on_data(void *arg, const char *bytes, size_t len, api_error *err)
{
    file_upload *u = arg;
    if (u->part == PART_FILE)
        return on_file_data(u, bytes, len, err);
    if (len > VALUE_MAX - u->purpose_len)
        return api_invalid(err, "invalid_value", "purpose", "purpose: more than %d bytes",
                           VALUE_MAX);
    memcpy(u->purpose + u->purpose_len, bytes, len);
    u->purpose_len += len;
    return true;
}

static bool on_end(void *arg, api_error *err)
{
    file_upload *u = arg;
    const upload_part ended = u->part;
    u->part = PART_NONE;
    if (ended == PART_PURPOSE && strcmp(u->purpose, "fine-tune") != 0)
        return api_invalid(err, "invalid_value", "purpose", "purpose: expected 'fine-tune'");
    return true;
}

/* ---- the whole ---- */

file_upload *file_upload_begin(const control *c, const char *content_type, api_error *err)
{
    if (!c->store) {
        control_not_ready(err);
        return NULL;
    }
    file_upload *u = calloc(1, sizeof *u);
    if (!u) {
        api_no_memory(err);
        return NULL;
    }
    u->control = c;
    crypto_hash_sha256_init(&u->sha256);
    const multipart_sink sink = {on_begin, on_data, on_end, u};
    if (!multipart_begin(&u->form, content_type, &sink, err)) {
        free(u);
        return NULL;
    }
    return u;
}

bool file_upload_feed(file_upload *u, const char *bytes, size_t len, api_error *err)
{
    return multipart_feed(&u->form, bytes, len, err);
}

void file_upload_free(file_upload *u)
{
    if (!u)
        return;
    data_file_drop(&u->draft);
    free(u);
}

static bool has_all(const file_upload *u, api_error *err)
{
    const char *missing = !u->has_file ? "file" : !u->has_purpose ? "purpose" : NULL;
    return !missing || api_invalid(err, "missing_required_parameter", missing,
                                   "%s: the form has no such part", missing);
}

/* What the plugins say of the file's rows, or, where they know none, what a data set could be made
 * of it. Without plugins nothing is said. */
static void inspect(const file_upload *u, store_file *f, instructd_file_report *report,
                    char details[INSTRUCTD_ERROR_BYTES + 32])
{
    const plugin_method *unused;
    const plugin_host *plugins = u->control->plugins;
    *report = (instructd_file_report){.size = sizeof *report};
    if (u->bytes == 0)
        snprintf(report->error, sizeof report->error, "the file is empty");
    else if (plugins && plugin_host_methods(plugins, &unused) > 0)
        plugin_host_file_check(plugins, u->draft.fd, report);
    snprintf(details, INSTRUCTD_ERROR_BYTES + 32, report->bad_line ? "line %llu: %s" : "%.0llu%s",
             (unsigned long long)report->bad_line, report->error);
    const bool bad = report->bad_line || report->error[0];
    f->status = bad ? "error" : "processed";
    f->status_details = bad ? details : NULL;
    f->format = report->format[0] ? report->format : NULL;
    f->rows = report->rows;
    record_format format;
    if (bad && u->bytes && dataset_file_recognise(u->draft.fd, &format, &f->rows)) {
        f->status = (char *)"processed";
        f->status_details = NULL;
        f->format = (char *)record_format_text(format);
    }
}

bool file_upload_finish(file_upload *u, control_reply *reply, api_error *err)
{
    if (!multipart_end(&u->form, err) || !has_all(u, err))
        return false;
    char id[40] = "file-", sha256[2 * crypto_hash_sha256_BYTES + 1];
    unsigned char digest[crypto_hash_sha256_BYTES];
    random_hex(id + strlen(id), 12);
    crypto_hash_sha256_final(&u->sha256, digest);
    sodium_bin2hex(sha256, sizeof sha256, digest, sizeof digest);
    store_file f = {.id = id,
                    .filename = u->filename[0] ? u->filename : "upload",
                    .purpose = u->purpose,
                    .sha256 = sha256,
                    .bytes = u->bytes,
                    .created_at = time(NULL)};
    instructd_file_report report;
    char details[INSTRUCTD_ERROR_BYTES + 32];
    inspect(u, &f, &report, details);
    if (!control_file_keep(u->control, &u->draft, &f, err))
        return false;
    log_event(LOG_INFO, "file_uploaded", "id=%s bytes=%llu sha256=%.16s status=%s", f.id,
              (unsigned long long)f.bytes, f.sha256, f.status);
    file_object_write(&reply->body, &f);
    return !reply->body.failed || api_no_memory(err);
}
