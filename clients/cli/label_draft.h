/* What a labeler has done of a task so far. It is saved after every answer, in a file of its own
 * that only they can read ($XDG_STATE_HOME/instructd/label, else ~/.local/state/instructd/label),
 * so that a killed program loses nothing; with the submission's id in it, so that what is sent
 * twice is one label to the server. */
#ifndef CLI_LABEL_DRAFT_H
#define CLI_LABEL_DRAFT_H

#include "label_rating.h"
#include "label_task.h"

#include <limits.h>
#include <time.h>

enum { DRAFT_WRITING_MAX = 256 * 1024, DRAFT_COMMENT_MAX = 4096 /* bytes; the server's limits */ };

typedef struct label_draft {
    char path[PATH_MAX];
    char server[512];    /* of the server, its URL */
    char submission[40]; /* random, for good */
    /* a ranking */
    rating ratings[LABEL_OUTPUTS_MAX]; /* their first figure 0: never given */
    int n_rated;                       /* those in front are given; others were, before an undo */
    int ranks[LABEL_OUTPUTS_MAX];
    bool ranked;
    text comment;
    double rate_s, rank_s; /* spent on each step */
    /* a demonstration */
    text writing;
    int category, prompt_kind; /* places in draft_categories, draft_prompt_kinds; -1 not given */
} label_draft;

enum { DRAFT_CATEGORIES = 10, DRAFT_PROMPT_KINDS = 3 };
extern const char *const draft_categories[DRAFT_CATEGORIES];
extern const char *const draft_prompt_kinds[DRAFT_PROMPT_KINDS];

/* The draft of this labeler's task: as it was left, or a new one. EXIT_USAGE: there is no place for
 * it. label_draft_free in any case. */
exit_code label_draft_open(label_draft *d, const server *s, const char *labeler,
                           const label_task *task, problem *p);
exit_code label_draft_save(const label_draft *d, const label_task *task, problem *p);
/* Its work is done: the file goes. */
void label_draft_drop(const label_draft *d);
void label_draft_free(label_draft *d);
/* Is there anything in it? */
bool label_draft_begun(const label_draft *d);

/* Removes from this draft's folder those that nobody has touched for DRAFT_KEPT_S: their tasks went
 * to others, or were handed in by a program that was killed before it heard so. */
enum { DRAFT_KEPT_S = 30 * 24 * 3600 };
void label_draft_prune(const label_draft *d, time_t now);

/* Takes back the last thing of a ranking: the ranking, else the last rating (which stays as the
 * answer to offer). False: there is nothing. */
bool label_draft_undo(label_draft *d);

/* Bodies of POST /v1/labels/rankings, demonstrations and skips, to free; NULL without memory. */
char *label_draft_ranking(const label_draft *d, const label_task *task);
char *label_draft_demonstration(const label_draft *d, const label_task *task);
char *label_draft_skip(const label_draft *d, const label_task *task, const char *reason,
                       const char *note);

#endif
