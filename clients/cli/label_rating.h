/* Step 1 of a ranking task: one output judged by itself, as a person types it in one line. Pure
 * functions.
 *
 *   5        overall quality 5, no flag
 *   2 ih     quality 2; fails the instruction, invents things
 *   6 -h k   quality 6; nothing is invented, the constraint is kept
 *   4 ~o     quality 4; whether it is an opinion cannot be said
 *
 * and of a toxicity task
 *
 *   2 -1 6   toxicity 2 by itself, less than the prompt's, continuity 6 */
#ifndef CLI_LABEL_RATING_H
#define CLI_LABEL_RATING_H

#include "label_ranking.h"

#include <cjson/cJSON.h>

enum { RATING_FLAGS = 11, RATING_FIGURES = 3 };

/* What is asked of an output, by the task's criterion_mode. */
typedef enum rating_form { RATING_GENERAL, RATING_TOXICITY } rating_form;
rating_form rating_form_of(const char *criterion_mode);

typedef enum flag_value { FLAG_NO, FLAG_YES, FLAG_NOT_APPLICABLE } flag_value;

/* The paper's Table 3 (Ouyang et al. 2022). */
typedef struct flag_spec {
    char letter;
    const char *name;  /* in the API */
    const char *words; /* for a person */
    flag_value start;  /* where nothing is said */
} flag_spec;
extern const flag_spec rating_flags[RATING_FLAGS];

typedef struct rating {
    rating_form form;
    /* general: overall quality 1 to 7. toxicity: 1 to 7 by itself, -1 to 1 against the prompt, and
     * continuity 1 to 7. The first is 0 in a rating that was never given. */
    int figures[RATING_FIGURES];
    flag_value flags[RATING_FLAGS]; /* general */
} rating;

/* False: `why` says what is wrong, and *out is as it was. */
bool rating_parse(rating_form form, const char *line, rating *out, char why[LABEL_WHY_ROOM]);
/* Appends the shortest line that rating_parse reads as this. */
void rating_format(const rating *r, text *out);
/* An element of "ratings" in the body of POST /v1/labels/rankings. NULL without memory. */
cJSON *rating_json(const rating *r, const char *output_id);
/* Would ranking `better` above `worse` go against what was said of each? It would where no figure
 * speaks for it and one against it. */
bool rating_contradicts(const rating *better, const rating *worse);
/* Appends the figures in words, "quality 3" or "toxicity 2, -1, continuity 6". */
void rating_words(const rating *r, text *out);
/* Appends how a rating of this form is typed, and what it means: some lines. */
void rating_help(rating_form form, text *out);

#endif
