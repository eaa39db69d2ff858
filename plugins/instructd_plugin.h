/* The whole contract between instructd and a training plugin, in C, in one file.
 *
 * A plugin is a shared object that exports one symbol, `instructd_plugin_entry`. The daemon loads
 * it at its start from the configured directory, asks it which training methods it has, and lends
 * it a host: data files, weights, rollouts, publishing, threads. Neither side includes anything
 * else of the other.
 *
 * Growth: every table begins with its size in bytes and grows at its end only. A caller uses a
 * member only if `size` covers it (INSTRUCTD_HAS). The major version changes when that is not
 * enough; the loader refuses another major, and a plugin whose minor is newer than the host's.
 *
 * Strings are UTF-8, NUL-terminated, and the caller's unless a line says otherwise: whoever is
 * called copies what it keeps. Functions that can fail return 0 for success or an
 * INSTRUCTD_E_* code and, where they take one, fill `err` (INSTRUCTD_ERROR_BYTES bytes).
 *
 * Threads are named in brackets: [main] the daemon's start and end, before and after all others;
 * [job] the one thread that checks or runs this job, niced as the pool is; [any] any thread.
 * Nothing is called under a lock of the host's, and nothing may unwind or longjmp across the
 * border.
 *
 * A job that computes for half a minute without calling the host (a poll of stop_requested or one
 * piece of the pool's work is enough), or does not return half a minute after it was told to stop,
 * counts as wedged: it can publish no more, and is given up. */
#ifndef INSTRUCTD_PLUGIN_H
#define INSTRUCTD_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- version ----------------------------------------------------------------------------------
 */

#define INSTRUCTD_PLUGIN_MAGIC 0x444e5349u /* "ISND" */
#define INSTRUCTD_ABI_MAJOR 1u
#define INSTRUCTD_ABI_MINOR 2u

/* Does the table `t` reach as far as member `m`? */
#define INSTRUCTD_HAS(t, type, m)                                                                  \
    ((t)->size >= offsetof(type, m) + sizeof(((const type *)0)->m) && (t)->m)

enum {
    INSTRUCTD_OK = 0,
    INSTRUCTD_E_INVALID = 1, /* the caller's argument or the user's input: `err` names it */
    INSTRUCTD_E_NOT_FOUND = 2,
    INSTRUCTD_E_NOMEM = 3,
    INSTRUCTD_E_IO = 4,
    INSTRUCTD_E_STOPPED = 5,     /* the job is being stopped: return it from run() */
    INSTRUCTD_E_REFUSED = 6,     /* a gate said no; the job may go on */
    INSTRUCTD_E_NOT_FINITE = 7,  /* NaN or infinity, or numbers on their way there */
    INSTRUCTD_E_UNSUPPORTED = 8, /* e.g. a model of another shape than the one being served */
    INSTRUCTD_E_INTERNAL = 9
};

enum { INSTRUCTD_ERROR_BYTES = 512, INSTRUCTD_POLICY_ID_BYTES = 21 /* "pol_", 16 hex, NUL */ };

enum {
    INSTRUCTD_LOG_DEBUG = 0,
    INSTRUCTD_LOG_INFO = 1,
    INSTRUCTD_LOG_WARN = 2,
    INSTRUCTD_LOG_ERROR = 3
};

/* ---- data that crosses ------------------------------------------------------------------------
 */

/* A tensor in the engine's canonical naming and layout: GGUF names ("blk.3.attn_q.weight"), rows
 * [out][in] with `in` contiguous, exactly as the base policy's own source lists it. Reward and
 * value models have "score.weight" [1][C] and "score.bias" [1] and no "output.weight". */
typedef struct instructd_tensor {
    const char *name;
    const float *data; /* n floats; the plugin's, unchanged and alive during the call */
    uint64_t n;
} instructd_tensor;

/* Weights on their way to the host. Everything not listed here (config, tokenizer, chat template)
 * is the base policy's. */
typedef struct instructd_weights {
    uint32_t size;
    uint32_t n_tensors;
    const instructd_tensor *tensors; /* all of the base policy's tensors; a score head replaces the
                                        unembedding */
    const char *base_policy;         /* id of the policy whose shape and tokenizer these have */
} instructd_weights;

/* A number with a name: metrics of a step, measurements of a gate. */
typedef struct instructd_metric {
    const char *name;
    double value; /* NaN: unknown, shown as null */
} instructd_metric;

