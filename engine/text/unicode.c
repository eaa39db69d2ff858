#include "text/unicode.h"

int eng__utf8_scan(const char *p, size_t len, uint32_t *cp)
{
    const unsigned char *s = (const unsigned char *)p;
    unsigned lead = s[0], low = 0x80, high = 0xBF;
    if (lead < 0x80) {
        *cp = lead;
        return 1;
    }
    if (lead < 0xC2 || lead > 0xF4)
        return -1;
    int n = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t value = lead & (0x7Fu >> n);
    /* The second byte's range keeps out overlong forms, surrogates and values past U+10FFFF. */
    if (lead == 0xE0)
        low = 0xA0;
    else if (lead == 0xED)
        high = 0x9F;
    else if (lead == 0xF0)
        low = 0x90;
    else if (lead == 0xF4)
        high = 0x8F;
    for (int i = 1; i < n; i++, low = 0x80, high = 0xBF) {
        if ((size_t)i == len)
            return 0;
        if (s[i] < low || s[i] > high)
            return -i;
        value = value << 6 | (s[i] & 0x3Fu);
    }
    *cp = value;
    return n;
}

size_t eng__utf8_encode(uint32_t cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, cp >>= 6)
        out[i] = (char)(0x80 | (cp & 0x3F));
    out[0] = (char)((0xF00u >> n & 0xF0u) | cp);
    return n;
}

eng__char eng__char_wide_at(const char *p, const char *end)
{
    uint32_t cp;
    if (p == end)
        return (eng__char){ENG__NOT_A_CHAR, 0, ENG__CHAR_OTHER};
    int n = eng__utf8_scan(p, (size_t)(end - p), &cp);
    if (n <= 0)
        return (eng__char){ENG__NOT_A_CHAR, 1, ENG__CHAR_OTHER};
    return (eng__char){cp, (uint8_t)n, (uint8_t)eng__unicode_class(cp)};
}
