/* Rows of texts against references, {"prediction","references":[…]} or "reference". Each is an
 * eval_read_fn (evaluation.h). Words end at ASCII white space; letters beyond ASCII keep their
 * case. */
#ifndef CLI_METRICS_TEXT_H
#define CLI_METRICS_TEXT_H

#include "evaluation.h"

/* SQuAD's: lower case, without punctuation and articles; F1 of the words, the best over references.
 */
eval_read_fn read_answer;
/* The next two cut the prediction at its first line end, and take punctuation for words of its own.
 * ROUGE-L: F1 of the longest common subsequence, in lower case, the best over references. */
eval_read_fn read_summary;
/* What BLEU-4 sums over the rows: clipped matches and all n-grams for n of 1 to 4, lengths of
 * predictions and of the references nearest to them. */
eval_read_fn read_translation;
double bleu_of(const double sums[EVAL_PARTS], int i); /* 0 to 100 */

#endif
