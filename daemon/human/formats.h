/* JSONL files of others and our own, to rows and back. Pure; strict where a row's meaning is
 * concerned, while members that a format does not know are its owner's columns.
 *
 *   instructd {"task_id","prompt","outputs":[{"id","policy","text"}],"groups":[["c"],["a","d"]],
 *                  "labels":[...],"labeler","role","guideline_version"}: it round-trips.
 *                 A demonstration has "completion" for outputs and groups, a prompt neither; so
 *                 training jobs take every kind as it is
 *   trl_sft       {"prompt","completion"}         trl_prompts   {"prompt"}
 *   trl_reward    {"prompt","chosen","rejected"}  trl_unpaired {"prompt","completion","label":bool}
 *   openai_sft    {"messages":[...,{"role":"assistant","content","weight":0|1}]}
 *   openai_dpo    {"input":{"messages"},"preferred_output":[...],"non_preferred_output":[...]}
 *   axolotl_rm    {"system"?,"input","chosen","rejected"}
 *   axolotl_kway  {"prompt","answers":[{"answer","rank"}]}, 1 is best, ties share
 *   oasst         a message tree; assistants' replies carry "rank", 0 is best, and "labels"
 *
 * Prompts are strings or lists of messages, answers strings or the assistant's one message. */
#ifndef DAEMON_HUMAN_FORMATS_H
#define DAEMON_HUMAN_FORMATS_H

#include "base/buf.h"
#include "base/error_text.h"
#include "human/record.h"

#define RECORD_FORMAT_MAP(X)                                                                       \
    X(INSTRUCTD, "instructd")                                                                      \
    X(TRL_SFT, "trl_sft")                                                                          \
    X(TRL_PROMPTS, "trl_prompts")                                                                  \
    X(TRL_REWARD, "trl_reward")                                                                    \
    X(TRL_UNPAIRED, "trl_unpaired")                                                                \
    X(OPENAI_SFT, "openai_sft")                                                                    \
    X(OPENAI_DPO, "openai_dpo")                                                                    \
    X(AXOLOTL_RM, "axolotl_rm")                                                                    \
    X(AXOLOTL_KWAY, "axolotl_kway")                                                                \
    X(OASST, "oasst")

typedef enum record_format {
#define FORMAT__ENUM(name, text) FORMAT_##name,
    RECORD_FORMAT_MAP(FORMAT__ENUM)
#undef FORMAT__ENUM
        RECORD_FORMATS,
    FORMAT_GUESS = RECORD_FORMATS /* for imports: what the first line looks like */
} record_format;

const char *record_format_text(record_format format);
bool record_format_parse(const char *text, record_format *out);

/* Lines on their way to rows. */
typedef struct record_import {
    record_format format; /* FORMAT_GUESS until the first line */
    const char *source;   /* rows are called source:LINE, source:LINE.2, ... */
    eng_arena *arena;     /* of the rows' strings; the caller's, like the list */
    record_list *rows;
} record_import;

/* Adds the rows of one line (from 1; text[len] is NUL; a blank line has none). An oasst line gives
 * a row for each message that somebody could answer. False with "line N: ..." in *err; the list is
 * then as it was. */
bool record_import_line(record_import *im, const char *text, size_t len, uint64_t line,
                        error_text *err);

/* Appends the row's lines and returns how many there are: a ranking gives as many lines of chosen
 * and rejected as it has pairs. 0: the format cannot say this row, such as a prompt without answers
 * in trl_sft, or a conversation of several turns in axolotl_rm. */
uint64_t record_export(buf *out, const record *r, record_format format);

#endif
