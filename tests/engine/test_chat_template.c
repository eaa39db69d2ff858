#include "text_golden.h"
#include "text/chat_template.h"

static const char *const bos = "<s>", *const eos = "</s>";

static eng__chat_template *parse(const char *source, size_t len)
{
    eng__chat_template *tmpl;
    eng_error err;
    EXPECT_OK(eng__chat_template_create(&tmpl, &golden_arena, source, len, bos, eos, &err), err);
    return tmpl;
}

/* "role:hex,role:hex" */
static eng_chat_message *read_messages(char *text, size_t *n)
{
    eng_chat_message *messages = golden_array(16, sizeof *messages);
    *n = 0;
    for (char *one; (one = golden_cut(&text, ',')) != NULL; ++*n) {
        eng_chat_message *m = &messages[*n];
        m->role = golden_cut(&one, ':');
        m->content = golden_unhex(one, &m->content_len);
    }
    return messages;
}

/* A golden case: "C gen messages outcome hex". */
static void expect_case(const char *name, const eng__chat_template *tmpl, char *line)
{
    bool prompt = golden_cut(&line, '\t')[0] == '1';
    char *chat = golden_cut(&line, '\t'), *outcome = golden_cut(&line, '\t');
    size_t n, n_want;
    char *want = golden_unhex(line, &n_want);
    eng_chat_message *messages = read_messages(chat, &n);
    eng_chat_text out;
    eng_error err = {""};
    eng_status status = eng__chat_template_render(tmpl, messages, n, prompt, 1 << 20, &out, &err);
    if (strcmp(outcome, "text") == 0) {
        if (status != ENG_OK)
            FAIL("%s: %s", name, err.text);
        if (out.len != n_want || memcmp(out.text, want, n_want) != 0)
            FAIL("%s: got \"%s\", expected \"%s\"", name, out.text, want);
        EXPECT_EQ(out.text[out.len], 0);
        eng_chat_text_free(&out);
        return;
    }
    if (status != ENG_INVALID)
        FAIL("%s: status %s (%s), expected a failure", name, eng_status_text(status),
             status == ENG_OK ? out.text : err.text);
    EXPECT(out.text == NULL);
    if (strcmp(outcome, "raise") == 0)
        EXPECT_STR(err.text, want);
}

TEST(renderings_are_those_of_jinja2)
{
    const char *name = "";
    const eng__chat_template *tmpl = NULL;
    char *text = golden_file("chat.tsv");
    for (char *line; (line = golden_cut(&text, '\n')) != NULL;) {
        char *kind = golden_cut(&line, '\t');
        if (kind[0] == 'T') {
            size_t len;
            name = golden_cut(&line, '\t');
            char *source = golden_unhex(line, &len);
            tmpl = parse(source, len);
        } else {
            expect_case(name, tmpl, line);
        }
    }
    golden_end();
}

/* The rendering with trusted bytes as they are and every untrusted one as `?`. */
static const char *masked(const char *source, const char *content)
{
    static char shown[256];
    eng_chat_message message = {"user", content, strlen(content)};
    eng_chat_text out;
    eng_error err;
    EXPECT_OK(eng__chat_template_render(parse(source, strlen(source)), &message, 1, false, 200,
                                        &out, &err),
              err);
    for (size_t i = 0; i <= out.len; i++)
        shown[i] = i < out.len && !out.trusted[i] ? '?' : out.text[i];
    eng_chat_text_free(&out);
    return shown;
}

TEST(text_of_messages_stays_untrusted_through_every_operation)
{
    EXPECT_STR(masked("[{{ messages[0].content }}]{{ bos_token }}", "abc"), "[???]<s>");
    EXPECT_STR(masked("{{ 'x' + messages[0]['content'] + 'y' }}", "abc"), "x???y");
    EXPECT_STR(masked("{{ 'x' ~ messages[0].role ~ 'y' }}", ""), "x????y");
    EXPECT_STR(masked("{{ (' a ' + messages[0].content + ' b ')|trim }}", " c "), "a ??? b");
    EXPECT_STR(masked("{{ messages[0].content.strip() }}.", " c "), "?.");
    EXPECT_STR(masked("{{ ('<|' + messages[0].content)|upper }}", "a|>"), "<|???");
    EXPECT_STR(masked("{{ messages[0]|tojson }}", "a\"\n"),
               "{\"role\": \"????\", \"content\": \"?????\"}");
    EXPECT_STR(masked("{% set c = messages[0].content %}{% set d = c %}{{ 'd' + d }}", "ab"),
               "d??");
    EXPECT_STR(
        masked(
            "{{ messages[0].content if true else 'x' }}{{ nothing|default(messages[0].content) }}",
            "a"),
        "??");
    EXPECT_STR(masked("{{ ([messages[0].content, 'b'])[0] or 'x' }}", "a"), "?");
    EXPECT_STR(masked("{{ messages[0].content|string|default('x') }}", "a"), "?");
    EXPECT_STR(masked("{{ messages[0].content|length }}", "abc"), "3");
    golden_end();
}

