#include "stats.h"

#include <stdio.h>

static long long answer_tokens(const reply *r)
{
    return r->completion_tokens >= 0 ? r->completion_tokens : r->pieces;
}

void stats_add(stats *s, const reply *r)
{
    s->answers++;
    s->completion_tokens += answer_tokens(r);
    if (r->prompt_tokens > 0)
        s->prompt_tokens += r->prompt_tokens;
    if (r->first_s > 0) {
        s->first_s += r->first_s - r->sent_s;
        s->decode_s += r->last_s - r->first_s;
        s->decode_tokens += answer_tokens(r) > 1 ? answer_tokens(r) - 1 : 0;
    }
    snprintf(s->policy, sizeof s->policy, "%s", r->policy);
}

static void print_policy(const char *policy, terminal *err)
{
    if (!policy[0])
        return;
    text line;
    text_init(&line, 1024);
    sanitize_line(policy, &line);
    terminal_printf(err, ", %s", text_str(&line));
    text_free(&line);
}

void stats_print_answer(const reply *r, terminal *err)
{
    long long tokens = answer_tokens(r);
    double decode_s = r->last_s - r->first_s;
    terminal_set_style(err, STYLE_DIM);
    terminal_printf(err, "[%s%lld token%s", r->completion_tokens >= 0 ? "" : "~", tokens,
                    tokens == 1 ? "" : "s");
    if (tokens > 1 && decode_s > 0)
        terminal_printf(err, ", %.1f tokens/s", (double)(tokens - 1) / decode_s);
    if (r->first_s > 0)
        terminal_printf(err, ", first after %.2f s", r->first_s - r->sent_s);
    print_policy(r->policy, err);
    terminal_printf(err, "]");
    terminal_set_style(err, STYLE_PLAIN);
    terminal_printf(err, "\n");
}

void stats_print_sums(const stats *s, terminal *err)
{
    terminal_printf(err, "%d answer%s, %lld prompt tokens, %lld answer tokens", s->answers,
                    s->answers == 1 ? "" : "s", s->prompt_tokens, s->completion_tokens);
    if (s->decode_s > 0)
        terminal_printf(err, ", %.1f tokens/s", (double)s->decode_tokens / s->decode_s);
    if (s->answers)
        terminal_printf(err, ", first after %.2f s", s->first_s / s->answers);
    print_policy(s->policy, err);
    terminal_printf(err, "\n");
}