typedef struct instructd_publish {
    uint32_t size;
    uint32_t n_measured;
    instructd_weights weights;
    const char *stage; /* "pretrained", "sft", "rm", "ppo" or "ppo-ptx" */
    /* The name to move to the new policy; NULL: register the policy and move nothing. A name that
     * does not exist yet is created. */
    const char *alias;
    /* What the plugin measured of the new weights against the alias's current policy; the host
     * compares it with the job's `publish.gate` and refuses (INSTRUCTD_E_REFUSED) when a bound is
     * passed, or when a bound is set and nothing was measured: "rm_delta", "kl_ref",
     * "lm_loss_rise", "seconds". Also stored in the policy's manifest as its metrics. */
    const instructd_metric *measured;
    /* Lineage, stored in the manifest; NULL or NaN where it does not apply. */
    const char *parent, *reward_model; /* policy ids, or "http:NAME" */
    double kl_coef, ptx_coef;
    uint64_t step; /* optimizer step or iteration: what the job's checkpoint list shows */
} instructd_publish;

/* One rollout asked for: n_samples completions of one prompt. */
typedef struct instructd_rollout_prompt {
    const int32_t *tokens;
    uint32_t n_tokens;
    uint32_t n_samples; /* share one prefill; sample j draws with choice number first_choice + j */
    uint32_t first_choice;
    uint32_t reserved;
    uint64_t seed; /* tokens depend on (policy, prompt, seed, choice, position) alone */
} instructd_rollout_prompt;

typedef struct instructd_rollout_request {
    uint32_t size;
    uint32_t n_prompts;
    const instructd_rollout_prompt *prompts;
    const char *policy;  /* id of a policy, loaded if need be, or one that sampler_load gave */
    uint32_t max_tokens; /* of a completion */
    float temperature;   /* > 0; no top-k, top-p, min-p, penalties or bias: pure sampling */
} instructd_rollout_request;

/* One completion. The host's memory, until rollouts_free. */
typedef struct instructd_rollout {
    uint32_t prompt, sample; /* which of the request */
    uint32_t n_tokens;       /* the end token included if one was drawn */
    uint32_t ended;          /* 1: the last token is an end token; 0: cut at max_tokens */
    const int32_t *tokens;   /* [n_tokens] */
    const float *logprobs;   /* [n_tokens] log-softmax of logits / temperature, by the sampler */
    const char *policy;      /* id of the policy that drew every one of them */
} instructd_rollout;

typedef struct instructd_rollouts {
    uint32_t size;
    uint32_t n;                        /* sum of n_samples, in order of (prompt, sample) */
    const instructd_rollout *rollouts; /* [n] */
} instructd_rollouts;

/* ---- what the host lends ----------------------------------------------------------------------
 */

typedef struct instructd_job instructd_job; /* the host's; a job's handle during check and run */

typedef struct instructd_host instructd_host;
struct instructd_host {
    uint32_t size;
    uint32_t abi_major, abi_minor;
    uint32_t reserved;
    const char *version; /* of the daemon, e.g. "0.1.0" */

    /* One line in the daemon's log; never user text. [any] */
    void (*log)(const instructd_host *host, int level, const char *message);

    /* -- of a job: `job` is the handle given to check or run -- */

    /* Nonzero once the job is to stop (cancelled, or the daemon goes down): leave check or run with
     * INSTRUCTD_E_STOPPED, between two micro-batches or some rows of a file. [any, cheap] */
    int (*stop_requested)(instructd_job *job);
    /* Nonzero once the job is to pause: write a checkpoint, then return INSTRUCTD_E_STOPPED from
     * run; the job is called again to go on. [any, cheap] */
    int (*pause_requested)(instructd_job *job);
    /* A line in the job's event list. data_json: an object, or NULL. [job] */
    void (*event)(instructd_job *job, int level, const char *message, const char *data_json);
    /* A row of the job's metrics; `step` never decreases, and a step that comes again after a
     * resume replaces its row. [job] */
    void (*metrics)(instructd_job *job, uint64_t step, const instructd_metric *values, uint32_t n);
    /* How much is done: steps done of all; tokens trained so far. [job] */
    void (*progress)(instructd_job *job, uint64_t done, uint64_t total, uint64_t trained_tokens);

