/* The reward model (Ouyang et al. 2022, eq. 1): all pairs of a prompt's ranked outputs at once.
 *
 *   r(x, y) = w . h_T + b, h the final norm's output at the last token
 *   L_x = -(1/|P|) sum over pairs (i better than j) of log sigma(r_i - r_j)
 *
 * A prompt is one element of a batch: each of its K outputs runs forward once, and its pairs never
 * part. Afterwards b is moved so that demonstrations score 0 on average, if the job names some. */
#include "rlhf/course.h"
#include "rlhf/methods.h"
#include "rlhf/pass.h"
#include "rlhf/publish.h"
#include "train/losses.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)DATA_MAX_OUTPUTS == (int)ENG_MAX_RANKED, "a row's outputs fit the loss");

typedef struct reward {
    course course;
    example_set train, valid, demonstrations;
    float *scores, *slopes; /* [MICRO_SEQS] of a micro-batch */
} reward;

/* Sums over prompts; see figures. */
typedef struct tally {
    double loss;
    uint64_t prompts, pairs, correct;
    double by_length; /* pairs that "the longer one wins" gets right */
} tally;

/* ---- data ---- */

static uint32_t group_tokens(const example_set *set, const example_group *g)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < g->k; k++)
        n += set->items[g->first + k].n;
    return n;
}

static bool all_tied(const example_group *g)
{
    for (uint32_t k = 1; k < g->k; k++)
        if (g->rank[k] != g->rank[0])
            return false;
    return true;
}

/* Groups that are one tie have no pair and teach nothing. */
static job_code drop_ties(const job *j, example_set *set, const char *field, eng_error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < set->n_groups; i++)
        if (!all_tied(&set->groups[i]))
            set->groups[kept++] = set->groups[i];
    if (kept < set->n_groups)
        host_event(&j->host, INSTRUCTD_LOG_WARN, "%s: %zu rows are one tie and left out", field,
                   set->n_groups - kept);
    set->n_groups = kept;
    return kept ? INSTRUCTD_OK
                : code_fail(err, INSTRUCTD_E_INVALID, "%s: every row is one tie", field);
}

static job_code load_groups(reward *r, example_set *set, const char *field, const char *file,
                            eng_error *err)
{
    job_code code = course_load(&r->course, set, field, file, DATA_REWARD_MODEL, err);
    return code == INSTRUCTD_OK ? drop_ties(r->course.job, set, field, err) : code;
}

static job_code load_data(reward *r, const job *j, eng_error *err)
{
    job_code code = load_groups(r, &r->train, "training_file", j->training_file, err);
    if (code == INSTRUCTD_OK && j->validation_file)
        code = load_groups(r, &r->valid, "validation_file", j->validation_file, err);
    if (code == INSTRUCTD_OK && j->names.center)
        code = course_load(&r->course, &r->demonstrations, "center", j->names.center,
                           DATA_SUPERVISED, err);
    return code;
}

/* The most tokens that must stay together: a whole group. */
static uint32_t longest_unit(const reward *r)
{
    const example_set *const sets[] = {&r->train, &r->valid};
    uint32_t most = r->demonstrations.longest;
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; i < sets[s]->n_groups; i++) {
            uint32_t n = group_tokens(sets[s], &sets[s]->groups[i]);
            most = n > most ? n : most;
        }
    return most;
}

/* ---- a micro-batch of whole groups ---- */

/* From groups[items[*at]] on as many as fit; items NULL: all in order. Returns how many. */
static uint32_t fill_micro(micro *m, const example_set *set, const uint32_t *items, uint32_t n,
                           uint32_t at)
{
    uint32_t taken = 0;
    micro_clear(m);
    for (; at + taken < n; taken++) {
        uint32_t index = items ? items[at + taken] : at + taken;
        const example_group *g = &set->groups[index];
        if (m->pack.n_seqs + g->k > MICRO_SEQS ||
            group_tokens(set, g) > m->max_tokens - m->starts[m->pack.n_seqs])
            break;
        for (uint32_t k = 0; k < g->k; k++) {
            const example *e = &set->items[g->first + k];
            micro_add(m, e->tokens, e->n, e->n, (uint64_t)index << 4 | k);
        }
    }
    return taken;
}

