#include "human/pii.h"

#include "human/pii_rules.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { CONTEXT_CHARS = 40, MAX_RULES = 48, MAX_WORD = 16 };
static const double context_score = 0.35, found_from = 0.5;

struct pii_scanner {
    const pii_rule *rules;
    size_t n_rules;
    pcre2_code *patterns[MAX_RULES];
    pcre2_match_data *match;
    pcre2_match_context *limits;
};

const char *pii_kind_text(pii_kind kind)
{
    static const char *const texts[] = {
#define PII__TEXT(name, text) text,
        PII_KIND_MAP(PII__TEXT)
#undef PII__TEXT
    };
    return texts[kind];
}

/* ---- life ---- */

static bool compile(pii_scanner *p, size_t i, error_text *err)
{
    int code;
    size_t at;
    const pii_rule *rule = &p->rules[i];
    p->patterns[i] = pcre2_compile((PCRE2_SPTR)rule->pattern, PCRE2_ZERO_TERMINATED,
                                   rule->any_case ? PCRE2_CASELESS : 0, &code, &at, NULL);
    return p->patterns[i] || error_text_set(err, "pattern %zu (%s): PCRE2 error %d at byte %zu", i,
                                            pii_kind_text(rule->kind), code, at);
}

pii_scanner *pii_create(uint32_t match_limit, error_text *err)
{
    pii_scanner *p = calloc(1, sizeof *p);
    if (!p)
        goto no_memory;
    p->rules = pii_rules(&p->n_rules);
    assert(p->n_rules <= MAX_RULES);
    p->limits = pcre2_match_context_create(NULL);
    p->match = pcre2_match_data_create(4, NULL);
    if (!p->limits || !p->match)
        goto no_memory;
    pcre2_set_match_limit(p->limits, match_limit);
    pcre2_set_heap_limit(p->limits, PII_HEAP_KIB);
    for (size_t i = 0; i < p->n_rules; i++)
        if (!compile(p, i, err)) {
            pii_free(p);
            return NULL;
        }
    return p;

no_memory:
    pii_free(p);
    error_text_set(err, "no memory to look for personal data");
    return NULL;
}

void pii_free(pii_scanner *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n_rules; i++)
        pcre2_code_free(p->patterns[i]);
    pcre2_match_data_free(p->match);
    pcre2_match_context_free(p->limits);
    free(p);
}

/* ---- context ---- */

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '\'' || (unsigned char)c >= 0x80;
}

/* Is text[0..len), in lower case, one of the words? */
static bool is_listed(const char *words, const char *text, size_t len)
{
    char word[MAX_WORD + 3] = " ";
    if (len > MAX_WORD)
        return false;
    for (size_t i = 0; i < len; i++)
        word[1 + i] = (char)tolower((unsigned char)text[i]);
    memcpy(word + 1 + len, " ", 2);
    return strstr(words, word) != NULL;
}

static bool has_listed_word(const char *words, const char *text, size_t from, size_t to)
{
    for (size_t at = from, end; at < to; at = end + 1) {
        for (end = at; end < to && is_word_char(text[end]);)
            end++;
        if (end > at && is_listed(words, text + at, end - at))
            return true;
    }
    return false;
}

/* Is one of the words within CONTEXT_CHARS characters before or after [start, end)? */
static bool has_context(const char *words, const char *text, size_t len, size_t start, size_t end)
{
    size_t from = start, to = end;
    for (int n = 0; from > 0 && n < CONTEXT_CHARS;)
        n += !is_continuation(text[--from]);
    for (int n = 0; to < len && n < CONTEXT_CHARS; to++)
        n += !is_continuation(text[to]);
    while (from > 0 && from < start && is_word_char(text[from]) && is_word_char(text[from - 1]))
        from--; /* no half words */
    while (to > end && to < len && is_word_char(text[to]) && is_word_char(text[to - 1]))
        to++;
    return has_listed_word(words, text, from, start) || has_listed_word(words, text, end, to);
}

/* ---- candidates ---- */

static bool starts_word(const char *s, size_t i)
{
    return isalnum((unsigned char)s[i]) && (i == 0 || !isalnum((unsigned char)s[i - 1]));
}

static bool ends_word(const char *s, size_t i, size_t len)
{
    return isalnum((unsigned char)s[i - 1]) && (i == len || !isalnum((unsigned char)s[i]));
}

/* Does the checksum hold for whole words of s? A card number may be followed by its date. */
static bool check_anywhere(bool (*checksum)(const char *, size_t), const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        for (size_t j = i + 1; starts_word(s, i) && j <= len; j++)
            if (ends_word(s, j, len) && checksum(s + i, j - i))
                return true;
    return false;
}

static bool is_found(const pii_rule *rule, const char *text, size_t len, size_t start, size_t end)
{
    const char *s = text + start;
    if (rule->plausible && !rule->plausible(s, end - start))
        return false;
    if (rule->checksum)
        return rule->anywhere ? check_anywhere(rule->checksum, s, end - start)
                              : rule->checksum(s, end - start);
    double score = rule->score;
    if (score < found_from && rule->context && has_context(rule->context, text, len, start, end))
        score += context_score;
    return score >= found_from;
}

/* Candidates that are none are looked into again behind their first byte: what is looked for may
 * begin inside. */
static bool rule_finds(pii_scanner *p, size_t i, const char *text, size_t len)
{
    for (size_t at = 0; at <= len;) {
        const int rc =
            pcre2_match(p->patterns[i], (PCRE2_SPTR)text, len, at, 0, p->match, p->limits);
        if (rc == PCRE2_ERROR_NOMATCH)
            return false;
        if (rc < 0)
            return true; /* beyond a limit */
        const size_t *ends = pcre2_get_ovector_pointer(p->match);
        if (is_found(&p->rules[i], text, len, ends[0], ends[1]))
            return true;
        at = ends[0] + 1;
    }
    return false;
}

unsigned pii_scan(pii_scanner *p, const char *text, size_t len)
{
    unsigned found = 0;
    for (size_t i = 0; i < p->n_rules; i++) {
        const unsigned bit = 1u << p->rules[i].kind;
        if (!(found & bit) && rule_finds(p, i, text, len))
            found |= bit;
    }
    return found;
}
