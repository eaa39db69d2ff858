#include "sanitize.h"

#include "utf8.h"

#include <string.h>

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

static bool is_bidi_control(uint32_t point)
{
    return (point >= 0x202A && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069);
}

static void put_point(text *out, uint32_t point, const unsigned char *bytes, size_t len)
{
    if (point == 0x7F)
        text_puts(out, "^?");
    else if (point < 0x20 && point != '\n' && point != '\t')
        text_printf(out, "^%c", (char)(point + '@'));
    else if ((point >= 0x80 && point <= 0x9F) || is_bidi_control(point))
        text_printf(out, "<U+%04X>", (unsigned)point);
    else
        text_append(out, bytes, len);
}

/* Takes what can be taken of s[0..n); returns the number of bytes left as an incomplete tail. */
static size_t put_points(text *out, const unsigned char *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        uint32_t point;
        int len = utf8_decode(s + i, n - i, &point);
        if (len == 0)
            return n - i;
        if (len < 0) {
            text_puts(out, replacement);
            i++;
        } else {
            put_point(out, point, s + i, (size_t)len);
            i += (size_t)len;
        }
    }
    return 0;
}

void sanitize_feed(sanitizer *s, const char *bytes, size_t n, text *out)
{
    const unsigned char *in = (const unsigned char *)bytes;
    /* A held beginning is completed byte by byte: three more at most. */
    while (s->held_len && n) {
        unsigned char joined[4];
        size_t joined_len = s->held_len + 1;
        memcpy(joined, s->held, s->held_len);
        joined[s->held_len] = *in++;
        n--;
        s->held_len = put_points(out, joined, joined_len);
        memcpy(s->held, joined + joined_len - s->held_len, s->held_len);
    }
    if (!n)
        return;
    s->held_len = put_points(out, in, n);
    memcpy(s->held, in + n - s->held_len, s->held_len);
}

void sanitize_end(sanitizer *s, text *out)
{
    if (s->held_len)
        text_puts(out, replacement);
    s->held_len = 0;
}

void sanitize_line(const char *s, text *out)
{
    sanitizer state = {0};
    size_t start = out->len;
    sanitize_feed(&state, s, strlen(s), out);
    sanitize_end(&state, out);
    for (size_t i = start; i < out->len; i++)
        if (out->data[i] == '\n' || out->data[i] == '\t')
            out->data[i] = ' ';
}
