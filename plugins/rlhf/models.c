#include "rlhf/models.h"

#include "base/json.h"
#include "formats/file.h"
#include "formats/text_out.h"
#include "rlhf/tensor_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NOTE_BYTES = 1024 };

static const char *const NOTE = "models.json", *const DRAFT = "models.json.tmp";

/* A name that stands for a policy, as a member of the note. */
typedef struct model_field {
    const char *member;
    const char **name; /* of the job; NULL: it names none */
} model_field;

enum { FIELDS = 2 };

static void list_fields(job *j, model_field out[FIELDS])
{
    out[0] = (model_field){"reference", &j->names.reference};
    out[1] = (model_field){"reward_model", job_reward_endpoint(j) ? NULL : &j->names.reward_model};
}

static bool is_named(const model_field *f)
{
    return f->name && *f->name;
}

/* ---- at the beginning ---- */

static job_code resolve(job *j, const model_field *f, eng_error *err)
{
    host_policy policy;
    eng_error why;
    job_code code = host_policy_find(&j->host, *f->name, &policy, &why);
    if (code != INSTRUCTD_OK)
        return code_fail(err, code, "%s %.100s: %.380s", f->member, *f->name, why.text);
    *f->name = eng_arena_strndup(&j->arena, policy.id, strlen(policy.id));
    return *f->name ? INSTRUCTD_OK
                    : code_fail(err, INSTRUCTD_E_NOMEM, "%s: no memory for its id", f->member);
}

static void put_note(eng__text *out, const model_field fields[FIELDS])
{
    bool first = true;
    eng__text_put(out, "{", 1);
    for (int i = 0; i < FIELDS; i++) {
        if (!is_named(&fields[i]))
            continue;
        eng__text_printf(out, "%s\"%s\":\"%s\"", first ? "" : ",", fields[i].member,
                         *fields[i].name);
        first = false;
    }
    eng__text_put(out, "}\n", 2);
}

/* Whole or not at all, and on disk before anything is learnt. */
static job_code write_note(int dir_fd, const model_field fields[FIELDS], eng_error *err)
{
    char hex[ENG_SHA256_HEX];
    eng__text text;
    eng__text_init(&text, NOTE_BYTES);
    put_note(&text, fields);
    unlinkat(dir_fd, DRAFT, 0);
    job_code code = text.failed ? code_fail(err, INSTRUCTD_E_NOMEM, "%s: no memory", NOTE)
                                : bytes_file_write(dir_fd, DRAFT, text.data, text.len, hex, err);
    eng__text_free(&text);
    if (code == INSTRUCTD_OK && (renameat(dir_fd, DRAFT, dir_fd, NOTE) != 0 || fsync(dir_fd) != 0))
        code = code_fail(err, INSTRUCTD_E_IO, "%s: %s", NOTE, strerror(errno));
    return code;
}

static job_code begin(job *j, int dir_fd, const model_field fields[FIELDS], eng_error *err)
{
    job_code code = INSTRUCTD_OK;
    for (int i = 0; i < FIELDS && code == INSTRUCTD_OK; i++)
        if (is_named(&fields[i]))
            code = resolve(j, &fields[i], err);
    return code == INSTRUCTD_OK ? write_note(dir_fd, fields, err) : code;
}

/* ---- when it goes on ---- */

static job_code read_note(job *j, int dir_fd, const model_field fields[FIELDS], eng_error *err)
{
    char *text;
    size_t len;
    const eng_json *note;
    eng_status status = eng__file_slurp(dir_fd, NOTE, NOTE_BYTES, &text, &len, err);
    if (status != ENG_OK)
        return code_of(status);
    status = eng_json_parse(&note, text, len, &j->arena, err);
    free(text);
    if (status != ENG_OK)
        return code_of(status);
    for (int i = 0; i < FIELDS; i++) {
        if (!is_named(&fields[i]))
            continue;
        const char *id = eng_json_string(eng_json_get(note, fields[i].member));
        if (!id)
            return code_fail(err, INSTRUCTD_E_INVALID, "%s: expected the id of the job's %s", NOTE,
                             fields[i].member);
        *fields[i].name = id;
    }
    return INSTRUCTD_OK;
}

/* ---- the whole ---- */

job_code models_fix(job *j, eng_error *err)
{
    char dir[HOST_PATH_BYTES];
    model_field fields[FIELDS];
    list_fields(j, fields);
    if (!is_named(&fields[0]) && !is_named(&fields[1]))
        return INSTRUCTD_OK;
    job_code code = host_checkpoint_dir(&j->host, dir, err);
    if (code != INSTRUCTD_OK)
        return code;
    const int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return code_fail(err, INSTRUCTD_E_IO, "%.300s: open: %s", dir, strerror(errno));
    /* A job that ended before it could note them begins again. */
    const bool noted = j->resumed && faccessat(dir_fd, NOTE, F_OK, 0) == 0;
    code = noted ? read_note(j, dir_fd, fields, err) : begin(j, dir_fd, fields, err);
    close(dir_fd);
    return code;
}