/* Adds a group's loss and counts to the tally; slopes (may be NULL) get dL_x/dscore. */
static void judge_group(tally *sum, const example_set *set, const example_group *g,
                        const float *scores, float *slopes)
{
    uint32_t lengths[DATA_MAX_OUTPUTS], pairs;
    for (uint32_t k = 0; k < g->k; k++) {
        const example *e = &set->items[g->first + k];
        lengths[k] = e->n - e->n_prompt;
    }
    eng_kwise loss = eng_kwise_loss(g->k, scores, g->rank, slopes);
    sum->by_length += eng_length_baseline(g->k, lengths, g->rank, &pairs) * pairs;
    sum->loss += loss.loss;
    sum->pairs += loss.pairs;
    sum->correct += loss.correct;
    sum->prompts++;
}

/* The micro-batch's scores are there; walks its groups. */
static void judge_micro(reward *r, tally *sum, const example_set *set, const uint32_t *items,
                        uint32_t at, uint32_t n, bool slopes)
{
    uint32_t seq = 0;
    for (uint32_t i = at; i < at + n; i++) {
        const example_group *g = &set->groups[items ? items[i] : i];
        judge_group(sum, set, g, r->scores + seq, slopes ? r->slopes + seq : NULL);
        seq += g->k;
    }
}

static void put_figures(report *row, const tally *sum)
{
    report_put(row, "rm_accuracy", (double)sum->correct / (double)sum->pairs);
    report_put(row, "length_baseline", sum->by_length / (double)sum->pairs);
}

/* ---- the course ---- */

/* Forward and back through one micro-batch of n groups; the batch has n_batch. */
static void learn(reward *r, course *c, const uint32_t *items, uint32_t at, uint32_t n,
                  uint32_t n_batch, tally *sum)
{
    const micro *m = &c->micro;
    trainer *t = &c->trainer;
    course_forward(c);
    eng_score_forward(c->tape, t->net, m->last, m->pack.n_seqs, r->scores);
    judge_micro(r, sum, &r->train, items, at, n, true);
    for (uint32_t s = 0; s < m->pack.n_seqs; s++)
        r->slopes[s] /= (float)n_batch;
    eng_score_backward(c->tape, t->net, m->last, m->pack.n_seqs, r->slopes, t->grads);
    eng_tape_backward(c->tape, t->net, t->grads);
}

static job_code gradient(void *self, course *c, const uint32_t *items, uint32_t n, double *loss,
                         uint64_t *tokens, eng_error *err)
{
    reward *r = self;
    tally sum = {0};
    *tokens = 0;
    for (uint32_t at = 0, taken; at < n; at += taken) {
        job_code code = host_go_on(&c->job->host, err);
        if (code != INSTRUCTD_OK)
            return code;
        taken = fill_micro(&c->micro, &r->train, items, n, at);
        *tokens += c->micro.starts[c->micro.pack.n_seqs];
        learn(r, c, items, at, taken, n, &sum);
    }
    *loss = sum.loss / n;
    put_figures(&c->row, &sum);
    return INSTRUCTD_OK;
}

/* The figures of a judged step are the validation file's. */
static job_code judge(void *self, course *c, double *value, eng_error *err)
{
    reward *r = self;
    tally sum = {0};
    const uint32_t n = (uint32_t)r->valid.n_groups;
    for (uint32_t at = 0, taken; at < n; at += taken) {
        job_code code = host_go_on(&c->job->host, err);
        if (code != INSTRUCTD_OK)
            return code;
        taken = fill_micro(&c->micro, &r->valid, NULL, n, at);
        eng_tape_forward(c->tape, c->trainer.net, &c->micro.pack, NULL);
        eng_score_forward(c->tape, c->trainer.net, c->micro.last, c->micro.pack.n_seqs, r->scores);
        judge_micro(r, &sum, &r->valid, NULL, at, taken, false);
    }
    put_figures(&c->row, &sum);
    report_put(&c->row, "valid_loss", sum.loss / n);
    *value = -sum.loss / n;
    return INSTRUCTD_OK;
}

