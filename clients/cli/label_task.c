#include "label_task.h"

#include "json.h"
#include "names.h"
#include "utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXCERPT_MAX = 4096 };

/* ---- from the server ---- */

static bool read_outputs(label_task *t)
{
    const cJSON *output, *list = cJSON_GetObjectItemCaseSensitive(t->json, "outputs");
    if (cJSON_GetArraySize(list) > LABEL_OUTPUTS_MAX)
        return false;
    cJSON_ArrayForEach(output, list)
    {
        t->output_ids[t->n] = json_string(output, "id");
        t->texts[t->n] = json_string(output, "text");
        if (!t->output_ids[t->n] || !t->texts[t->n])
            return false;
        t->n++;
    }
    return true;
}

exit_code label_task_read(label_task *task, cJSON *json, problem *p)
{
    *task = (label_task){.json = json,
                         .id = json_string(json, "id"),
                         .kind = json_string(json, "kind"),
                         .prompt = json_string(json, "prompt"),
                         .criterion = json_string(json, "criterion_mode")};
    const bool is_demo = task->kind && strcmp(task->kind, "demo") == 0;
    if (task->id && name_is_id(task->id) && task->kind && task->prompt && read_outputs(task) &&
        (is_demo || task->n >= 2))
        return EXIT_DONE;
    label_task_free(task);
    return problem_set(p, EXIT_SERVER, "the server's task cannot be read");
}

void label_task_free(label_task *task)
{
    cJSON_Delete(task->json);
    *task = (label_task){0};
}

exit_code label_task_next(server *s, const char *kind, label_task *task, char **raw, problem *p)
{
    char path[64];
    http_reply reply;
    *task = (label_task){0};
    if (raw)
        *raw = NULL;
    snprintf(path, sizeof path, "/v1/labels/tasks/next?kind=%.8s", kind);
    exit_code code = server_exchange(s, &(http_call){.path = path}, &reply, p);
    if (code == EXIT_DONE && reply.status != 204) {
        code = label_task_read(task, json_parse(text_str(&reply.body), reply.body.len), p);
        if (code == EXIT_DONE && raw && !(*raw = strdup(text_str(&reply.body))))
            code = problem_set(p, EXIT_SERVER, "out of memory");
    }
    http_reply_free(&reply);
    return code;
}

/* ---- to a person ---- */

void label_text_show(const char *s, terminal *to)
{
    while (*s) {
        size_t len = strcspn(s, "\n");
        terminal_set_style(to, STYLE_DIM);
        terminal_printf(to, "  | ");
        terminal_set_style(to, STYLE_PLAIN);
        terminal_write(to, s, len);
        terminal_end(to);
        if (!len)
            terminal_printf(to, "\n");
        s += len + (s[len] == '\n');
    }
}

static void heading(terminal *to, const char *words)
{
    terminal_set_style(to, STYLE_BOLD);
    terminal_printf(to, "%s\n", words);
    terminal_set_style(to, STYLE_PLAIN);
}

void label_prompt_show(const label_task *task, terminal *to)
{
    heading(to, "Prompt");
    label_text_show(task->prompt, to);
}

void label_output_show(const label_task *task, int i, terminal *to)
{
    char words[48];
    snprintf(words, sizeof words, "Output %c (%d of %d)", label_letter(i), i + 1, task->n);
    heading(to, words);
    if (!task->texts[i][0])
        terminal_printf(to, "  (nothing at all)\n");
    label_text_show(task->texts[i], to);
}

void label_excerpt(const char *s, size_t n, text *out)
{
    text line;
    text_init(&line, EXCERPT_MAX);
    char head[EXCERPT_MAX / 16];
    snprintf(head, sizeof head, "%s", s); /* a cut sequence at its end becomes visible below */
    sanitize_line(head, &line);
    const char *all = text_str(&line);
    size_t len = strlen(all);
    while (len > n || (len && ((unsigned char)all[len] & 0xC0) == 0x80))
        len--;
    text_append(out, all, len);
    if (len < strlen(all) || strlen(s) >= sizeof head)
        text_puts(out, " ...");
    text_free(&line);
}
