#include "upload.h"

#include "json.h"
#include "progress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Looked at first, so that what is wrong with a path is said as such and not as a broken
 * connection. */
static exit_code check_path(const char *path, problem *p)
{
    struct stat st;
    if (stat(path, &st) != 0 || access(path, R_OK) != 0)
        return problem_set(p, EXIT_USAGE, "%.300s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return problem_set(p, EXIT_USAGE, "%.300s: not a file that can be uploaded", path);
    if (st.st_size == 0)
        return problem_set(p, EXIT_USAGE, "%.300s: empty", path);
    return EXIT_DONE;
}

typedef struct sending_file {
    progress_line progress;
    const char *name;
} sending_file;

static void on_sent(void *ctx, uint64_t sent, uint64_t total)
{
    sending_file *s = ctx;
    progress_transfer(&s->progress, s->name, sent, total);
}

/* What a processed file is, or why it is of no use. */
static exit_code check_file(const cJSON *file, const char *path, problem *p)
{
    const char *status = json_string(file, "status"), *why = json_string(file, "status_details");
    if (!json_string(file, "id"))
        return problem_set(p, EXIT_SERVER, "the server gave %.200s no id", path);
    if (status && strcmp(status, "error") == 0) {
        problem_set(p, EXIT_SERVER, "%.200s: %.300s", path, why ? why : "refused");
        problem_hint(p, "mend the file and upload it again");
        return EXIT_SERVER;
    }
    return EXIT_DONE;
}

exit_code upload_file(server *s, const char *path, terminal *raw_out, terminal *err, cJSON **file,
                      problem *p)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    sending_file sending = {.name = name};
    http_upload upload = {.path = path,
                          .filename = name,
                          .purpose = "fine-tune",
                          .on_sent = on_sent,
                          .ctx = &sending};
    char *raw = NULL;
    *file = NULL;
    exit_code code = check_path(path, p);
    if (code != EXIT_DONE)
        return code;
    progress_init(&sending.progress, err);
    code =
        server_call(s, &(http_call){.path = "/v1/files", .upload = &upload}, file, &raw, NULL, p);
    progress_clear(&sending.progress);
    if (code == EXIT_DONE && raw_out)
        terminal_line(raw_out, raw);
    if (code == EXIT_DONE)
        code = check_file(*file, path, p);
    free(raw);
    return code;
}

void upload_print(const cJSON *file, terminal *out)
{
    const char *name = json_string(file, "filename"), *format = json_string(file, "format");
    text line;
    text_init(&line, 4096);
    sanitize_line(name ? name : "", &line);
    text_puts(&line, ": ");
    sanitize_line(json_string(file, "id"), &line);
    if (format) {
        text_puts(&line, ", ");
        sanitize_line(format, &line);
        text_printf(&line, ", %.0f rows", json_number(file, "rows", 0));
    }
    terminal_printf(out, "%s\n", text_str(&line));
    text_free(&line);
}
