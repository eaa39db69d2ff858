#include "metrics_text.h"

#include "json.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 20000, GRAMS = 4 };

/* ---- words ---- */

typedef enum split { SPLIT_ANSWER, SPLIT_SUMMARY, SPLIT_TRANSLATION } split;

typedef struct words {
    char *text;
    const char **word; /* [n] in text */
    size_t n;
} words;

static void words_free(words *w)
{
    free(w->text);
    free(w->word);
}

static bool is_article(const char *s)
{
    return strcmp(s, "a") == 0 || strcmp(s, "an") == 0 || strcmp(s, "the") == 0;
}

static bool is_mark(char c)
{
    return (unsigned char)c < 0x80 && ispunct((unsigned char)c);
}

/* Copies the text with its words apart by NULs; each byte may become three. */
static size_t spread(char *to, const char *text, size_t len, split how)
{
    char *at = to;
    for (size_t i = 0; i < len; i++) {
        const char c = text[i];
        const bool ascii = (unsigned char)c < 0x80;
        if (ascii && isspace((unsigned char)c)) {
            *at++ = 0;
        } else if (!is_mark(c)) {
            *at++ = (char)(how != SPLIT_TRANSLATION && ascii ? tolower((unsigned char)c) : c);
        } else if (how != SPLIT_ANSWER) {
            *at++ = 0;
            *at++ = c;
            *at++ = 0;
        }
    }
    *at = 0;
    return (size_t)(at - to);
}

static bool no_memory(char why[EVAL_WHY_ROOM])
{
    snprintf(why, EVAL_WHY_ROOM, "out of memory");
    return false;
}

/* False with `why`; the words are the caller's to free either way. */
static bool words_split(words *w, const char *text, size_t len, split how, char why[EVAL_WHY_ROOM])
{
    *w = (words){malloc(3 * len + 1), malloc((2 * len + 1) * sizeof *w->word), 0};
    if (!w->text || !w->word)
        return no_memory(why);
    const char *end = w->text + spread(w->text, text, len, how);
    for (const char *at = w->text; at < end; at += strlen(at) + 1)
        if (*at && !(how == SPLIT_ANSWER && is_article(at)))
            w->word[w->n++] = at;
    if (w->n <= WORDS_MAX)
        return true;
    snprintf(why, EVAL_WHY_ROOM,
             "prediction, references: expected at most %d words each, found %zu", WORDS_MAX, w->n);
    return false;
}

/* ---- a prediction with its references ---- */

static const char *reference_at(const cJSON *row, int i)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(row, "references");
    return list ? cJSON_GetStringValue(cJSON_GetArrayItem(list, i))
           : i  ? NULL
                : json_string(row, "reference");
}

/* Splits the prediction and every reference; false with `why`. */
static bool take_texts(const cJSON *row, split how, words *prediction, words **refs, size_t *n,
                       char why[EVAL_WHY_ROOM])
{
    const char *text = json_string(row, "prediction"), *reference;
    const size_t room =
        1 + (size_t)cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(row, "references"));
    *n = 0;
    *prediction = (words){0};
    *refs = calloc(room, sizeof **refs);
    if (!*refs)
        return no_memory(why);
    if (!text || !reference_at(row, 0)) {
        snprintf(why, EVAL_WHY_ROOM, "prediction, references: expected a text, and one or more");
        return false;
    }
    const size_t len = how == SPLIT_ANSWER ? strlen(text) : strcspn(text, "\n");
    bool ok = words_split(prediction, text, len, how, why);
    while (ok && *n < room && (reference = reference_at(row, (int)*n)))
        ok = words_split(&(*refs)[(*n)++], reference, strlen(reference), how, why);
    return ok;
}

static void drop_texts(words *prediction, words *refs, size_t n)
{
    words_free(prediction);
    for (size_t i = 0; i < n; i++)
        words_free(&refs[i]);
    free(refs);
}

/* How much two texts share, into *out; false: no memory. */
typedef bool shared_fn(const words *a, const words *b, double *out);

static double f1(double common, size_t a, size_t b)
{
    if (a == 0 || b == 0)
        return a == b;
    return 2 * common / (double)(a + b);
}

/* Words that both have, each as often as the rarer of the two has it. */
static bool overlap(const words *a, const words *b, double *out)
{
    bool *used = calloc(b->n + 1, sizeof *used);
    if (!used)
        return false;
    *out = 0;
    for (size_t i = 0; i < a->n; i++)
        for (size_t j = 0; j < b->n; j++)
            if (!used[j] && strcmp(a->word[i], b->word[j]) == 0) {
                used[j] = true;
                ++*out;
                break;
            }
    free(used);
    return true;
}

