/* A request in service: its prompts, its sequences, what was used.
 *
 * One sequence stands for one choice that is computed: prompt p, number j < max(n, best_of). All of
 * a prompt's sequences have the same prompt; number 0, the leader, computes it and the others fork
 * from it, or find it in the prefix cache when they start later.
 *
 * Owner: the compute thread. */
#ifndef DAEMON_SERVE_JOB_H
#define DAEMON_SERVE_JOB_H

#include "bridge/messages.h"
#include "serve/emit.h"

typedef struct job job;

/* Log-probs of a prompt's tokens, for echo: one a row, from the leader's prefill. */
typedef struct prompt_logprobs {
    eng_output
        *rows; /* [n_tokens]; rows[i] tells of token i; rows[0] of nothing; NULL: not started */
} prompt_logprobs;

typedef struct sequence {
    job *job;
    uint32_t prompt, number;
    eng_seq *seq; /* NULL while waiting for room */
    bool started; /* had room before: what it finds in the cache is then its own */
    int32_t
        *tokens; /* prompt, then what was sampled; owned; NULL before it starts and at its end */
    uint32_t n_tokens, cap_tokens;
    uint32_t n_sampled;
    eng_sampling sampling;
    eng_output out;
    double sum_logprob; /* of sampled tokens, for best_of */
    gen_finish finish;
    emit emit;
    gen_span *moves; /* [n_moves] to other policies than the request's; owned */
    uint32_t n_moves;
    int64_t last_token_ns;
} sequence;

struct job {
    job *next;            /* in the scheduler's list of its class */
    gen_request *request; /* a reference */
    policy *policy;       /* a reference: the request's, or what its alias moved to since */
    uint32_t width;       /* sequences a prompt: max(n, best_of) */
    sequence *sequences;  /* [n_prompts * width] */
    uint32_t n_sequences, n_finished;
    prompt_logprobs *prompts; /* [n_prompts] when echo wants log-probs, else NULL */
    bool *prefilled;          /* [n_prompts] the leader is past its prompt */
    int32_t *ends;            /* [n_ends] end tokens and stop ids, banned before min_tokens */
    uint32_t n_ends;
    uint64_t round; /* the scheduler's last one that looked at it */
    bool parked;
    bool failed; /* to be ended with `failure` */
    gen_failure failure;
    gen_usage usage;
    int64_t started_ns, first_token_ns; /* 0 = not yet */
};

/* NULL when memory is out; the reference to request passes to the job on success. */
job *job_create(gen_request *request);
/* All engine sequences must have been freed. */
void job_free(job *j);

static inline bool sequence_is_leader(const sequence *s)
{
    return s->number == 0;
}
static inline const gen_prompt *sequence_prompt(const sequence *s)
{
    return &s->job->request->prompts[s->prompt];
}
/* Rows that must be computed before the next token can be drawn. */
uint32_t sequence_pending(const sequence *s);

/* Before it first runs: its tokens, and the log-prob rows of its prompt. A queued job has neither,
 * so that a queue of large requests stays small. False: memory is out. */
ENG_MUST_CHECK bool sequence_prepare(sequence *s);
/* Its job is to be ended with GEN_FAIL_OUT_OF_MEMORY. */
void sequence_out_of_memory(sequence *s);

/* The job goes on under another policy: sequences keep their tokens, and note from which one on.
 * Their engine sequences must have been freed. */
void job_move(job *j, policy *to);
/* The spans of a choice whose request follows its alias; *n of them, the caller's to free. NULL:
 * memory is out. */
gen_span *sequence_spans(const sequence *s, uint32_t *n);

/* The prompt of an echo goes to the emitter, with its log-probs if wanted. */
void sequence_echo(sequence *s);
/* Takes the token that the step drew (s->out): appends it, emits it, and decides whether the choice
 * is over. */
void sequence_accept(sequence *s);
/* Ends a choice that samples nothing (max_tokens 0). */
void sequence_end_unsampled(sequence *s);
/* Has it sampled min_tokens, so that it may end? */
bool sequence_may_end(const sequence *s);

/* The choices that are answered, in order of index: of each prompt the n sequences with the best
 * mean log-prob, in order of number; all of them when best_of == n. Fills chosen[n_prompts * n]. */
void job_choose(job *j, sequence **chosen);

#endif