TEST(constructs_outside_the_subset_are_refused_by_name)
{
    static const struct {
        const char *source, *named;
    } cases[] = {
        {"{% macro f(x) %}{% endmacro %}", "'macro'"},
        {"{% import 'x' as y %}", "'import'"},
        {"{% include 'x' %}", "'include'"},
        {"{% extends 'x' %}", "'extends'"},
        {"{% call f() %}{% endcall %}", "'call'"},
        {"{% raw %}{% endraw %}", "'raw'"},
        {"{% filter upper %}{% endfilter %}", "'filter'"},
        {"{% generation %}{% endgeneration %}", "'generation'"},
        {"{% for m in messages %}{% break %}{% endfor %}", "'break'"},
        {"{% set ns = namespace(x=1) %}", "the function 'namespace'"},
        {"{{ strftime_now('%d') }}", "the function 'strftime_now'"},
        {"{% set ns.x = 1 %}", "namespace attribute"},
        {"{% set x %}y{% endset %}", "'set' block"},
        {"{% set a, b = 1, 2 %}", "'set' of several"},
        {"{% for k, v in x %}{% endfor %}", "'for' over several"},
        {"{% for m in messages if m %}{% endfor %}", "'for ... if'"},
        {"{% for m in messages recursive %}{% endfor %}", "'for ... recursive'"},
        {"{% for m in messages %}{{ loop.previtem }}{% endfor %}", "'loop.previtem'"},
        {"{{ messages|selectattr('x') }}", "the filter 'selectattr'"},
        {"{{ messages|tojson(indent=2) }}", "the filter 'tojson' with these arguments"},
        {"{{ x is divisibleby(2) }}", "the test 'divisibleby'"},
        {"{{ 'a b'.split(' ') }}", "the method 'split'"},
        {"{{ ' a'.strip('a') }}", "the method 'strip' with these arguments"},
        {"{{ {'a': 1} }}", "a dict literal"},
        {"{{ 1 / 2 }}", "the operator '/'"},
        {"{{ 2 ** 3 }}", "the operator '**'"},
        {"{{ 1.5 }}", "not a decimal integer"},
        {"{{ 99999999999999999999 }}", "too large"},
        {"{{ messages[0]['x']() }}", "calling this"},
        {"{{ 'x", "not closed"},
        {"{# x", "not closed"},
        {"{{ x", "not closed"},
        {"{% if x %}", "endif"},
        {"{% endif %}", "the end of the template"},
        {"{{ }}", "expected an expression"},
        {"{{ 'a' 1 }}", "expected the end of the tag"},
        {"{{ '\\ud800' }}", "escape"},
        {"{{ a ? b }}", "character"},
        {"{{ x is }}", "the test"},
        {"{% if %}{% endif %}", "expected an expression"},
        {"{% for %}{% endfor %}", "a name after 'for'"},
        {"{{ a[ }}", "expected"},
        {"{{ a. }}", "a name after '.'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        eng__chat_template *tmpl;
        eng_error err = {""};
        eng_status status = eng__chat_template_create(&tmpl, &golden_arena, cases[i].source,
                                                      strlen(cases[i].source), bos, eos, &err);
        if (status != ENG_UNSUPPORTED || tmpl || !strstr(err.text, cases[i].named))
            FAIL("%s: %s, expected a refusal naming %s", cases[i].source,
                 status == ENG_OK ? "taken" : err.text, cases[i].named);
    }
    golden_end();
}

/* unit, n times, between begin and end. */
static char *repeated(const char *begin, const char *unit, size_t n, const char *end)
{
    size_t len = strlen(unit);
    char *text = golden_array(strlen(begin) + n * len + strlen(end) + 1, 1), *p = text;
    p = stpcpy(p, begin);
    for (size_t i = 0; i < n; i++)
        p = stpcpy(p, unit);
    strcpy(p, end);
    return text;
}

TEST(depth_is_capped_whatever_nests)
{
    static const char *const nests[][3] = {
        {"{{ ", "(", ""},
        {"{{ ", "[", ""},
        {"{{ ", "not ", "x }}"},
        {"{{ ", "- ", "1 }}"},
        {"{{ 1", "+1", " }}"},
        {"{{ 1", "~1", " }}"},
        {"{{ a", ".b", " }}"},
        {"{{ a", "[0]", " }}"},
        {"{{ a", "|trim", " }}"},
        {"", "{% if 1 %}", ""},
        {"", "{% for a in b %}", ""},
        {"{{ ", "1 if 1 else ", "2 }}"},
        {"{{ ", "a[", ""},
        {"{{ 1", " and 1", " }}"},
        {"{% if 1 %}", "{% elif 1 %}", "{% endif %}"},
    };
    for (size_t i = 0; i < sizeof nests / sizeof nests[0]; i++) {
        char *source = repeated(nests[i][0], nests[i][1], 50000, nests[i][2]);
        eng__chat_template *tmpl;
        eng_error err = {""};
        EXPECT_EQ(
            eng__chat_template_create(&tmpl, &golden_arena, source, strlen(source), bos, eos, &err),
            ENG_UNSUPPORTED);
        if (!strstr(err.text, "deep"))
            FAIL("%s...: %s", nests[i][1], err.text);
    }
    golden_end();
}

static eng_status render(const char *source, size_t n, size_t max_bytes, eng_error *err)
{
    eng_chat_message *messages = golden_array(n + 1, sizeof *messages);
    eng_chat_text out;
    for (size_t i = 0; i < n; i++)
        messages[i] = (eng_chat_message){"user", "0123456789", 10};
    eng_status status = eng__chat_template_render(parse(source, strlen(source)), messages, n, false,
                                                  max_bytes, &out, err);
    eng_chat_text_free(&out);
    return status;
}

TEST(output_steps_and_memory_are_capped)
{
    eng_error err = {""};
    const char *each = "{% for m in messages %}{{ m.content }}{% endfor %}";
    EXPECT_EQ(render(each, 10, 100, &err), ENG_OK);
    EXPECT_EQ(render(each, 10, 99, &err), ENG_FULL);
    EXPECT_STR(err.text, "the chat's text is longer than 99 bytes");
    EXPECT_EQ(render(each, 0, 0, &err), ENG_OK);

    const char *square = "{% for a in messages %}{% for b in messages %}{% endfor %}{% endfor %}";
    EXPECT_EQ(render(square, 100, 1, &err), ENG_OK);
    EXPECT_EQ(render(square, 5000, 1, &err), ENG_FULL);
    EXPECT_STR(err.text, "chat template: too many steps");

    char *doubling = repeated("{% set x = 'ab' %}", "{% set x = x ~ x %}", 100, "");
    EXPECT_EQ(render(doubling, 1, 1, &err), ENG_FULL);
    EXPECT_STR(err.text, "chat template: more than its share of memory");
    char *json = repeated("{% set x = 'ab' %}", "{% set x = x|tojson %}", 100, "");
    EXPECT_EQ(render(json, 1, 1, &err), ENG_FULL);
    golden_end();
}

TEST(many_messages_need_memory_for_one_at_a_time)
{
    /* 100,000 rounds of some 500 bytes of scratch each would pass the 64 MiB otherwise. */
    eng_error err;
    const char *each = "{% for m in messages %}{% set x = 'a' + m.role + 'b' + m.content|upper %}"
                       "{% set y = x ~ x ~ x %}{{ y|trim }}\n{% endfor %}";
    EXPECT_OK(render(each, 100000, (size_t)1 << 30, &err), err);
    golden_end();
}

TEST(arithmetic_that_leaves_64_bits_fails)
{
    eng_error err;
    EXPECT_EQ(render("{{ 9223372036854775807 + 1 }}", 0, 100, &err), ENG_INVALID);
    EXPECT_EQ(render("{{ (-9223372036854775807 - 1) // -1 }}", 0, 100, &err), ENG_INVALID);
    EXPECT_EQ(render("{{ (-9223372036854775807 - 1) % -1 }}", 0, 100, &err), ENG_OK);
    EXPECT_EQ(render("{{ -(-9223372036854775807 - 1) }}", 0, 100, &err), ENG_INVALID);
    EXPECT_EQ(render("{{ 4611686018427387904 * 2 }}", 0, 100, &err), ENG_INVALID);
    EXPECT_EQ(render("{{ messages[9223372036854775807:]|length }}", 3, 100, &err), ENG_OK);
    EXPECT_EQ(render("{{ messages[::-9223372036854775807]|length }}", 3, 100, &err), ENG_OK);
    golden_end();
}

TEST(failures_name_the_line)
{
    eng_error err;
    EXPECT_EQ(render("a\n{% if true %}\n{{ none + 1 }}{% endif %}", 0, 100, &err), ENG_INVALID);
    EXPECT_STR(err.text,
               "chat template, line 3: an arithmetic operator between none and an integer");
    golden_end();
}
