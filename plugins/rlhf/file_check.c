#include "rlhf/file_check.h"

#include <stdio.h>
#include <string.h>

/* A report has the number of the line beside the reason. */
static void drop_line(eng_error *err, uint64_t line)
{
    char prefix[32];
    int n = snprintf(prefix, sizeof prefix, "line %llu: ", (unsigned long long)line);
    if (strncmp(err->text, prefix, (size_t)n) == 0)
        memmove(err->text, err->text + n, strlen(err->text + n) + 1);
}

job_code file_check(int fd, data_format *format, uint64_t *rows, uint64_t *bad_line, eng_error *err)
{
    data_reader *reader;
    const data_row *row;
    *format = DATA_ANY;
    *rows = *bad_line = 0;
    err->text[0] = 0;
    job_code code = data_open(&reader, fd, DATA_ANY, err);
    if (code != INSTRUCTD_OK)
        return code;
    while ((code = data_next(reader, &row, err)) == INSTRUCTD_OK && row)
        ++*rows;
    *format = data_found(reader);
    if (code == INSTRUCTD_E_INVALID && *format == DATA_ANY) {
        code = INSTRUCTD_E_UNSUPPORTED;
    } else if (code == INSTRUCTD_E_INVALID) {
        *bad_line = data_line(reader);
        drop_line(err, *bad_line);
        code = INSTRUCTD_OK;
    } else if (code == INSTRUCTD_OK && *rows == 0) {
        code = code_fail(err, INSTRUCTD_E_UNSUPPORTED, "the file is empty");
    }
    data_close(reader);
    return code;
}
