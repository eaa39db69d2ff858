/* Rows of judgements: votes, marks, flags, rankings. Each is an eval_read_fn (evaluation.h). */
#ifndef CLI_METRICS_RANK_H
#define CLI_METRICS_RANK_H

#include "evaluation.h"

eval_read_fn read_win, read_score, read_flag, read_tax;
/* Pairs that two rankings order alike: where neither ties them; and with a tie on one side as one
 * half, on both as one. */
eval_read_fn read_agreement;
/* Untied pairs of a ranking against scores: 1[better scores more], -log sigmoid of the lead; beside
 * them 1[better is longer], where texts are there. */
eval_read_fn read_scored_ranking;

#endif
