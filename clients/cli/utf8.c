#include "utf8.h"

/* Length of the sequence that `lead` opens and the allowed range of its second byte. */
static int utf8_lead(unsigned char lead, unsigned char *low, unsigned char *high)
{
    *low = 0x80;
    *high = 0xBF;
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 2;
    if (lead >= 0xE0 && lead <= 0xEF) {
        if (lead == 0xE0)
            *low = 0xA0; /* shorter forms exist below */
        if (lead == 0xED)
            *high = 0x9F; /* surrogates above */
        return 3;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        if (lead == 0xF0)
            *low = 0x90;
        if (lead == 0xF4)
            *high = 0x8F; /* past U+10FFFF above */
        return 4;
    }
    return -1;
}

int utf8_decode(const unsigned char *s, size_t n, uint32_t *point)
{
    static const unsigned char lead_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    unsigned char low, high;
    int len = utf8_lead(s[0], &low, &high);
    if (len < 0)
        return -1;
    uint32_t value = s[0] & lead_bits[len];
    for (int i = 1; i < len; i++) {
        if ((size_t)i >= n)
            return 0;
        if (s[i] < low || s[i] > high)
            return -1;
        value = value << 6 | (s[i] & 0x3Fu);
        low = 0x80;
        high = 0xBF;
    }
    *point = value;
    return len;
}

size_t utf8_valid_bytes(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        uint32_t point;
        int len = utf8_decode((const unsigned char *)s + i, n - i, &point);
        if (len <= 0)
            break;
        i += (size_t)len;
    }
    return i;
}