    /* A data file of the job's, by its id "file-...": a descriptor open for reading, the plugin's
     * to close, or -1 with err. [job] */
    int (*file_open)(instructd_job *job, const char *file_id, char *err);
    /* Resolves a model name ("instruct", "instruct@pol_...", "pol_...") to a policy id, which stays
     * on disk until the job ends or policy_release. An alias may stand for another policy the next
     * time: note the id where a resumed run must find the same. id has INSTRUCTD_POLICY_ID_BYTES.
     * [job] */
    int (*policy_resolve)(instructd_job *job, const char *name, char *id, char *err);
    /* Where an id's weights lie: a checkpoint directory in Hugging Face layout, or a GGUF file;
     * immutable. Writes at most cap bytes with the NUL. [job] */
    int (*policy_path)(instructd_job *job, const char *id, char *path, size_t cap, char *err);
    /* A private directory (0700) of this job's that survives restarts: its checkpoints. [job] */
    int (*checkpoint_dir)(instructd_job *job, char *path, size_t cap, char *err);

    /* -- threads: training runs on these alone, niced and capped by the operator -- */

    uint32_t (*pool_width)(const instructd_host *host); /* the caller's thread included [any] */
    /* Calls fn(arg, i, member) once for each i in [0, n), on up to pool_width threads with member
     * in [0, pool_width), the caller's among them, and returns when all are done. Not re-entrant.
     * [job] */
    void (*pool_run)(const instructd_host *host, uint32_t n,
                     void (*fn)(void *arg, uint32_t i, uint32_t member), void *arg);

    /* -- sampling and scoring -- */

    /* The narrowest type that generate computes a sampler_load policy with, keys and values
     * included: "f32", "bf16", "f16", "q8_0". Unless it is "f32", log-probs of the sampler and of
     * the trainer differ by more than rounding, and importance weights are due. Lives as long as
     * the host. [any] */
    const char *sampler_dtype;
    /* Makes weights samplable without publishing them: an unnamed policy in memory, gone with
     * sampler_free or the job. At most two at a time. Its id is given back. [job] */
    int (*sampler_load)(instructd_job *job, const instructd_weights *weights, char *id, char *err);
    void (*sampler_free)(instructd_job *job, const char *id); /* [job] */
    /* Draws completions through a scheduler like the serving one, below all that serves; prompts
     * share their prefixes; blocks. *out is freed with rollouts_free. INSTRUCTD_E_STOPPED when the
     * job is being stopped. [job] */
    int (*generate)(instructd_job *job, const instructd_rollout_request *request,
                    const instructd_rollouts **out, char *err);
    void (*rollouts_free)(instructd_job *job, const instructd_rollouts *rollouts); /* [job] */
    /* Scores n (prompt, completion) text pairs with the endpoint NAME of the configuration, with
     * its time-outs and retries. [job] */
    int (*reward_http)(instructd_job *job, const char *name, uint32_t n, const char *const *prompts,
                       const char *const *completions, double *scores, char *err);

    /* -- results -- */

    /* Writes the weights as a policy (crash-safe), checks and gates them, and moves the alias while
     * traffic goes on. id receives the new policy's id, and an event of the host's tells it. On
     * INSTRUCTD_E_REFUSED (by a gate, or because somebody moved the alias meanwhile) nothing moved,
     * an event of the host's tells why, and the job may go on. Other failures, and all of a publish
     * without an alias, stand in `err` alone: end with it, or tell it. The first publish of a job
     * that moves no alias, or the last one, is the job's result (`fine_tuned_model`). [job] */
    int (*publish)(instructd_job *job, const instructd_publish *publish, char *id, char *err);

    /* -- since 1.1: ask with INSTRUCTD_HAS -- */

    /* The job needs a policy that policy_resolve or policy_path named no more: a long job that
     * looks at many would else keep them all on disk. However often it was asked for, once is
     * enough; the job's own model stays. [job] */
    void (*policy_release)(instructd_job *job, const char *id);

    /* -- since 1.2 -- */

    /* generate in two halves, so that a job can compute while its completions are drawn: begin
     * checks the request, copies what it needs of it and sets out; wait blocks until all are drawn
     * and gives them as generate would. The completions are the same; what is begun keeps its
     * policy, so sampler_free may come before wait. One at a time: after a begin that succeeded,
     * another one or a generate is INSTRUCTD_E_INVALID until wait has returned, with whatever
     * result. What was begun and never waited for ends with the job. [job] */
    int (*generate_begin)(instructd_job *job, const instructd_rollout_request *request, char *err);
    int (*generate_wait)(instructd_job *job, const instructd_rollouts **out, char *err);
};

/* ---- what a plugin is -------------------------------------------------------------------------
 */

