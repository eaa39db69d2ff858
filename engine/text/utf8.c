#include "text/utf8.h"

#include "text/unicode.h"

#include <string.h>

static const char replacement[3] = "\xEF\xBF\xBD";

size_t eng__ascii_run(const char *bytes, size_t len)
{
    size_t i = 0;
    for (uint64_t word; i + 8 <= len; i += 8) {
        memcpy(&word, bytes + i, 8);
        if (word & 0x8080808080808080u)
            break;
    }
    while (i < len && (unsigned char)bytes[i] < 0x80)
        i++;
    return i;
}

size_t eng_utf8_complete(const char *bytes, size_t len)
{
    /* Only the last lead byte among the last three bytes can start an unfinished sequence. */
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        uint32_t cp;
        unsigned c = (unsigned char)bytes[len - back];
        if (c >= 0x80 && c < 0xC0)
            continue;
        return eng__utf8_scan(bytes + len - back, back, &cp) == 0 ? len - back : len;
    }
    return len;
}

bool eng_utf8_valid(const char *bytes, size_t len)
{
    for (size_t i = eng__ascii_run(bytes, len); i < len;) {
        uint32_t cp;
        int n = eng__utf8_scan(bytes + i, len - i, &cp);
        if (n <= 0)
            return false;
        i += (size_t)n;
        i += eng__ascii_run(bytes + i, len - i);
    }
    return true;
}

size_t eng_utf8_repair(char *dst, const char *bytes, size_t len)
{
    size_t out = 0, i = 0;
    while (i < len) {
        uint32_t cp;
        int n = eng__utf8_scan(bytes + i, len - i, &cp);
        if (n > 0) {
            memcpy(dst + out, bytes + i, (size_t)n);
            out += (size_t)n;
            i += (size_t)n;
        } else {
            memcpy(dst + out, replacement, sizeof replacement);
            out += sizeof replacement;
            i += n < 0 ? (size_t)-n : len - i;
        }
    }
    return out;
}

/* Completes the held tail with the piece's first bytes. Returns how many it took; *out grows. */
static size_t finish_held(eng_utf8_stream *stream, char *dst, size_t *out, const char *piece,
                          size_t len)
{
    char seq[4];
    size_t taken = 0, n = stream->n_held;
    memcpy(seq, stream->held, n);
    while (n > 0 && taken < len) {
        uint32_t cp;
        seq[n] = piece[taken];
        int scan = eng__utf8_scan(seq, n + 1, &cp);
        if (scan < 0) { /* this byte starts something new */
            *out += eng_utf8_repair(dst + *out, seq, n);
            n = 0;
        } else {
            taken++;
            n++;
        }
        if (scan > 0) {
            memcpy(dst + *out, seq, n);
            *out += n;
            n = 0;
        }
    }
    memcpy(stream->held, seq, n);
    stream->n_held = (unsigned char)n;
    return taken;
}

size_t eng_utf8_stream_push(eng_utf8_stream *stream, char *dst, const char *piece, size_t len)
{
    size_t out = 0;
    size_t taken = finish_held(stream, dst, &out, piece, len);
    if (taken == len)
        return out;
    size_t whole = eng_utf8_complete(piece + taken, len - taken);
    out += eng_utf8_repair(dst + out, piece + taken, whole);
    size_t tail = len - taken - whole;
    memcpy(stream->held, piece + taken + whole, tail);
    stream->n_held = (unsigned char)tail;
    return out;
}

size_t eng_utf8_stream_finish(eng_utf8_stream *stream, char *dst)
{
    size_t n = stream->n_held ? sizeof replacement : 0;
    memcpy(dst, replacement, n);
    stream->n_held = 0;
    return n;
}
