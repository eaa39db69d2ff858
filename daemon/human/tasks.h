/* How tasks are shared out: who sees the outputs in which order, and which tasks get more labelers.
 * Pure functions. */
#ifndef DAEMON_HUMAN_TASKS_H
#define DAEMON_HUMAN_TASKS_H

#include <stdint.h>

/* The version of the guidelines that labelers work by; stored with every label. */
enum { GUIDELINE_VERSION = 1 };

/* order[0..n): the places of a task's outputs as this labeler sees them. Random between labelers,
 * the same for one who comes back: shuffled by SHA-256(task, labeler). n <= 16. */
void task_order(const char *task, const char *labeler, uint32_t *order, uint32_t n);

/* The labelers of the i-th task of a batch: `share` of the tasks get sample_n, spread evenly, the
 * others overlap. */
uint32_t task_overlap(uint64_t i, uint32_t overlap, double share, uint32_t sample_n);

/* How many of k outputs the p-th of n policies draws: as even as it goes, earlier ones first. */
uint32_t task_share(uint32_t k, uint32_t n, uint32_t p);

#endif
