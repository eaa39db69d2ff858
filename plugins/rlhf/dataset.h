/* Training data: JSONL rows, read one at a time and strictly.
 *
 *   supervised    {"prompt","completion"} or {"messages":[...]} with an answer to learn
 *   reward_model  {"prompt","chosen","rejected"} or {"prompt","outputs":[{"id","text"}],
 *                 "groups":[["c"],["a","d"],["b"]]}: best first, a group is a tie, 2 to 9 outputs
 *   ppo           {"prompt"} or {"messages":[...]} that end with the user
 *   pretrain      {"text"}
 *
 * A prompt, completion, chosen, rejected or text of outputs is a string or a list of messages
 * {"role","content","weight":0|1}; content is a string or a list of {"type":"text","text"}; weight
 * stands on assistants' messages alone and is 1 when absent. Other members of a row are the user's
 * own columns and ignored (so the prompts of a file of demonstrations serve as prompts); other
 * members of a message are refused, for they would change what is meant. All rows are of one
 * format. Lines of white space alone are passed over.
 *
 * Threads: a reader has one owner.
 *
 * Threads: any; a reader is one thread's. */
#ifndef RLHF_DATASET_H
#define RLHF_DATASET_H

#include "base/status.h"
#include "rlhf/host.h"

#include <stdbool.h>
#include <stdint.h>

enum { DATA_MAX_OUTPUTS = 9, DATA_MAX_MESSAGES = 1024 };

typedef enum data_format {
    DATA_SUPERVISED,
    DATA_REWARD_MODEL,
    DATA_PPO,
    DATA_PRETRAIN,
    DATA_ANY /* as a wish: whatever line 1 is; as a finding: none */
} data_format;

const char *data_format_name(data_format format); /* "supervised" */

typedef struct data_message {
    const char *role; /* "system", "user" or "assistant" ("developer" reads as system) */
    const char *content;
    uint32_t content_len;
    bool learn; /* an assistant's message of weight 1 */
} data_message;

/* One string, or messages (n_messages > 0). */
typedef struct data_text {
    const char *text; /* NULL for messages */
    uint32_t len;
    const data_message *messages;
    uint32_t n_messages;
} data_text;

typedef struct data_output {
    data_text text;
    uint32_t group; /* rank: 0 is best, equal is a tie */
} data_output;

typedef struct data_row {
    uint64_t line;    /* from 1 */
    data_text prompt; /* pretrain: the text; supervised {"messages"}: all of them, and no output */
    data_output outputs[DATA_MAX_OUTPUTS];
    uint32_t n_outputs; /* supervised {"prompt","completion"}: 1 */
    bool held_out;      /* "role":"heldout": a labeler whose rows judge and never train */
} data_row;

typedef struct data_reader data_reader;

/* fd is read from where it is and stays the caller's. */
ENG_MUST_CHECK job_code data_open(data_reader **out, int fd, data_format wanted, eng_error *err);
void data_close(data_reader *reader); /* NULL allowed */

/* The next row, or *row NULL at the end; it lives until the next call. INSTRUCTD_E_INVALID with
 * "line N: ..." when a line is not acceptable, INSTRUCTD_E_UNSUPPORTED when the first is of no
 * known format; reading cannot go on then. */
ENG_MUST_CHECK job_code data_next(data_reader *reader, const data_row **row, eng_error *err);
data_format data_found(const data_reader *reader); /* of the rows read so far */
uint64_t data_line(const data_reader *reader);     /* the last line looked at */

#endif
