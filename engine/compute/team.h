/* A team of worker threads that run one function together (SPMD).
 *
 * Waiting is spin-then-sleep: a waiter spins for at most spin_us and then sleeps on a futex, so a
 * team shares its cores with training or other processes without collapsing, and costs nothing when
 * idle.
 *
 * Owner: the thread that created the team; it is member 0 and the only one that may call run and
 * free. Everything a member wrote before a barrier is visible to all members after it. */
#ifndef ENG_COMPUTE_TEAM_H
#define ENG_COMPUTE_TEAM_H

#include "base/parallel.h"
#include "base/status.h"

#include <stdint.h>

typedef struct eng_team eng_team;
typedef void (*eng_team_fn)(void *arg, uint32_t member);

ENG_MUST_CHECK eng_status eng__team_create(eng_team **out, uint32_t n_members, uint32_t spin_us,
                                           eng_error *err);
void eng__team_free(eng_team *team); /* NULL allowed */
/* Has give_way(arg) called in each eng__team_next and eng__team_share, before the piece is taken.
 * Before the first run. */
void eng__team_give_way(eng_team *team, void (*give_way)(void *arg), void *arg);
uint32_t eng__team_size(const eng_team *team);

/* Runs fn(arg, member) once on every member, the caller being member 0; returns when all have. */
void eng__team_run(eng_team *team, eng_team_fn fn, void *arg);

/* Inside run: all members must call it, equally often. Resets the counters behind eng__team_next
 * and eng__team_share. */
void eng__team_barrier(eng_team *team);
/* Inside run: hands out 0, 1, 2, ... to whichever member asks, afresh after each barrier. Whatever
 * the split, results must not depend on who computed what. */
uint32_t eng__team_next(eng_team *team);
/* Inside run: hands out the numbers below n, afresh after each barrier: to a member first those of
 * its own share, an n_members-th of them in a row, in ascending order, then what others have left.
 * ENG_TEAM_DONE when all are taken. Pieces that lie beside each other stay with one member, whose
 * caches and prefetches then go on where the last piece ended. */
enum { ENG_TEAM_DONE = UINT32_MAX };
uint32_t eng__team_share(eng_team *team, uint32_t member, uint32_t n);

/* The team as an eng_parallel, for programs that own their threads. Valid as long as the team; runs
 * for its owner, outside eng__team_run. */
eng_parallel eng__team_parallel(eng_team *team);

#endif
