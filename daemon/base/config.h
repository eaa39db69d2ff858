/* The daemon's configuration: what its command line says, checked. Plain data. */
#ifndef DAEMON_BASE_CONFIG_H
#define DAEMON_BASE_CONFIG_H

#include "base/error_text.h"
#include "base/log.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { CONFIG_LIST = 32 }; /* entries of a repeatable option */

typedef enum config_kv { CONFIG_KV_AUTO, CONFIG_KV_F16, CONFIG_KV_F32 } config_kv;
typedef enum config_weights {
    CONFIG_WEIGHTS_FILE, /* each matrix in its file's type */
    CONFIG_WEIGHTS_F32,
    CONFIG_WEIGHTS_BF16,
    CONFIG_WEIGHTS_Q8_0
} config_weights;
typedef enum config_publish {
    CONFIG_PUBLISH_AUTO, /* f32 if the base model serves as f32, else q8_0 */
    CONFIG_PUBLISH_F32,
    CONFIG_PUBLISH_BF16,
    CONFIG_PUBLISH_Q8_0
} config_publish;

/* Strings point into argv or are static, and outlive the configuration, except data_dir, which is
 * held here. */
typedef struct config {
    const char *host;      /* a numeric address or "localhost"; names are never resolved */
    uint16_t port;         /* 0: a free one */
    const char *unix_path; /* NULL: no Unix socket */
    const char *model;     /* a GGUF file or a checkpoint directory */
    char data_dir[1024];
    const char *alias;
    uint32_t threads; /* 0: one per core */
    uint64_t kv_bytes;
    config_kv kv_type;
    config_weights weights;
    config_publish publish_type; /* how published policies are served */
    uint32_t max_resident;       /* policies of one alias in memory */
    uint64_t policy_bytes;       /* of all policies in memory; 0: what the system has free */
    bool reset_alias;            /* serve `model`, whatever was published under the alias */
    uint32_t max_running, prefill_budget, max_queued;
    const char *plugin_dir;           /* NULL: ../lib/plugins beside the executable's directory */
    uint32_t train_threads;           /* 0: one per core */
    uint32_t train_share;             /* percent of the time that a stream leaves to training */
    const char *rewards[CONFIG_LIST]; /* NAME=URL of reward endpoints */
    size_t n_rewards;
    const char *key_file;           /* NULL: the admin key alone */
    bool anonymous;                 /* keyless requests may infer, on a loopback-only bind */
    const char *hosts[CONFIG_LIST]; /* Host values taken beside the loopback ones */
    size_t n_hosts;
    const char *cors_origins[CONFIG_LIST];
    size_t n_cors_origins;
    bool insecure;       /* bind beyond loopback without TLS */
    const char *kernels; /* NULL: the widest this CPU runs */
    log_level level;
    uint32_t idle_ms;
} config;

/* The defaults of a bare command line; data_dir comes from XDG_DATA_HOME or HOME. */
void config_defaults(config *c);

typedef enum config_action { CONFIG_RUN, CONFIG_HELP, CONFIG_VERSION, CONFIG_BAD } config_action;

/* Reads argv[1..) over the defaults. CONFIG_BAD: *err names the option. */
config_action config_parse(config *c, int argc, char **argv, error_text *err);
/* What no single option can tell: a model is named, the bind is safe. config_parse calls it. */
bool config_check(const config *c, error_text *err);
/* One line per option. */
void config_help(FILE *out);

/* Is host an address that only this machine reaches? */
bool config_host_is_loopback(const char *host);
/* "1GiB", "512MiB", "64KiB" or plain bytes; false on anything else or overflow. */
bool config_parse_bytes(const char *text, uint64_t *out);

#endif
