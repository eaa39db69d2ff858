#include "human/checksums.h"

#include "human/keccak.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <math.h>
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The digits of a candidate, as text; 0 if there are more than cap - 1. */
static size_t take_digits(const char *s, size_t len, char *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        if (s[i] >= '0' && s[i] <= '9') {
            if (n + 1 >= cap)
                return 0;
            out[n++] = s[i];
        }
    out[n] = 0;
    return n;
}

/* ---- numbers of people ---- */

bool check_card(const char *s, size_t len)
{
    char digits[20];
    const size_t n = take_digits(s, len, digits, sizeof digits);
    if (n < 13 || strspn(digits, (const char[]){digits[0], 0}) == n)
        return false;
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned d = (unsigned)(digits[n - 1 - i] - '0');
        if (i % 2)
            d = 2 * d > 9 ? 2 * d - 9 : 2 * d;
        sum += d;
    }
    return sum % 10 == 0;
}

/* The lengths of the IBAN registry, by country. */
static size_t iban_length(char a, char b)
{
    static const char lengths[] =
        "NO15BE16DK18FI18FK18FO18GL18NL18SD18MK19SI19AT20BA20EE20KZ20LT20LU20MN20XK20CH21HR21LI21"
        "LV21BG22BH22CR22DE22GB22GE22IE22ME22RS22VA22AE23GI23IL23IQ23OM23SO23TL23AD24CZ24ES24MD24"
        "PK24RO24SA24SE24SK24TN24VG24LY25PT25ST25IS26TR26BI27DJ27FR27GR27IT27MC27MR27SM27AL28AZ28"
        "BY28CY28DO28GT28HN28HU28LB28NI28PL28BR29EG29PS29QA29UA29JO30KW30MU30YE30MT31SC31LC32RU33";
    for (const char *at = lengths; *at; at += 4)
        if (at[0] == a && at[1] == b)
            return (size_t)((at[2] - '0') * 10 + at[3] - '0');
    return 0;
}

bool check_iban(const char *s, size_t len)
{
    char text[36];
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        if (isalnum((unsigned char)s[i])) {
            if (n == sizeof text)
                return false;
            text[n++] = (char)toupper((unsigned char)s[i]);
        }
    if (n < 5 || n != iban_length(text[0], text[1]))
        return false;
    unsigned rest = 0;
    for (size_t i = 0; i < n; i++) { /* the first four characters come last; A is 10 */
        const char c = text[(i + 4) % n];
        rest = c <= '9' ? (rest * 10 + (unsigned)(c - '0')) % 97
                        : (rest * 100 + (unsigned)(c - 'A') + 10) % 97;
    }
    return rest == 1;
}

bool check_nhs(const char *s, size_t len)
{
    char digits[12];
    if (take_digits(s, len, digits, sizeof digits) != 10)
        return false;
    unsigned sum = 0;
    for (unsigned i = 0; i < 9; i++)
        sum += (10 - i) * (unsigned)(digits[i] - '0');
    const unsigned check = (11 - sum % 11) % 11;
    return check == (unsigned)(digits[9] - '0') && strspn(digits, "0") < 10;
}

bool check_ssn(const char *s, size_t len)
{
    static const char *const samples[] = {"078051120", "219099999", "123456789"};
    char d[10];
    if (take_digits(s, len, d, sizeof d) != 9)
        return false;
    if (memcmp(d, "000", 3) == 0 || memcmp(d, "666", 3) == 0 || d[0] == '9' ||
        memcmp(d + 3, "00", 2) == 0 || memcmp(d + 5, "0000", 4) == 0)
        return false;
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
        if (strcmp(d, samples[i]) == 0)
            return false;
    return true;
}

/* ---- wallets ---- */

bool check_base58(const char *s, size_t len)
{
    static const char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    uint8_t bytes[25] = {0}, digest[crypto_hash_sha256_BYTES];
    for (size_t i = 0; i < len; i++) {
        const char *found = s[i] ? strchr(alphabet, s[i]) : NULL;
        if (!found)
            return false;
        unsigned carry = (unsigned)(found - alphabet);
        for (size_t k = sizeof bytes; k-- > 0; carry >>= 8) {
            carry += 58u * bytes[k];
            bytes[k] = (uint8_t)carry;
        }
        if (carry)
            return false; /* longer than an address */
    }
    crypto_hash_sha256(digest, bytes, 21);
    crypto_hash_sha256(digest, digest, sizeof digest);
    return memcmp(digest, bytes + 21, 4) == 0;
}

