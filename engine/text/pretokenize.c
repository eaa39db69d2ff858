#include "text/pretokenize.h"

#include "text/unicode.h"

#include <string.h>

/* Skips characters of one class. */
static const char *skip_class(const char *p, const char *end, eng__char_class cls)
{
    for (;;) {
        eng__char c = eng__char_at(p, end);
        if (c.len == 0 || c.cls != cls)
            return p;
        p += c.len;
    }
}

/* `\s+(?!\S)|\s+` where [p, stop) is a run of spaces whose last character starts at `last`. The
 * look-ahead makes the run give back its last character when a non-space follows; a run of one
 * falls to the second alternative. */
static const char *space_run(const char *p, const char *last, const char *stop, bool at_end)
{
    return at_end || last == p ? stop : last;
}

/* 's|'t|'re|'ve|'m|'ll|'d : the length of the contraction at p, which is an apostrophe, or 0. */
static size_t contraction(const char *p, const char *end)
{
    char a = end - p > 1 ? p[1] : 0, b = end - p > 2 ? p[2] : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l'))
        return 3;
    return 0;
}

/* The same ignoring case. Under Unicode case folding U+017F (long s) equals "s"; no other character
 * outside ASCII folds to a contraction's letters. */
static size_t contraction_any_case(const char *p, const char *end)
{
    char folded[3] = {0};
    if (end - p > 2 && memcmp(p + 1, "\xC5\xBF", 2) == 0)
        return 3;
    for (ptrdiff_t i = 1; i < 3 && i < end - p; i++)
        folded[i] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] | 0x20 : p[i]);
    return contraction(folded, folded + (end - p < 3 ? end - p : 3));
}

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * isolate_numbers is smollm: every number is a piece, and ends the text for what comes before. */
static const char *gpt2_piece(const char *p, const char *end, bool isolate_numbers)
{
    const char *start = p;
    eng__char c = eng__char_at(p, end);
    if (isolate_numbers && c.cls == ENG__CHAR_NUMBER)
        return p + c.len;
    if (c.cp == '\'' && contraction(p, end))
        return p + contraction(p, end);
    if (c.cp == ' ') {
        eng__char next = eng__char_at(p + 1, end);
        if (next.len && next.cls != ENG__CHAR_SPACE &&
            !(isolate_numbers && next.cls == ENG__CHAR_NUMBER)) {
            p++;
            c = next;
        }
    }
    if (c.cls != ENG__CHAR_SPACE)
        return skip_class(p + c.len, end, c.cls);

    const char *last = p;
    for (; c.len && c.cls == ENG__CHAR_SPACE; c = eng__char_at(p, end)) {
        last = p;
        p += c.len;
    }
    return space_run(start, last, p, c.len == 0 || (isolate_numbers && c.cls == ENG__CHAR_NUMBER));
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ */
static const char *llama_spaces(const char *start, const char *end)
{
    const char *p = start, *last = start, *after_newline = NULL;
    eng__char c = eng__char_at(p, end);
    for (; c.len && c.cls == ENG__CHAR_SPACE; c = eng__char_at(p, end)) {
        last = p;
        p += c.len;
        if (c.cp == '\r' || c.cp == '\n')
            after_newline = p;
    }
    return after_newline ? after_newline : space_run(start, last, p, c.len == 0);
}

/* (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,max}| ?[^\s\p{L}\p{N}]+[\r\n]*
 * and then llama_spaces. */
static const char *llama_piece(const char *p, const char *end, int max_digits)
{
    eng__char c = eng__char_at(p, end);
    if (c.cp == '\'' && contraction_any_case(p, end))
        return p + contraction_any_case(p, end);
    if (c.cls == ENG__CHAR_LETTER)
        return skip_class(p + c.len, end, ENG__CHAR_LETTER);
    if (c.cls == ENG__CHAR_NUMBER) {
        for (; max_digits > 0 && c.cls == ENG__CHAR_NUMBER; max_digits--) {
            p += c.len;
            c = eng__char_at(p, end);
        }
        return p;
    }
    eng__char next = eng__char_at(p + c.len, end);
    if (next.cls == ENG__CHAR_LETTER && c.cp != '\r' && c.cp != '\n')
        return skip_class(p + c.len + next.len, end, ENG__CHAR_LETTER);
    if (c.cls == ENG__CHAR_OTHER || (c.cp == ' ' && next.len && next.cls == ENG__CHAR_OTHER)) {
        p = skip_class(p + c.len, end, ENG__CHAR_OTHER);
        while (p < end && (*p == '\r' || *p == '\n'))
            p++;
        return p;
    }
    return llama_spaces(p, end);
}

size_t eng__pretoken_len(eng_pretokenizer rule, const char *text, size_t len)
{
    const char *end = text + len;
    switch (rule) {
    case ENG_PRE_GPT2:
        return (size_t)(gpt2_piece(text, end, false) - text);
    case ENG_PRE_SMOLLM:
        return (size_t)(gpt2_piece(text, end, true) - text);
    case ENG_PRE_LLAMA_BPE:
        return (size_t)(llama_piece(text, end, 3) - text);
    case ENG_PRE_QWEN2:
        break;
    }
    return (size_t)(llama_piece(text, end, 1) - text);
}
