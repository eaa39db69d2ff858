#include "base/config.h"

#include "base/alias_name.h"
#include "base/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef enum option_kind {
    OPT_TEXT,   /* const char *, not empty */
    OPT_PATH,   /* copied into data_dir */
    OPT_U32,    /* min..max */
    OPT_PORT,   /* 0..65535 */
    OPT_BYTES,  /* config_parse_bytes */
    OPT_LIST,   /* repeatable; the count follows the array in the struct */
    OPT_CHOICE, /* an enum by its names */
    OPT_ON,
    OPT_OFF, /* flags */
    OPT_LEVEL,
    OPT_HELP,
    OPT_VERSION
} option_kind;

typedef struct option_info {
    const char *name, *value, *help;
    option_kind kind;
    size_t offset, count_offset;
    const char *const *choices;
    uint32_t min, max;
} option_info;

static const char *const kv_names[] = {"auto", "f16", "f32", NULL};
static const char *const weight_names[] = {"file", "f32", "bf16", "q8_0", NULL};
static const char *const publish_names[] = {"auto", "f32", "bf16", "q8_0", NULL};

#define AT(field) .offset = offsetof(config, field)
#define LIST(field) .offset = offsetof(config, field), .count_offset = offsetof(config, n_##field)
#define RANGE(lo, hi) .min = (lo), .max = (hi)

static const option_info options[] = {
    {"--model", "PATH", "GGUF file or checkpoint directory to serve (required)", OPT_TEXT,
     AT(model)},
    {"--alias", "NAME", "name that requests use for the model (instruct)", OPT_TEXT, AT(alias)},
    {"--host", "ADDRESS", "address to listen on (127.0.0.1)", OPT_TEXT, AT(host)},
    {"--port", "N", "TCP port; 0 takes a free one and prints it (8080)", OPT_PORT, AT(port)},
    {"--unix", "PATH", "also listen on this Unix socket, mode 0600", OPT_TEXT, AT(unix_path)},
    {"--data-dir", "DIR", "keys and state ($XDG_DATA_HOME/instructd or ~/.local/share/instructd)",
     OPT_PATH, AT(data_dir)},
    {"--threads", "N", "compute threads; 0 is one per core (0)", OPT_U32, AT(threads),
     RANGE(0, 1024)},
    {"--kv-memory", "SIZE", "memory for keys and values, like 512MiB (1GiB)", OPT_BYTES,
     AT(kv_bytes)},
    {"--kv-type", "TYPE", "auto, f16 or f32; auto is f32 for f32 weights, else f16 (auto)",
     OPT_CHOICE, AT(kv_type), .choices = kv_names},
    {"--weights", "TYPE", "serve as file, f32, bf16 or q8_0 (file)", OPT_CHOICE, AT(weights),
     .choices = weight_names},
    {"--max-running", "N", "sequences decoding at once (64)", OPT_U32, AT(max_running),
     RANGE(1, 4096)},
    {"--prefill-budget", "N", "prompt tokens computed in one step (256)", OPT_U32,
     AT(prefill_budget), RANGE(1, 65536)},
    {"--max-queued", "N", "requests waiting before 429 (512)", OPT_U32, AT(max_queued),
     RANGE(1, 65536)},
    {"--publish-type", "TYPE",
     "serve published policies as auto, f32, bf16 or q8_0; auto is f32 beside an f32 model, else "
     "q8_0 (auto)",
     OPT_CHOICE, AT(publish_type), .choices = publish_names},
    {"--max-resident", "N", "policies of one alias in memory at once (3)", OPT_U32,
     AT(max_resident), RANGE(2, 64)},
    {"--policy-memory", "SIZE", "memory for all policies; 0 is what the system has free (0)",
     OPT_BYTES, AT(policy_bytes)},
    {"--reset-alias", NULL, "serve --model, whatever was published under the alias before", OPT_ON,
     AT(reset_alias)},
    {"--plugin-dir", "DIR", "where training plugins lie (../lib/plugins beside this program)",
     OPT_TEXT, AT(plugin_dir)},
    {"--train-threads", "N", "threads that training may use; 0 is one per core (0)", OPT_U32,
     AT(train_threads), RANGE(0, 1024)},
    {"--train-share", "PERCENT",
     "of the time that training gets beside a stream that never pauses; 1 to 50 (10)", OPT_U32,
     AT(train_share), RANGE(1, 50)},
    {"--reward", "NAME=URL", "reward endpoint that jobs name as http:NAME; may be repeated",
     OPT_LIST, LIST(rewards)},
    {"--key-file", "FILE", "further keys, one `NAME SCOPES SHA256 [user=...] [role=...]` a line",
     OPT_TEXT, AT(key_file)},
    {"--no-anonymous", NULL, "ask for a key on loopback too", OPT_OFF, AT(anonymous)},
    {"--allow-host", "HOST",
     "take this Host header too, beside those of --host and loopback; may be repeated", OPT_LIST,
     LIST(hosts)},
    {"--cors-origin", "ORIGIN", "let pages of this origin call infer routes; may be repeated",
     OPT_LIST, LIST(cors_origins)},
    {"--insecure", NULL, "allow a bind beyond loopback without TLS", OPT_ON, AT(insecure)},
    {"--kernels", "NAME", "scalar, avx2 or avx512 (the widest this CPU runs)", OPT_TEXT,
     AT(kernels)},
    {"--log-level", "LEVEL", "error, warn, info or debug (info)", OPT_LEVEL, AT(level)},
    {"--idle-ms", "N", "close a connection idle this long (60000)", OPT_U32, AT(idle_ms),
     RANGE(1, 86400000)},
    {"--version", NULL, "print the version and exit", OPT_VERSION, .offset = 0},
    {"--help", NULL, "print this and exit", OPT_HELP, .offset = 0},
};
enum { N_OPTIONS = sizeof options / sizeof options[0] };

