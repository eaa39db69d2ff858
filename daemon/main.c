/* instructd: command line -> daemon. */
#include "daemon.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void print_ready(void *arg, const daemon_facts *f)
{
    (void)arg;
    printf("ready\n"
           "  model     %s\n"
           "  policy    %s as \"%s\", %s\n"
           "  weights   %s, %.0f MiB, %s kernels, %u threads\n"
           "  KV cache  %.0f MiB, %s\n",
           f->model, f->policy, f->alias, f->stage, f->dtype, (double)f->weight_bytes / (1 << 20),
           f->kernels, f->threads, (double)f->kv_bytes / (1 << 20), f->kv_type);
    fflush(stdout);
}

static void print_listening(const instructd *d, const config *c)
{
    const char *open = strchr(c->host, ':') ? "[" : "", *close = open[0] ? "]" : "";
    printf("instructd " INSTRUCTD_VERSION "\n"
           "  URL       http://%s%s%s:%u\n",
           open, c->host, close, daemon_port(d));
    if (c->unix_path)
        printf("  socket    %s\n", c->unix_path);
    printf("  admin key %s/admin.key\n"
           "  page key  %s/page.key\n"
           "  loading   %s\n",
           c->data_dir, c->data_dir, c->model);
    fflush(stdout);
}

static int serve(const config *c)
{
    error_text err;
    daemon_options options = {.config = *c, .signals = true, .on_ready = print_ready};
    log_set_level(c->level);
    instructd *d = daemon_create(&options, &err);
    if (!d) {
        fprintf(stderr, "instructd: %s\n", err.text);
        return 1;
    }
    print_listening(d, c);
    err.text[0] = 0;
    int code = daemon_run(d, &err);
    if (err.text[0])
        fprintf(stderr, "instructd: %s\n", err.text);
    if (daemon_must_exit(d)) /* it reads weights, or a plugin has not left: do not wait */
        _exit(code);
    daemon_free(d);
    return code;
}

int main(int argc, char **argv)
{
    config c;
    error_text err;
    config_defaults(&c);
    switch (config_parse(&c, argc, argv, &err)) {
    case CONFIG_HELP:
        config_help(stdout);
        return 0;
    case CONFIG_VERSION:
        printf("instructd " INSTRUCTD_VERSION "\n");
        return 0;
    case CONFIG_BAD:
        fprintf(stderr, "instructd: %s\n", err.text);
        return 2;
    case CONFIG_RUN:
        break;
    }
    return serve(&c);
}