static uint32_t bech32_step(uint32_t sum, unsigned value)
{
    static const uint32_t generator[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
                                         0x2a1462b3};
    const uint32_t top = sum >> 25;
    sum = (sum & 0x1ffffff) << 5 ^ value;
    for (int i = 0; i < 5; i++)
        sum ^= top >> i & 1 ? generator[i] : 0;
    return sum;
}

static bool one_case(const char *s, size_t len)
{
    bool upper = false, lower = false;
    for (size_t i = 0; i < len; i++) {
        upper |= s[i] >= 'A' && s[i] <= 'Z';
        lower |= s[i] >= 'a' && s[i] <= 'z';
    }
    return !(upper && lower);
}

bool check_bech32(const char *s, size_t len)
{
    static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    enum { BECH32 = 1, BECH32M = 0x2bc830a3 };
    const char *one = memchr(s, '1', len);
    if (!one || !one_case(s, len))
        return false;
    const size_t head = (size_t)(one - s);
    uint32_t sum = 1;
    for (size_t i = 0; i < head; i++)
        sum = bech32_step(sum, (unsigned)tolower((unsigned char)s[i]) >> 5);
    sum = bech32_step(sum, 0);
    for (size_t i = 0; i < head; i++)
        sum = bech32_step(sum, (unsigned)tolower((unsigned char)s[i]) & 31);
    for (size_t i = head + 1; i < len; i++) {
        const char *found = s[i] ? strchr(alphabet, tolower((unsigned char)s[i])) : NULL;
        if (!found)
            return false;
        sum = bech32_step(sum, (unsigned)(found - alphabet));
    }
    return sum == BECH32 || sum == BECH32M;
}

bool check_eip55(const char *s, size_t len)
{
    uint8_t lower[40], digest[32];
    if (len != 42)
        return false;
    for (int i = 0; i < 40; i++)
        lower[i] = (uint8_t)tolower((unsigned char)s[2 + i]);
    keccak_256(digest, lower, sizeof lower);
    for (int i = 0; i < 40; i++) {
        const bool upper = (digest[i / 2] >> (i % 2 ? 0 : 4) & 15) >= 8;
        if (isalpha((unsigned char)s[2 + i]) && !isupper((unsigned char)s[2 + i]) == upper)
            return false;
    }
    return true;
}

/* ---- machines ---- */

typedef struct ip_range {
    uint32_t first;
    unsigned bits;
} ip_range;

/* Nobody's (RFC 6890), and groups'. */
static bool ipv4_is_special(uint32_t ip)
{
    static const ip_range special[] = {
        {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
        {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0a80000, 16}, {0xc6120000, 15},
        {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 3}};
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++)
        if ((ip ^ special[i].first) >> (32 - special[i].bits) == 0)
            return true;
    return false;
}

bool check_ip(const char *s, size_t len)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t b[16];
    if (len >= sizeof text)
        return false;
    memcpy(text, s, len);
    text[len] = 0;
    if (inet_pton(AF_INET, text, b) == 1)
        return !ipv4_is_special((uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 |
                                b[3]);
    if (inet_pton(AF_INET6, text, b) != 1)
        return false;
    const bool documentation = (b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x0d && b[3] == 0xb8) ||
                               (b[0] == 0x3f && b[1] == 0xff && b[2] < 0x10);
    return b[0] >> 5 == 1 && !documentation; /* 2000::/3 is what is given out */
}

bool check_mac(const char *s, size_t len)
{
    static const uint8_t documentation[] = {0x00, 0x00, 0x5e, 0x00, 0x53}; /* RFC 7042 */
    uint8_t mac[6];
    if (len != 17)
        return false;
    for (int i = 0; i < 6; i++)
        mac[i] = (uint8_t)strtoul((const char[]){s[3 * i], s[3 * i + 1], 0}, NULL, 16);
    const bool none = !(mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]);
    return !none && !(mac[0] & 3) && memcmp(mac, documentation, sizeof documentation) != 0;
}

/* ---- secrets ---- */

bool check_secret(const char *s, size_t len)
{
    unsigned counts[256] = {0};
    double bits = 0;
    if (len < 20)
        return false;
    for (size_t i = 0; i < len; i++)
        counts[(unsigned char)s[i]]++;
    for (int c = 0; c < 256; c++)
        if (counts[c]) {
            const double p = (double)counts[c] / (double)len;
            bits -= p * log2(p);
        }
    return bits >= 3;
}