static void default_data_dir(char *out, size_t cap)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    int n;
    if (data && data[0] == '/')
        n = snprintf(out, cap, "%s/instructd", data);
    else
        n = snprintf(out, cap, "%s/.local/share/instructd", home && home[0] ? home : "/root");
    if (n < 0 || (size_t)n >= cap)
        out[0] = 0;
}

void config_defaults(config *c)
{
    *c = (config){.host = "127.0.0.1",
                  .port = 8080,
                  .alias = "instruct",
                  .kv_bytes = 1ull << 30,
                  .max_resident = 3,
                  .max_running = 64,
                  .prefill_budget = 256,
                  .max_queued = LIMIT_QUEUED_REQUESTS,
                  .train_share = 10,
                  .anonymous = true,
                  .level = LOG_INFO,
                  .idle_ms = LIMIT_IDLE_MS};
    default_data_dir(c->data_dir, sizeof c->data_dir);
}

static bool parse_u64(const char *text, uint64_t max, uint64_t *out, const char **end)
{
    if (*text < '0' || *text > '9')
        return false;
    uint64_t v = 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (v > (max - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *out = v;
    *end = text;
    return true;
}

bool config_parse_bytes(const char *text, uint64_t *out)
{
    static const struct {
        const char *name;
        unsigned shift;
    } units[] = {{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
    const char *end;
    uint64_t v;
    if (!parse_u64(text, UINT64_MAX / 2, &v, &end))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(end, units[i].name) == 0 && v <= (uint64_t)INT64_MAX >> units[i].shift) {
            *out = v << units[i].shift;
            return true;
        }
    return false;
}

bool config_host_is_loopback(const char *host)
{
    const char *end;
    uint64_t part;
    if (strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0)
        return true;
    if (strncmp(host, "127.", 4) != 0)
        return false;
    host += 4;
    for (int i = 0; i < 3; i++) {
        if (!parse_u64(host, 255, &part, &end) || *end != (i < 2 ? '.' : 0))
            return false;
        host = end + 1;
    }
    return true;
}

static bool apply_number(config *c, const option_info *o, const char *value, error_text *err)
{
    uint64_t v;
    const char *end;
    uint32_t max = o->kind == OPT_PORT ? UINT16_MAX : o->max;
    if (!parse_u64(value, max, &v, &end) || *end || v < o->min)
        return error_text_set(err, "%s %.100s: expected a number from %u to %u", o->name, value,
                              o->min, max);
    char *field = (char *)c + o->offset;
    if (o->kind == OPT_PORT)
        *(uint16_t *)(void *)field = (uint16_t)v;
    else
        *(uint32_t *)(void *)field = (uint32_t)v;
    return true;
}

static bool apply_choice(config *c, const option_info *o, const char *value, error_text *err)
{
    /* Every enum of the configuration has the representation of unsigned. */
    _Static_assert(sizeof(config_kv) == sizeof(unsigned), "enum size");
    for (unsigned i = 0; o->choices[i]; i++)
        if (strcmp(o->choices[i], value) == 0) {
            memcpy((char *)c + o->offset, &i, sizeof i);
            return true;
        }
    return error_text_set(err, "%s %.100s: expected %s", o->name, value, o->help);
}

static bool apply_list(config *c, const option_info *o, const char *value, error_text *err)
{
    const char **list = (const char **)(void *)((char *)c + o->offset);
    size_t *n = (size_t *)(void *)((char *)c + o->count_offset);
    if (*n == CONFIG_LIST)
        return error_text_set(err, "%s: at most %d times", o->name, CONFIG_LIST);
    list[(*n)++] = value;
    return true;
}

/* value is NULL for flags. */
static bool apply(config *c, const option_info *o, const char *value, error_text *err)
{
    char *field = (char *)c + o->offset;
    if (value && !value[0])
        return error_text_set(err, "%s needs a value", o->name);
    switch (o->kind) {
    case OPT_TEXT:
        *(const char **)(void *)field = value;
        return true;
    case OPT_PATH:
        if (strlen(value) >= sizeof c->data_dir)
            return error_text_set(err, "%s: the path is too long", o->name);
        strcpy(field, value);
        return true;
    case OPT_U32:
    case OPT_PORT:
        return apply_number(c, o, value, err);
    case OPT_BYTES:
        return config_parse_bytes(value, (uint64_t *)(void *)field) ||
               error_text_set(err, "%s %.100s: expected a size like 512MiB", o->name, value);
    case OPT_LIST:
        return apply_list(c, o, value, err);
    case OPT_CHOICE:
        return apply_choice(c, o, value, err);
    case OPT_LEVEL:
        return log_level_parse(value, &c->level) ||
               error_text_set(err, "%s %.100s: expected error, warn, info or debug", o->name,
                              value);
    case OPT_ON:
    case OPT_OFF:
        *(bool *)(void *)field = o->kind == OPT_ON;
        return true;
    case OPT_HELP:
    case OPT_VERSION:
        break;
    }
    return true;
}

/* The option that arg names, as `--name` or `--name=value`. */
static const option_info *find_option(const char *arg, const char **value)
{
    size_t len = strcspn(arg, "=");
    *value = arg[len] ? arg + len + 1 : NULL;
    for (int i = 0; i < N_OPTIONS; i++)
        if (strlen(options[i].name) == len && strncmp(options[i].name, arg, len) == 0)
            return &options[i];
    return NULL;
}

/* Of this machine, in bytes; UINT64_MAX where it does not tell. */
static uint64_t memory_there(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : UINT64_MAX;
}

/* A Host header's value: a URL would never be one. */
static bool check_hosts(const config *c, error_text *err)
{
    for (size_t i = 0; i < c->n_hosts; i++)
        if (strpbrk(c->hosts[i], "/@ "))
            return error_text_set(err,
                                  "--allow-host %.100s: expected a name or address, with or "
                                  "without a port, as a Host header has it",
                                  c->hosts[i]);
    return true;
}

/* An Origin header's value: browsers send no path, not even a slash. */
static bool check_origins(const config *c, error_text *err)
{
    for (size_t i = 0; i < c->n_cors_origins; i++) {
        const char *authority = strstr(c->cors_origins[i], "://");
        if (!authority || !authority[3] || strpbrk(authority + 3, "/@ "))
            return error_text_set(err,
                                  "--cors-origin %.100s: expected SCHEME://HOST[:PORT] and nothing "
                                  "behind it",
                                  c->cors_origins[i]);
    }
    return true;
}

bool config_check(const config *c, error_text *err)
{
    if (!c->model)
        return error_text_set(err, "--model is missing: which model should be served?");
    if (!c->data_dir[0])
        return error_text_set(err, "--data-dir: the default path is too long, name one");
    if (!alias_name_valid(c->alias))
        return error_text_set(err, "--alias %.100s: " ALIAS_NAME_RULE, c->alias);
    if (c->kv_bytes < 1024 * 1024)
        return error_text_set(err, "--kv-memory: at least 1MiB");
    if (c->kv_bytes > memory_there())
        return error_text_set(err, "--kv-memory: expected at most this machine's %llu MiB",
                              (unsigned long long)(memory_there() >> 20));
    if (!config_host_is_loopback(c->host) && !c->insecure)
        return error_text_set(err,
                              "--host %.100s reaches beyond this machine and this build speaks no "
                              "TLS: put a TLS proxy in front of a loopback bind, or accept clear "
                              "text with --insecure",
                              c->host);
    return check_hosts(c, err) && check_origins(c, err);
}

config_action config_parse(config *c, int argc, char **argv, error_text *err)
{
    for (int i = 1; i < argc; i++) {
        const char *value;
        const option_info *o = find_option(argv[i], &value);
        if (!o) {
            error_text_set(err, "unknown option %.100s (--help lists all)", argv[i]);
            return CONFIG_BAD;
        }
        if (o->kind == OPT_HELP)
            return CONFIG_HELP;
        if (o->kind == OPT_VERSION)
            return CONFIG_VERSION;
        if (!o->value && value) {
            error_text_set(err, "%s takes no value", o->name);
            return CONFIG_BAD;
        }
        if (o->value && !value && i + 1 == argc) {
            error_text_set(err, "%s needs a value", o->name);
            return CONFIG_BAD;
        }
        if (o->value && !value)
            value = argv[++i];
        if (!apply(c, o, value, err))
            return CONFIG_BAD;
    }
    return config_check(c, err) ? CONFIG_RUN : CONFIG_BAD;
}

void config_help(FILE *out)
{
    fprintf(out, "usage: instructd --model PATH [options]\n\n");
    for (int i = 0; i < N_OPTIONS; i++) {
        char head[64];
        snprintf(head, sizeof head, "%s%s%s", options[i].name, options[i].value ? " " : "",
                 options[i].value ? options[i].value : "");
        fprintf(out, "  %-22s %s\n", head, options[i].help);
    }
}
