/* How import.c reaches the readers of single formats. */
#ifndef DAEMON_HUMAN_IMPORT_H
#define DAEMON_HUMAN_IMPORT_H

#include "human/formats.h"
#include "human/row_reader.h"

typedef struct import_line {
    row_reader read;
    record_import *to;
    uint32_t rows; /* that the line has given */
} import_line;

/* A new row of this line with its id, or NULL: no memory, told. */
record *import_row(import_line *in);

typedef bool import_reader(import_line *in, const eng_json *object);
import_reader import_instructd, import_unpaired, import_openai_sft, import_openai_dpo, /* flat */
    import_axolotl_rm, import_axolotl_kway, import_pair, import_oasst /* a tree */;

#endif