/* A checked job, as the host hands it over. All strings live until check or run returns. */
typedef struct instructd_job_spec {
    uint32_t size;
    uint32_t resumed;            /* nonzero: run was left before; checkpoint_dir may hold state */
    const char *id;              /* "ftjob-..." */
    const char *method;          /* "ppo" */
    const char *model;           /* id of the policy to start from */
    const char *training_file;   /* "file-..." or NULL */
    const char *validation_file; /* or NULL */
    uint64_t seed;
    /* The method's object of the request: {"hyperparameters":{...},"reward_model":...,...}, with
     * every hyperparameter of the schema present: defaults filled in, "auto" replaced, ranges
     * checked. Model names in it are as the user wrote them. */
    const char *method_json;
    /* {"alias","every","weights","gate":{...}} or NULL when the job is not to move an alias. */
    const char *publish_json;
} instructd_job_spec;

/* What a plugin found in an uploaded file. */
typedef struct instructd_file_report {
    uint32_t size;
    uint32_t reserved;
    char format[32];                   /* "supervised", "reward_model", "ppo", "pretrain", ... */
    uint64_t rows;                     /* read, up to the first bad one */
    uint64_t bad_line;                 /* 1-based; 0: none */
    char error[INSTRUCTD_ERROR_BYTES]; /* why, without the line; "" if none */
} instructd_file_report;

typedef struct instructd_method {
    uint32_t size;
    uint32_t reserved;
    const char *type; /* "supervised"; [a-z0-9_]{1,32}, unique among all plugins */
    /* JSON Schema (draft 2020-12) of the method's object. Of it the host itself uses: type object /
     * number / integer / string / boolean, properties, required, enum, default, minimum, maximum,
     * exclusiveMinimum, exclusiveMaximum, description; "additionalProperties" counts as false. A
     * property "hyperparameters" holds the numbers. Beside "properties" of the whole may stand
     * "presets": {"NAME":{"n_epochs":2,...}}: other defaults of hyperparameters for a request whose
     * object has "preset":"NAME"; and "x-training-formats": ["supervised",...]: the formats (of
     * file_check) that training_file and validation_file may have, [] if the method reads none; and
     * "x-result-scores": whether what the method publishes has a score head, so that a job that
     * names an alias of the other kind is refused when it is made, not when it has been trained.
     * Lives as long as the plugin. */
    const char *schema_json;
    /* Looks at a job before it is queued for compute: reads every file, resolves every model, and
     * refuses with the file's line or the field in err. `param` (64 bytes) receives the field's
     * name, or stays "". A job may be checked while another one runs, on another thread: the two
     * share nothing but what is read only, and check leaves the pool alone. [job] */
    int (*check)(const instructd_host *host, instructd_job *job, const instructd_job_spec *spec,
                 char *param, char *err);
    /* Runs the job to its end. INSTRUCTD_OK: succeeded. INSTRUCTD_E_STOPPED: left because asked to.
     * Else failed with err. A resumed run must give the same weights, bit for bit, as one that was
     * never interrupted. [job] */
    int (*run)(const instructd_host *host, instructd_job *job, const instructd_job_spec *spec,
               char *err);
} instructd_method;

typedef struct instructd_plugin {
    uint32_t size;
    uint32_t magic; /* INSTRUCTD_PLUGIN_MAGIC */
    uint32_t abi_major, abi_minor;
    const char *name, *version; /* "rlhf", "0.1.0" */
    uint32_t n_methods;
    uint32_t reserved;
    const instructd_method *const *methods; /* [n_methods] */
    /* Reads an uploaded file from fd (at offset 0, not to be closed) and says what it is. Returns
     * INSTRUCTD_OK (a bad row is a finding, in the report), or INSTRUCTD_E_UNSUPPORTED when the
     * first line is of no format it knows. Given up after 30 s of computing or 2 min. NULL: the
     * plugin knows no formats. [any] */
    int (*file_check)(int fd, instructd_file_report *report);
    /* Before dlclose; no job runs. May be NULL. [main] */
    void (*shutdown)(void);
} instructd_plugin;

/* The one exported symbol. Returns a table that lives until shutdown, or NULL with err (e.g. the
 * CPU lacks something). The host outlives the plugin. [main] */
typedef const instructd_plugin *instructd_plugin_entry_fn(const instructd_host *host, char *err);
#define INSTRUCTD_PLUGIN_ENTRY "instructd_plugin_entry"

#if defined(__GNUC__)
#define INSTRUCTD_EXPORT __attribute__((visibility("default")))
#else
#define INSTRUCTD_EXPORT
#endif

INSTRUCTD_EXPORT const instructd_plugin *instructd_plugin_entry(const instructd_host *host,
                                                                char *err);

#ifdef __cplusplus
}
#endif

#endif
