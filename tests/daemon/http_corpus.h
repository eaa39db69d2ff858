/* Reads tests/daemon/http/<name>.md (see its README.md) and walks its cases. */
#ifndef TESTS_DAEMON_HTTP_CORPUS_H
#define TESTS_DAEMON_HTTP_CORPUS_H

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CORPUS_STATUSES = 16 };
typedef enum corpus_end { CORPUS_KEEP, CORPUS_CLOSE, CORPUS_MORE } corpus_end;

typedef struct corpus_case {
    char title[200];
    char *bytes; /* malloc'd; corpus_walk frees it after the visit */
    size_t len;
    int statuses[CORPUS_STATUSES];
    int n_statuses;
    corpus_end end;
} corpus_case;

static const char *const corpus_files[] = {"valid",   "request_line", "fields",    "framing",
                                           "chunked", "limits",       "pipelining"};

/* The verdict as the corpus writes it: "200 400 close". */
static inline void corpus_verdict(const int *statuses, int n, corpus_end end, char *out, size_t cap)
{
    static const char *const ends[] = {"keep", "close", "more"};
    size_t at = 0;
    out[0] = 0;
    for (int i = 0; i < n; i++)
        at += (size_t)snprintf(out + at, cap - at, "%d ", statuses[i]);
    snprintf(out + at, cap - at, "%s", ends[end]);
}

static inline void corpus_put(corpus_case *c, char byte)
{
    c->bytes[c->len++] = byte;
}

/* One escape at p (past the backslash); returns what follows it. */
static inline const char *corpus_escape(corpus_case *c, const char *p)
{
    unsigned value;
    switch (*p) {
    case 'r':
        corpus_put(c, '\r');
        return p + 1;
    case 'n':
        corpus_put(c, '\n');
        return p + 1;
    case 't':
        corpus_put(c, '\t');
        return p + 1;
    case 'x':
        if (sscanf(p + 1, "%2x", &value) != 1)
            FAIL("%s: a bad \\x", c->title);
        corpus_put(c, (char)value);
        return p + 3;
    default:
        corpus_put(c, *p);
        return p + 1;
    }
}

static inline void corpus_text(corpus_case *c, const char *p, const char *end)
{
    while (p < end) {
        const char *star = *p == '{' ? memchr(p, '*', (size_t)(end - p)) : NULL;
        if (star) {
            long times = strtol(star + 1, NULL, 10);
            size_t start = c->len;
            corpus_text(c, p + 1, star);
            size_t n = c->len - start;
            for (long i = 1; i < times; i++) {
                memcpy(c->bytes + c->len, c->bytes + start, n);
                c->len += n;
            }
            p = (const char *)memchr(star, '}', (size_t)(end - star)) + 1;
        } else if (*p == '\\') {
            p = corpus_escape(c, p + 1);
        } else {
            corpus_put(c, *p++);
        }
    }
}

/* One line of a block; a final backslash suppresses its CRLF. */
static inline void corpus_line(corpus_case *c, const char *line, size_t len)
{
    bool open = len && line[len - 1] == '\\';
    corpus_text(c, line, line + len - open);
    if (!open) {
        corpus_put(c, '\r');
        corpus_put(c, '\n');
    }
}

static inline void corpus_expect(corpus_case *c, char *line)
{
    char *rest = NULL;
    c->n_statuses = 0;
    for (char *w = strtok_r(line, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) {
        if (strcmp(w, "keep") == 0)
            c->end = CORPUS_KEEP;
        else if (strcmp(w, "close") == 0)
            c->end = CORPUS_CLOSE;
        else if (strcmp(w, "more") == 0)
            c->end = CORPUS_MORE;
        else
            c->statuses[c->n_statuses++] = atoi(w);
    }
}

/* Calls visit for every case of the file; returns how many there were. */
static inline int corpus_walk(const char *name, void (*visit)(const corpus_case *c, void *arg),
                              void *arg)
{
    char path[128];
    snprintf(path, sizeof path, "daemon/http/%s.md", name);
    char *text = test_read_file(test_data(path), NULL), *rest = text;
    corpus_case c = {.bytes = malloc(1 << 16)};
    bool in_block = false;
    int n = 0;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
        if (strcmp(line, "```") == 0) {
            in_block = !in_block;
            if (in_block)
                c.len = 0;
        } else if (in_block) {
            corpus_line(&c, line, strlen(line));
        } else if (strncmp(line, "## ", 3) == 0) {
            snprintf(c.title, sizeof c.title, "%s: %s", name, line + 3);
        } else if (strncmp(line, "-> ", 3) == 0) {
            corpus_expect(&c, line + 3);
            visit(&c, arg);
            n++;
        }
    }
    free(c.bytes);
    free(text);
    return n;
}

/* The three ways a case is cut: whole, byte by byte, 8 pieces. Length of the piece at `at`. */
enum { CORPUS_CUTS = 3 };
static inline size_t corpus_piece(size_t len, size_t at, int cut)
{
    size_t left = len - at, piece = cut == 0 ? len : cut == 1 ? 1 : (len + 7) / 8;
    return piece < left ? piece : left;
}

#endif
