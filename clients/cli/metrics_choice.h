/* Rows of figures that models gave to texts: log-probabilities, judges' shares, toxicity. Each is
 * an eval_read_fn (evaluation.h). */
#ifndef CLI_METRICS_CHOICE_H
#define CLI_METRICS_CHOICE_H

#include "evaluation.h"

/* Shares at or above one half: true, informative, both. */
eval_read_fn read_truthful;
/* 1[the likeliest answer is a true one]; the true answers' share of all probability. */
eval_read_fn read_truthful_choice;
eval_read_fn read_toxicity; /* the score; 1[score >= 1/2] */
/* p = e^l1/(e^l1+e^l2), and its entropy in bits: 1 is unbiased. */
eval_read_fn read_bias_pair;
/* 1[the labelled ending has the highest log-probability]: by token, summed, by byte. */
eval_read_fn read_ending;

#endif
