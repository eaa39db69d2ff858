/* Code points: the four classes that split rules speak of, and UTF-8 decoding that never fails.
 *
 * The classes partition Unicode, so each split rule is a switch over them. All functions are pure.
 * [any thread] */
#ifndef ENG_TEXT_UNICODE_H
#define ENG_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum eng__char_class {
    ENG__CHAR_OTHER,  /* [^\s\p{L}\p{N}]; also bytes that are not UTF-8 */
    ENG__CHAR_LETTER, /* \p{L} */
    ENG__CHAR_NUMBER, /* \p{N} */
    ENG__CHAR_SPACE   /* White_Space */
} eng__char_class;

/* The generated tables: the block of 256 code points each belongs to; its classes, 2 bits each. */
extern const uint8_t eng__unicode_block[0x110000 / 256];
extern const uint8_t eng__unicode_classes[];

/* cp below 0x110000. */
static inline eng__char_class eng__unicode_class(uint32_t cp)
{
    unsigned quad = eng__unicode_classes[eng__unicode_block[cp >> 8] * 64u + (cp & 255) / 4];
    return (eng__char_class)(quad >> 2 * (cp & 3) & 3);
}

static inline bool eng__is_letter(uint32_t cp)
{
    return cp < 0x110000 && eng__unicode_class(cp) == ENG__CHAR_LETTER;
}

static inline bool eng__is_number(uint32_t cp)
{
    return cp < 0x110000 && eng__unicode_class(cp) == ENG__CHAR_NUMBER;
}

static inline bool eng__is_space(uint32_t cp)
{
    return cp < 0x110000 && eng__unicode_class(cp) == ENG__CHAR_SPACE;
}

/* Reads the sequence that starts at p, len >= 1 bytes being there. Returns its length when it is
 * well-formed (Unicode table 3-7: no surrogates, no overlong forms, nothing past U+10FFFF), with
 * its code point in *cp. Otherwise returns 0 when all len bytes are the beginning of a sequence
 * that more bytes could complete, or -n where n >= 1 bytes are the "maximal subpart" that one
 * replacement character stands for. */
int eng__utf8_scan(const char *p, size_t len, uint32_t *cp);

/* cp < 0x110000 and not a surrogate, as 1 to 4 bytes. */
size_t eng__utf8_encode(uint32_t cp, char out[4]);

typedef struct eng__char {
    uint32_t cp; /* ENG__NOT_A_CHAR for a byte that is not part of well-formed UTF-8 */
    uint8_t len; /* bytes; 0 at the end of the text */
    uint8_t cls; /* eng__char_class */
} eng__char;

#define ENG__NOT_A_CHAR UINT32_MAX

/* The unit at p: a code point or one stray byte; len 0 when p == end. */
eng__char eng__char_wide_at(const char *p, const char *end);
static inline eng__char eng__char_at(const char *p, const char *end)
{
    if (p < end && (unsigned char)*p < 0x80) {
        unsigned c = (unsigned char)*p;
        return (eng__char){c, 1, (uint8_t)eng__unicode_class(c)};
    }
    return eng__char_wide_at(p, end);
}

#endif