/* The longest common subsequence. */
static bool subsequence(const words *a, const words *b, double *out)
{
    size_t *row = calloc(b->n + 1, sizeof *row);
    if (!row)
        return false;
    for (size_t i = 0; i < a->n; i++)
        for (size_t j = 0, above_left = 0; j < b->n; j++) {
            const size_t above = row[j + 1];
            row[j + 1] = strcmp(a->word[i], b->word[j]) == 0 ? above_left + 1
                         : above > row[j]                    ? above
                                                             : row[j];
            above_left = above;
        }
    *out = (double)row[b->n];
    free(row);
    return true;
}

static bool read_best(const cJSON *row, split how, shared_fn *shared, double parts[EVAL_PARTS],
                      char why[EVAL_WHY_ROOM])
{
    words prediction, *refs;
    size_t n;
    bool ok = take_texts(row, how, &prediction, &refs, &n, why);
    for (size_t i = 0; ok && i < n; i++) {
        double common;
        ok = shared(&prediction, &refs[i], &common) || no_memory(why);
        if (ok)
            parts[0] = fmax(parts[0], f1(common, prediction.n, refs[i].n));
    }
    parts[1] = 1;
    drop_texts(&prediction, refs, n);
    return ok;
}

bool read_answer(const cJSON *row, double parts[EVAL_PARTS], char why[EVAL_WHY_ROOM])
{
    return read_best(row, SPLIT_ANSWER, overlap, parts, why);
}

bool read_summary(const cJSON *row, double parts[EVAL_PARTS], char why[EVAL_WHY_ROOM])
{
    return read_best(row, SPLIT_SUMMARY, subsequence, parts, why);
}

/* ---- BLEU: matches [0..3], n-grams [4..7], lengths [8], [9] ---- */

static bool same_gram(const char *const *a, const char *const *b, size_t order)
{
    for (size_t i = 0; i < order; i++)
        if (strcmp(a[i], b[i]) != 0)
            return false;
    return true;
}

static size_t count_gram(const words *in, const char *const *gram, size_t order)
{
    size_t found = 0;
    for (size_t i = 0; i + order <= in->n; i++)
        found += same_gram(in->word + i, gram, order);
    return found;
}

/* N-grams of the prediction that a reference has too, each as often as the richest of them at most.
 */
static double clipped(const words *p, const words *refs, size_t n, size_t order)
{
    double matches = 0;
    for (size_t i = 0; i + order <= p->n; i++) {
        size_t before = 0, most = 0;
        for (size_t j = 0; j < i; j++)
            before += same_gram(p->word + j, p->word + i, order);
        for (size_t r = 0; r < n; r++) {
            const size_t own = count_gram(&refs[r], p->word + i, order);
            most = own > most ? own : most;
        }
        matches += before < most;
    }
    return matches;
}

static size_t nearest_length(size_t len, const words *refs, size_t n)
{
    size_t best = refs[0].n;
    for (size_t r = 1; r < n; r++) {
        const size_t own = refs[r].n;
        const size_t gap = own > len ? own - len : len - own;
        const size_t least = best > len ? best - len : len - best;
        if (gap < least || (gap == least && own < best))
            best = own;
    }
    return best;
}

bool read_translation(const cJSON *row, double parts[EVAL_PARTS], char why[EVAL_WHY_ROOM])
{
    words prediction, *refs;
    size_t n;
    const bool ok = take_texts(row, SPLIT_TRANSLATION, &prediction, &refs, &n, why);
    for (size_t order = 1; ok && order <= GRAMS; order++) {
        parts[order - 1] = clipped(&prediction, refs, n, order);
        parts[GRAMS + order - 1] = prediction.n >= order ? (double)(prediction.n - order + 1) : 0;
    }
    if (ok) {
        parts[2 * GRAMS] = (double)prediction.n;
        parts[2 * GRAMS + 1] = (double)nearest_length(prediction.n, refs, n);
    }
    drop_texts(&prediction, refs, n);
    return ok;
}

double bleu_of(const double sums[EVAL_PARTS], int i)
{
    double logs = 0;
    (void)i;
    for (int order = 0; order < GRAMS; order++) {
        if (sums[order] <= 0)
            return 0;
        logs += log(sums[order] / sums[GRAMS + order]) / GRAMS;
    }
    const double own = sums[2 * GRAMS], wanted = sums[2 * GRAMS + 1];
    return 100 * exp(logs + (own < wanted ? 1 - wanted / own : 0));
}
