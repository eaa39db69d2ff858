#include "commands.h"

#include "input.h"
#include "json.h"
#include "request.h"
#include "server.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 16 << 20 };

/* The text of one token, quoted as a JSON string so that it stays on its line. */
static exit_code token_piece(server *s, const options *o, long long token, char **piece, problem *p)
{
    cJSON *json = NULL;
    char *body = request_detokenize(o, token);
    exit_code code = body ? server_json(s, "/detokenize", body, &json, NULL, p)
                          : problem_set(p, EXIT_SERVER, "out of memory");
    free(body);
    *piece = NULL;
    if (code == EXIT_DONE) {
        const cJSON *content = cJSON_GetObjectItemCaseSensitive(json, "prompt");
        *piece = cJSON_IsString(content) ? json_print(content) : NULL;
        if (!*piece)
            code = problem_set(p, EXIT_SERVER, "the server did not say what token %lld is", token);
    }
    cJSON_Delete(json);
    return code;
}

typedef struct token_row {
    long long id;
    char *piece; /* owned by the first row of that id, borrowed by the others */
    bool owns;
} token_row;

static int by_id(const void *a, const void *b)
{
    const token_row *x = *(token_row *const *)a, *y = *(token_row *const *)b;
    return x->id != y->id ? (x->id < y->id ? -1 : 1) : (x < y ? -1 : x > y);
}

/* Asks once for each distinct token; sorted is scratch of n pointers. */
static exit_code fill_pieces(server *s, const options *o, token_row *rows, token_row **sorted,
                             size_t n, problem *p)
{
    for (size_t i = 0; i < n; i++)
        sorted[i] = &rows[i];
    qsort(sorted, n, sizeof *sorted, by_id);
    for (size_t i = 0; i < n; i++) {
        if (i && sorted[i]->id == sorted[i - 1]->id) {
            sorted[i]->piece = sorted[i - 1]->piece;
            continue;
        }
        sorted[i]->owns = true;
        exit_code code = token_piece(s, o, sorted[i]->id, &sorted[i]->piece, p);
        if (code != EXIT_DONE)
            return code;
    }
    return EXIT_DONE;
}

static void print_rows(const token_row *rows, size_t n, terminal *out)
{
    for (size_t i = 0; i < n; i++) {
        terminal_printf(out, out->is_tty ? "%7lld  " : "%lld\t", rows[i].id);
        terminal_write(out, rows[i].piece, strlen(rows[i].piece));
        terminal_end(out);
    }
    terminal_printf(out, "%zu token%s\n", n, n == 1 ? "" : "s");
}

static exit_code print_table(server *s, const options *o, const cJSON *tokens, size_t n,
                             terminal *out, problem *p)
{
    token_row *rows = calloc(n + 1, sizeof *rows);
    token_row **sorted = calloc(n + 1, sizeof *sorted);
    exit_code code = EXIT_DONE;
    if (!rows || !sorted) {
        code = problem_set(p, EXIT_SERVER, "out of memory");
        goto out_free;
    }
    const cJSON *item = tokens->child;
    for (size_t i = 0; i < n; i++, item = item->next)
        rows[i].id = (long long)item->valuedouble;
    code = fill_pieces(s, o, rows, sorted, n, p);
    if (code == EXIT_DONE)
        print_rows(rows, n, out);
    for (size_t i = 0; i < n; i++)
        if (rows[i].owns)
            free(rows[i].piece);
out_free:
    free(sorted);
    free(rows);
    return code;
}

static void print_ids(const cJSON *tokens, terminal *out)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, tokens)
    {
        terminal_printf(out, "%s%.0f", item == tokens->child ? "" : " ", item->valuedouble);
    }
    terminal_printf(out, "\n");
}

static exit_code check_tokens(const cJSON *tokens, problem *p)
{
    const cJSON *item;
    bool ok = cJSON_IsArray(tokens);
    cJSON_ArrayForEach(item, tokens)
    {
        ok = ok && cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble < 1e15;
    }
    return ok ? EXIT_DONE : problem_set(p, EXIT_SERVER, "the server sent no list of tokens");
}

static exit_code tokenize(server *s, const options *o, const char *string, terminal *out,
                          problem *p)
{
    cJSON *json = NULL;
    char *raw = NULL, *body = request_tokenize(o, string);
    exit_code code = body ? server_json(s, "/tokenize", body, &json, &raw, p)
                          : problem_set(p, EXIT_SERVER, "out of memory");
    const cJSON *tokens = cJSON_GetObjectItemCaseSensitive(json, "tokens");
    if (code == EXIT_DONE)
        code = check_tokens(tokens, p);
    if (code == EXIT_DONE && o->json) {
        terminal_write(out, raw, strlen(raw));
        terminal_end(out);
    } else if (code == EXIT_DONE && o->ids) {
        print_ids(tokens, out);
    } else if (code == EXIT_DONE) {
        code = print_table(s, o, tokens, (size_t)cJSON_GetArraySize(tokens), out, p);
    }
    cJSON_Delete(json);
    free(raw);
    free(body);
    return code;
}

exit_code cmd_tokenize(const options *o, terminal *out, terminal *err, problem *p)
{
    (void)err;
    if (input_is_interactive(o)) {
        problem_set(p, EXIT_USAGE, "tokenize needs a TEXT");
        problem_hint(p, "instruct tokenize \"Hello\", or - to read standard input");
        return EXIT_USAGE;
    }
    text string;
    server s = {0};
    text_init(&string, TEXT_MAX);
    exit_code code = input_read(o, &string, p);
    if (code == EXIT_DONE)
        code = server_open(&s, o, p);
    if (code == EXIT_DONE)
        code = tokenize(&s, o, text_str(&string), out, p);
    server_close(&s);
    text_free(&string);
    return code;
}
