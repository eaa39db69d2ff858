/* Running statements, and the limits of a run. */
#include "text/jinja_run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef eng__jinja_node node;
typedef eng__value value;

enum { MAX_STEPS = 16 * 1000 * 1000 };
static const size_t scratch_bytes = (size_t)64 << 20;

static void exec(eng__run *r, const node *n);

/* ---- failures and limits -------------------------------------------------------------------- */

value eng__run_fail(eng__run *r, const node *n, const char *fmt, ...)
{
    char what[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    if (r->status == ENG_OK)
        r->status =
            eng_fail(r->err, ENG_INVALID, "chat template, line %u: %s", (unsigned)n->line, what);
    return eng__undefined;
}

value eng__run_fail_full(eng__run *r, const char *what)
{
    if (r->status == ENG_OK)
        r->status = eng_fail(r->err, ENG_FULL, "chat template: %s", what);
    return eng__undefined;
}

/* The result of a string operation: `ok` is false when scratch is exhausted. */
value eng__run_made(eng__run *r, bool ok, value v)
{
    return ok ? v : eng__run_fail_full(r, "more than its share of memory");
}

/* Counts work; false once the template has failed or ran too long. */
bool eng__run_spend(eng__run *r, size_t steps)
{
    if (steps > MAX_STEPS - r->steps)
        eng__run_fail_full(r, "too many steps");
    else
        r->steps += (uint32_t)steps;
    return r->status == ENG_OK;
}

size_t eng__run_text_units(const value *v)
{
    return v->kind == ENG__VALUE_STRING ? v->string.len / 64 + v->string.n : 0;
}

/* ---- names ---------------------------------------------------------------------------------- */

value eng__run_name(const eng__run *r, int64_t name)
{
    for (size_t i = r->n_bindings; i-- > 0;)
        if (r->bindings[i].name == name)
            return r->bindings[i].v;
    return eng__undefined;
}

void eng__run_bind(eng__run *r, int64_t name, value v)
{
    for (size_t i = r->scope; i < r->n_bindings; i++)
        if (r->bindings[i].name == name) {
            r->bindings[i].v = v;
            return;
        }
    if (r->n_bindings == ENG__RUN_MAX_BINDINGS)
        eng__run_fail_full(r, "too many names set");
    else
        r->bindings[r->n_bindings++] = (eng__binding){name, v};
}

/* ---- statements ----------------------------------------------------------------------------- */

static bool reserve(eng__run *r, size_t more)
{
    size_t need = r->out.len + more + 1, cap = r->out_cap ? r->out_cap : 1024;
    if (need <= r->out_cap)
        return true;
    while (cap < need)
        cap *= 2;
    char *text = realloc(r->out.text, cap);
    if (text)
        r->out.text = text;
    uint8_t *trusted = realloc(r->out.trusted, cap);
    if (trusted)
        r->out.trusted = trusted;
    if (text && trusted)
        r->out_cap = cap;
    else
        r->status = eng_fail(r->err, ENG_NOMEM, "no memory for %zu bytes of chat text", cap);
    return r->status == ENG_OK;
}

static void emit(eng__run *r, const eng__span *span)
{
    if (span->len > r->input->max_bytes - r->out.len) {
        r->status = eng_fail(r->err, ENG_FULL, "the chat's text is longer than %zu bytes",
                             r->input->max_bytes);
        return;
    }
    if (span->len == 0 || !reserve(r, span->len))
        return;
    memcpy(r->out.text + r->out.len, span->p, span->len);
    memset(r->out.trusted + r->out.len, span->trusted, span->len);
    r->out.len += span->len;
}

static void print(eng__run *r, const node *n)
{
    value v = eng__run_eval(r, n->a), text;
    if (r->status != ENG_OK)
        return;
    if (v.kind >= ENG__VALUE_LIST) {
        eng__run_fail(r, n, "printing %s", eng__value_kind_name(&v));
        return;
    }
    if (!eng__value_text(&r->scratch, &text, &v)) {
        eng__run_fail_full(r, "more than its share of memory");
        return;
    }
    for (size_t i = 0; i < text.string.n && eng__run_spend(r, 1); i++)
        emit(r, &text.string.spans[i]);
}

/* One round of a loop has a scope and scratch memory of its own: what it sets ends with it. */
static void round_of(eng__run *r, const node *n, const value *items, size_t i, size_t count)
{
    size_t outer_scope = r->scope, outer_bindings = r->n_bindings;
    eng__scratch_mark mark = eng__scratch_here(&r->scratch);
    r->scope = r->n_bindings;
    eng__run_bind(r, ENG__GLOBAL_LOOP, (value){.kind = ENG__VALUE_LOOP, .loop = {i, count}});
    eng__run_bind(r, n->number, items[i]);
    exec(r, n->b);
    r->scope = outer_scope;
    r->n_bindings = outer_bindings;
    eng__scratch_cut(&r->scratch, mark);
}

static void exec_for(eng__run *r, const node *n)
{
    value list = eng__run_eval(r, n->a);
    if (r->status != ENG_OK)
        return;
    if (list.kind == ENG__VALUE_UNDEFINED)
        list = (value){.kind = ENG__VALUE_LIST};
    if (list.kind != ENG__VALUE_LIST) {
        eng__run_fail(r, n, "'for' over %s", eng__value_kind_name(&list));
        return;
    }
    for (size_t i = 0; i < list.list.n && eng__run_spend(r, 1); i++)
        round_of(r, n, list.list.items, i, list.list.n);
    if (list.list.n == 0)
        exec(r, n->c);
}

static void exec_if(eng__run *r, const node *n)
{
    value test = eng__run_eval(r, n->a);
    if (r->status == ENG_OK)
        exec(r, eng__value_true(&test) ? n->b : n->c);
}

/* The statement n and those after it. */
static void exec(eng__run *r, const node *n)
{
    for (; n && eng__run_spend(r, 1); n = n->next) {
        switch ((eng__jinja_kind)n->kind) {
        case ENG__NODE_TEXT:
            emit(r, &n->span);
            break;
        case ENG__NODE_PRINT:
            print(r, n);
            break;
        case ENG__NODE_IF:
            exec_if(r, n);
            break;
        case ENG__NODE_FOR:
            exec_for(r, n);
            break;
        default: /* ENG__NODE_SET */
            eng__run_bind(r, n->number, eng__run_eval(r, n->a));
        }
    }
}

/* The names a template finds set. Tools and documents are none, as for a request without them. */
static bool bind_globals(eng__run *r)
{
    const eng__jinja_input *in = r->input;
    value *messages = eng__scratch_alloc(&r->scratch, in->n, sizeof *messages);
    if (!messages)
        return false;
    for (size_t i = 0; i < in->n; i++)
        messages[i] = (value){.kind = ENG__VALUE_MESSAGE, .message = &in->messages[i]};
    eng__run_bind(r, ENG__GLOBAL_MESSAGES,
                  (value){.kind = ENG__VALUE_LIST, .list = {messages, in->n}});
    eng__run_bind(r, ENG__GLOBAL_ADD_GENERATION_PROMPT, eng__value_bool(in->add_generation_prompt));
    eng__run_bind(r, ENG__GLOBAL_BOS_TOKEN, eng__value_span(&in->bos_token));
    eng__run_bind(r, ENG__GLOBAL_EOS_TOKEN, eng__value_span(&in->eos_token));
    eng__run_bind(r, ENG__GLOBAL_TOOLS, (value){.kind = ENG__VALUE_NONE});
    eng__run_bind(r, ENG__GLOBAL_DOCUMENTS, (value){.kind = ENG__VALUE_NONE});
    return true;
}

eng_status eng__jinja_run(const eng__jinja_node *root, const eng__jinja_input *input,
                          eng_chat_text *out, eng_error *err)
{
    eng__run *r = calloc(1, sizeof *r);
    *out = (eng_chat_text){0};
    if (!r)
        return eng_fail(err, ENG_NOMEM, "no memory to render a chat");
    r->input = input;
    r->err = err;
    r->scratch.limit = scratch_bytes;
    if (!bind_globals(r))
        eng__run_fail_full(r, "more messages than its memory holds");
    else
        exec(r, root);
    if (r->status == ENG_OK && reserve(r, 0))
        r->out.text[r->out.len] = 0;
    eng_status status = r->status;
    if (status == ENG_OK)
        *out = r->out;
    else
        eng_chat_text_free(&r->out);
    eng__scratch_free(&r->scratch);
    free(r);
    return status;
}
