/* Uploaded data files: any bytes, read as every format. */
#include "rlhf/dataset.h"
#include "rlhf/file_check.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile size_t seen; /* keeps the reading from being left out */

/* Every byte of a row that was accepted must be there. */
static size_t touch(const data_text *text)
{
    size_t n = text->text ? strlen(text->text) : 0;
    for (uint32_t i = 0; i < text->n_messages; i++)
        n += strlen(text->messages[i].role) + strlen(text->messages[i].content);
    return n;
}

static void read_as(int fd, data_format wanted)
{
    data_reader *reader;
    const data_row *row;
    eng_error err;
    lseek(fd, 0, SEEK_SET);
    if (data_open(&reader, fd, wanted, &err) != INSTRUCTD_OK)
        abort();
    while (data_next(reader, &row, &err) == INSTRUCTD_OK && row) {
        if (row->n_outputs > DATA_MAX_OUTPUTS || row->line > data_line(reader))
            abort();
        seen += touch(&row->prompt);
        for (uint32_t k = 0; k < row->n_outputs; k++) {
            if (row->outputs[k].group >= DATA_MAX_OUTPUTS)
                abort();
            seen += touch(&row->outputs[k].text);
        }
    }
    data_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    data_format format;
    uint64_t rows, bad;
    eng_error err;
    if (fd < 0)
        fd = memfd_create("dataset", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
        abort();
    for (int wanted = DATA_SUPERVISED; wanted <= DATA_ANY; wanted++)
        read_as(fd, (data_format)wanted);
    lseek(fd, 0, SEEK_SET);
    if (file_check(fd, &format, &rows, &bad, &err) == INSTRUCTD_OK && bad && !err.text[0])
        abort(); /* a bad row without a reason */
    return 0;
}
