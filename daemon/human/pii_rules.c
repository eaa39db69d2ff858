#include "human/pii_rules.h"

#include "human/checksums.h"

#include <string.h>

/* Ends of words: a digit string inside a longer one is no number of its own. */
#define NO_DIGIT_BEFORE "(?<![0-9])(?<![0-9][.,])"
#define NO_DIGIT_AFTER "(?![0-9])(?![.,][0-9])"
#define NO_WORD_BEFORE "(?<![A-Za-z0-9_])"
#define NO_WORD_AFTER "(?![A-Za-z0-9_])"

static const char phone_words[] =
    " phone telephone tel mobile cell call fax whatsapp sms text dial contact ring ";
static const char secret_words[] = " password passwd pwd passphrase secret token apikey api_key "
                                   "key bearer credential credentials ";
static const char wallet_words[] =
    " wallet eth ether ethereum address crypto usdt usdc metamask send pay ";

static size_t count_digits(const char *s, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += s[i] >= '0' && s[i] <= '9';
    return n;
}

static bool is_international(const char *s, size_t len)
{
    const size_t n = count_digits(s, len);
    return n >= 8 && n <= 15;
}

/* Digits that do not begin like 2024-05-17. */
static bool is_no_date(const char *s, size_t len)
{
    (void)len; /* eight digits at least */
    return !(s[4] == '-' && s[7] == '-');
}

/* Letters and digits, and no word of a language. */
static bool is_random(const char *s, size_t len)
{
    const size_t digits = count_digits(s, len);
    return digits && digits < len && check_secret(s, len);
}

/* HM Revenue & Customs: prefixes that are never given. */
static bool is_nino(const char *s, size_t len)
{
    (void)len;
    return !strstr(" BG GB KN NK NT TN ZZ ", (const char[]){' ', s[0], s[1], ' ', 0});
}

/* All of one case: an address written without EIP-55's checksum. */
static bool is_plain_hex(const char *s, size_t len)
{
    bool upper = false, lower = false;
    for (size_t i = 2; i < len; i++) {
        upper |= s[i] >= 'A' && s[i] <= 'F';
        lower |= s[i] >= 'a' && s[i] <= 'f';
    }
    return !(upper && lower);
}

