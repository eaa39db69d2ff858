/* From rows to the files of a data set, but for the files themselves: which rows stay, and in which
 * part. Consent and tombstones come before (the store gives no other rows), writing after. Pure.
 *
 *   fit -> cap -> dedupe -> split -> personal data (train alone) -> tags */
#ifndef DAEMON_HUMAN_BUILD_H
#define DAEMON_HUMAN_BUILD_H

#include "base/error_text.h"
#include "human/kind.h"
#include "human/pii.h"
#include "human/split.h"

enum { BUILD_TAGS = 32, BUILD_CAP_PER_USER = 200 };

typedef struct build_parameters {
    dataset_kind kind;
    split_shares shares; /* of an evaluation set: nothing but test, whatever they are */
    uint32_t cap_per_user;
    const char *salt;
    uint64_t seed;
} build_parameters;

typedef struct build_tag {
    const char *name; /* a category, or "none" */
    uint64_t rows;
} build_tag;

/* What each stage did. */
typedef struct build_counts {
    uint64_t read, unfit, capped, duplicates, pii;
    uint64_t pii_kinds[PII_KINDS]; /* rows of train that held it; one row may hold several */
    uint64_t split[N_PARTS];       /* before personal data were looked for */
    uint64_t rows[N_PARTS], pairs[N_PARTS];
    build_tag tags[BUILD_TAGS]; /* by first appearance; what finds no room is left out */
    size_t n_tags;
} build_counts;

/* Marks each row's fate and part. Scratch memory comes from the arena. False with *err: memory, or
 * the arena's limit, is out. */
bool dataset_build(record_list *rows, const build_parameters *p, eng_arena *arena,
                   build_counts *out, error_text *err);

#endif