/* ---- around it ---- */

/* A model that has no score head yet gets a random one. */
static job_code prepare_head(course *c, eng_error *err)
{
    const eng_param *w = eng_net_find(c->trainer.net, "score.weight");
    host_policy policy;
    eng_model_facts facts;
    job_code code = host_policy_find(&c->job->host, c->job->model, &policy, err);
    if (code == INSTRUCTD_OK)
        code = code_of(eng_model_inspect(&facts, policy.path, ENG_SERVE_F32, err));
    if (code == INSTRUCTD_OK && w && !facts.scored)
        eng_net_init_score(c->trainer.net, key_of(c->job->seed, KEY_SCORE_HEAD, 0, 0));
    return code;
}

/* b -= the demonstrations' mean score. */
static job_code center(reward *r, eng_error *err)
{
    course *c = &r->course;
    const example_set *d = &r->demonstrations;
    const pass p = {&c->job->host, c->tape, &c->micro};
    float *scores = malloc((d->n + 1) * sizeof *scores);
    if (!scores)
        return code_fail(err, INSTRUCTD_E_NOMEM, "no memory for %zu scores", d->n);
    job_code code = pass_scores(&p, c->trainer.net, d->items, d->n, scores, err);
    double sum = 0;
    for (size_t i = 0; i < d->n && code == INSTRUCTD_OK; i++)
        sum += (double)scores[i];
    free(scores);
    if (code != INSTRUCTD_OK)
        return code;
    float *bias = eng_net_find(c->trainer.net, "score.bias")->data;
    *bias = (float)((double)*bias - sum / (double)d->n);
    host_event(&c->job->host, INSTRUCTD_LOG_INFO,
               "centred: %zu demonstrations scored %.4f on average and now score 0", d->n,
               sum / (double)d->n);
    return INSTRUCTD_OK;
}

static job_code train(reward *r, const job *j, eng_error *err)
{
    const example_set *const sets[] = {&r->train, &r->valid, &r->demonstrations};
    const course_method method = {.self = r,
                                  .n_items = r->train.n_groups,
                                  .per_batch = (uint32_t)j->numbers.batch_size,
                                  .sets = sets,
                                  .n_sets = 3,
                                  .gradient = gradient,
                                  .judge = r->valid.n_groups ? judge : NULL};
    r->scores = calloc(MICRO_SEQS, sizeof *r->scores);
    r->slopes = calloc(MICRO_SEQS, sizeof *r->slopes);
    if (!r->scores || !r->slopes)
        return code_fail(err, INSTRUCTD_E_NOMEM, "no memory for a micro-batch's scores");
    return course_run(&r->course, &method, err);
}

static job_code publish(const reward *r, const job *j, eng_error *err)
{
    const publish_order result = {.net = r->course.trainer.net,
                                  .stage = "rm",
                                  .kl_coef = NAN,
                                  .ptx_coef = NAN,
                                  .step = r->course.state.step};
    return publish_result(j, &result, err);
}

job_code reward_model_run(const job *j, eng_error *err)
{
    reward r = {0};
    job_code code = course_open(&r.course, j, ENG_HEAD_SCORE, err);
    if (code == INSTRUCTD_OK)
        code = prepare_head(&r.course, err);
    if (code == INSTRUCTD_OK)
        code = load_data(&r, j, err);
    if (code == INSTRUCTD_OK)
        code = course_make_room(&r.course, longest_unit(&r), err);
    if (code == INSTRUCTD_OK)
        code = train(&r, j, err);
    if (code == INSTRUCTD_OK && r.demonstrations.n)
        code = center(&r, err);
    if (code == INSTRUCTD_OK)
        code = publish(&r, j, err);
    free(r.scores);
    free(r.slopes);
    examples_free(&r.train);
    examples_free(&r.valid);
    examples_free(&r.demonstrations);
    course_free(&r.course);
    return code;
}