/* clang-format off */
static const pii_rule rules[] = {
    {PII_EMAIL, "(?<![a-z0-9._%+-])[a-z0-9._%+-]{1,64}@(?:[a-z0-9-]{1,63}\\.){1,8}[a-z]{2,24}" NO_WORD_AFTER,
     .any_case = true, .score = 0.6},

    {PII_IP, "(?<![A-Za-z0-9.])[0-9]{1,3}(?:\\.[0-9]{1,3}){3}(?![A-Za-z0-9]|\\.[0-9])",
     .score = 0.6, .plausible = check_ip},
    {PII_IP, "(?<![a-z0-9:.])(?:[0-9a-f]{0,4}:){2,8}[0-9a-f]{0,4}(?![a-z0-9:])",
     .any_case = true, .score = 0.6, .plausible = check_ip},
    {PII_MAC, "(?<![a-z0-9:-])[0-9a-f]{2}([:-])[0-9a-f]{2}(?:\\1[0-9a-f]{2}){4}(?![a-z0-9]|[:-][a-z0-9])",
     .any_case = true, .score = 0.6, .plausible = check_mac},

    {PII_PHONE, "(?<![0-9A-Za-z+])\\+[0-9](?:[ ().-]{0,3}[0-9]){7,14}" NO_DIGIT_AFTER,
     .score = 0.6, .plausible = is_international},
    {PII_PHONE, NO_DIGIT_BEFORE "(?<![-])(?:1[-. ])?(?:\\([2-9][0-9]{2}\\) ?|[2-9][0-9]{2}[-. ])[2-9][0-9]{2}[-. ][0-9]{4}" NO_DIGIT_AFTER "(?!-[0-9])",
     .score = 0.5},
    {PII_PHONE, NO_DIGIT_BEFORE "[0-9](?:[ .-]?[0-9]){7,14}" NO_DIGIT_AFTER,
     .score = 0.3, .context = phone_words, .plausible = is_no_date},

    {PII_CARD, NO_DIGIT_BEFORE "[0-9](?:[ -]?[0-9]){12,30}" NO_DIGIT_AFTER,
     .score = 0.3, .checksum = check_card, .anywhere = true},
    {PII_IBAN, NO_WORD_BEFORE "[a-z]{2}[0-9]{2}(?: ?[a-z0-9]){11,40}" NO_WORD_AFTER,
     .any_case = true, .score = 0.3, .checksum = check_iban, .anywhere = true},

    {PII_US_SSN, "(?<![0-9A-Za-z-])[0-9]{3}([- ])[0-9]{2}\\1[0-9]{4}(?![0-9A-Za-z]|-[0-9])",
     .score = 0.5, .plausible = check_ssn},
    {PII_US_SSN, NO_WORD_BEFORE "(?<![.-])[0-9]{9}" NO_WORD_AFTER "(?!-[0-9])",
     .score = 0.3, .plausible = check_ssn, .context = " ssn social security "},
    {PII_UK_NHS, NO_WORD_BEFORE "(?<![.-])[0-9]{3}([- ]?)[0-9]{3}\\1[0-9]{4}" NO_WORD_AFTER "(?!-[0-9])",
     .score = 0.3, .checksum = check_nhs},
    {PII_UK_NINO, NO_WORD_BEFORE "[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]( ?)[0-9]{2}\\1[0-9]{2}\\1[0-9]{2}\\1[A-D]" NO_WORD_AFTER,
     .score = 0.5, .plausible = is_nino},
    {PII_PASSPORT, NO_WORD_BEFORE "(?:[A-Z][0-9]{7,8}|[A-Z]{2}[0-9]{6,7}|[0-9]{2}[A-Z]{2}[0-9]{5}|[0-9]{9})" NO_WORD_AFTER,
     .score = 0.3, .context = " passport passports "},
    {PII_LICENCE, NO_WORD_BEFORE "[A-Z]{2,5}9{0,3}[0-9]{6}[A-Z9]{2}[0-9][A-Z]{2}" NO_WORD_AFTER,
     .score = 0.5},
    {PII_LICENCE, NO_WORD_BEFORE "[A-Z]{1,2}-?[0-9]{3,4}-?[0-9]{3,4}(?:-?[0-9]{4,6})?" NO_WORD_AFTER,
     .score = 0.3, .context = " driver driver's drivers driving dmv dvla "},

    {PII_SECRET, NO_WORD_BEFORE "sk-[A-Za-z0-9_-]{20,200}", .score = 0.6, .plausible = check_secret},
    {PII_SECRET, NO_WORD_BEFORE "(?:AKIA|ASIA)[A-Z0-9]{16}" NO_WORD_AFTER, .score = 0.6, .plausible = check_secret},
    {PII_SECRET, NO_WORD_BEFORE "gh[opsur]_[A-Za-z0-9]{36,255}", .score = 0.6, .plausible = check_secret},
    {PII_SECRET, NO_WORD_BEFORE "AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])", .score = 0.6, .plausible = check_secret},
    {PII_SECRET, NO_WORD_BEFORE "hf_[A-Za-z0-9]{30,200}", .score = 0.6, .plausible = check_secret},
    {PII_SECRET, NO_WORD_BEFORE "eyJ[A-Za-z0-9_-]{5,4000}\\.eyJ[A-Za-z0-9_-]{5,4000}\\.[A-Za-z0-9_-]{5,4000}", .score = 0.6, .plausible = check_secret},
    {PII_SECRET, "-----BEGIN (?:[A-Z]{2,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----", .score = 0.6},
    {PII_SECRET, "(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{20,200}(?![A-Za-z0-9+/_-])",
     .score = 0.3, .context = secret_words, .plausible = is_random},

    {PII_WALLET, NO_WORD_BEFORE "[13][1-9A-HJ-NP-Za-km-z]{25,34}" NO_WORD_AFTER,
     .score = 0.3, .checksum = check_base58},
    {PII_WALLET, NO_WORD_BEFORE "(?:bc|tb|ltc)1[02-9ac-hj-np-z]{8,87}" NO_WORD_AFTER,
     .any_case = true, .score = 0.3, .checksum = check_bech32},
    {PII_WALLET, NO_WORD_BEFORE "0x(?=[0-9]*[a-f])(?=[0-9a-f]*[A-F])[0-9A-Fa-f]{40}" NO_WORD_AFTER,
     .score = 0.3, .checksum = check_eip55},
    {PII_WALLET, NO_WORD_BEFORE "0x[0-9a-f]{40}" NO_WORD_AFTER,
     .any_case = true, .score = 0.3, .plausible = is_plain_hex, .context = wallet_words},
};
/* clang-format on */

const pii_rule *pii_rules(size_t *n)
{
    *n = sizeof rules / sizeof rules[0];
    return rules;
}
