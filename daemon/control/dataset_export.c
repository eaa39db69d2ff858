#include "control/dataset_export.h"

#include "base/data_files.h"
#include "base/limits.h"
#include "base/log.h"
#include "control/files.h"
#include "human/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The rows of one line of our own, in the other format. */
static bool convert_line(const char *line, size_t len, uint64_t number, record_format format,
                         buf *out, uint64_t *left_out, error_text *why)
{
    eng_arena arena;
    record_list rows = {0};
    eng_arena_init(&arena, LIMIT_DATASET_ROW_BYTES);
    record_import im = {FORMAT_INSTRUCTD, "row", &arena, &rows};
    const bool ok = record_import_line(&im, line, len, number, why);
    for (size_t i = 0; ok && i < rows.n; i++)
        *left_out += record_export(out, &rows.rows[i], format) == 0;
    record_list_free(&rows);
    eng_arena_free(&arena);
    return ok;
}

static bool convert(FILE *in, data_file_draft *draft, record_format format, uint64_t *left_out,
                    error_text *why)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    uint64_t number = 0;
    bool ok = true;
    buf out;
    buf_init(&out, LIMIT_DATASET_ROW_BYTES);
    while (ok && (n = getline(&line, &cap, in)) >= 0) {
        ok = convert_line(line, (size_t)n, ++number, format, &out, left_out, why) &&
             (!out.failed || error_text_set(why, "line %llu: no memory for it in this format",
                                            (unsigned long long)number)) &&
             data_file_write(draft, out.data, out.len, why);
        buf_clear(&out);
    }
    if (ok && ferror(in))
        ok = error_text_set(why, "the file cannot be read");
    buf_free(&out);
    free(line);
    return ok;
}

/* A descriptor at the start of the converted file, which no name leads to any more; -1 with *why.
 */
static int converted(const control *c, FILE *in, record_format format, uint64_t *left_out,
                     error_text *why)
{
    data_file_draft draft = {0};
    if (!data_file_begin(&draft, c->data_dir, why))
        return -1;
    int fd = -1;
    if (convert(in, &draft, format, left_out, why)) {
        fd = fcntl(draft.fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0 || lseek(fd, 0, SEEK_SET) != 0)
            error_text_set(why, "%s", strerror(errno));
    }
    data_file_drop(&draft);
    return fd;
}

bool dataset_export_run(const control *c, const dataset_export *what, control_reply *reply,
                        api_error *err)
{
    error_text why = {""};
    reply->type = "application/jsonl";
    snprintf(reply->filename, sizeof reply->filename, "%.64s-%s.%s.jsonl", what->name,
             record_part_text(what->part), record_format_text(what->format));
    if (!what->file)
        return true; /* no rows, no lines */
    const int fd = data_file_open(c->data_dir, what->file, &why);
    if (fd < 0)
        return api_fail(err, 404, "not_found_error", "not_found", NULL,
                        "the file of this part has been deleted");
    FILE *in = fdopen(fd, "r");
    if (!in) {
        close(fd);
        return api_no_memory(err);
    }
    reply->file_fd = converted(c, in, what->format, &reply->rows_left_out, &why);
    fclose(in);
    return reply->file_fd >= 0 || control_disk_fail(err, &why);
}
