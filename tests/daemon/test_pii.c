#include "harness.h"

#include "human/checksums.h"
#include "human/keccak.h"
#include "human/pii.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned scan(const char *text)
{
    static pii_scanner *scanner;
    error_text err;
    if (!scanner)
        scanner = pii_create(PII_MATCH_LIMIT, &err);
    if (!scanner)
        FAIL("%s", err.text);
    return pii_scan(scanner, text, strlen(text));
}

static const char *describe(unsigned kinds, char out[256])
{
    out[0] = 0;
    for (int k = 0; k < PII_KINDS; k++)
        if (kinds >> k & 1)
            snprintf(out + strlen(out), 256 - strlen(out), "%s ", pii_kind_text((pii_kind)k));
    return out[0] ? out : "nothing";
}

static void expect_found(pii_kind kind, const char *text)
{
    char found[256];
    const unsigned kinds = scan(text);
    if (!(kinds >> kind & 1))
        FAIL("expected %s in '%s', found %s", pii_kind_text(kind), text, describe(kinds, found));
}

static void expect_not(pii_kind kind, const char *text)
{
    if (scan(text) >> kind & 1)
        FAIL("found %s in '%s'", pii_kind_text(kind), text);
}

static void expect_clean(const char *text)
{
    char found[256];
    const unsigned kinds = scan(text);
    if (kinds)
        FAIL("expected nothing in '%s', found %s", text, describe(kinds, found));
}

TEST(ordinary_text_is_clean)
{
    expect_clean("");
    expect_clean("Write a haiku about the 3 rivers of 1984, please. It cost $1,299.99 (20% off)!");
    expect_clean("int x[10] = {0}; for (size_t i = 0; i < 10; i++) x[i] = i * 1024;");
    expect_clean("The meeting is on 2024-05-17 at 10:30:15; call it a day by 18:00.");
    expect_clean("pi is 3.14159265358979323846 and e is 2.718281828459045");
    expect_clean("std::vector<std::pair<int, int>> and a::b::c");
    expect_clean("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e \xf0\x9f\x98\x80");
}

TEST(email)
{
    expect_found(PII_EMAIL, "write to Jo.Smith+news@mail.co.uk, please");
    expect_found(PII_EMAIL, "<a_b%c@sub-domain.museum>");
    expect_not(PII_EMAIL, "user@localhost");
    expect_not(PII_EMAIL, "@handle on a site.com, and 5 @ 3.50");
    expect_not(PII_EMAIL, "git@v2");
}

TEST(ip_addresses_that_are_somebodys)
{
    expect_found(PII_IP, "from 8.8.4.4.");
    expect_found(PII_IP, "seen at 2a00:1450:4001:81b::200e today");
    expect_found(PII_IP, "2606:4700:4700:0:0:0:0:1111");
    expect_not(PII_IP, "10.1.2.3 172.31.0.1 192.168.1.1 127.0.0.1 169.254.9.9 100.64.0.1 0.0.0.0");
    expect_found(PII_IP, "172.32.0.1");
    expect_not(PII_IP, "192.0.2.7 198.51.100.7 203.0.113.7 198.18.0.1 224.0.0.1 255.255.255.255");
    expect_not(PII_IP, "256.1.1.1, 1.2.3 and v1.2.3.4, 1.2.3.4.5");
    expect_not(PII_IP, "2001:db8::1 fe80::1 ::1 fd00::1 ff02::1 :: 12:30:15");
}

TEST(mac_addresses_that_a_maker_gave)
{
    expect_found(PII_MAC, "00:1B:44:11:3a:b7");
    expect_found(PII_MAC, "00-1B-44-11-3A-B7");
    expect_not(PII_MAC, "00:1B-44:11-3A:B7");
    expect_not(PII_MAC, "00:00:5e:00:53:af"); /* documentation */
    expect_not(PII_MAC, "02:1B:44:11:3A:B7 ff:ff:ff:ff:ff:ff 00:00:00:00:00:00");
    expect_not(PII_MAC, "00:1B:44:11:3A:B7:01");
}

TEST(phone_numbers)
{
    expect_found(PII_PHONE, "+49 30 901820");
    expect_found(PII_PHONE, "+14155550132");
    expect_found(PII_PHONE, "(415) 555-0132");
    expect_found(PII_PHONE, "reach me: 1-415-555-0132.");
    expect_found(PII_PHONE, "415.555.0132");
    expect_found(PII_PHONE, "my phone: 4155550132");
    expect_found(PII_PHONE, "020 7946 0958 is her mobile");
    expect_not(PII_PHONE, "4155550132");        /* bare digits */
    expect_not(PII_PHONE, "115-555-0132");      /* area 1.. */
    expect_not(PII_PHONE, "(415) 155-0132");    /* exchange 1.. */
    expect_not(PII_PHONE, "+1234567");          /* seven digits */
    expect_not(PII_PHONE, "+1234567890123456"); /* sixteen */
    expect_not(PII_PHONE, "microphone 41555501");
    expect_not(PII_PHONE, "4155550132 is how many parts the machine has made, says its phone");
}

TEST(card_numbers)
{
    expect_found(PII_CARD, "4111 1111 1111 1111");
    expect_found(PII_CARD, "it is 378282246310005, with");
    expect_found(PII_CARD, "card 5555-5555-5555-4444 12/26");
    expect_found(PII_CARD, "2024 4012 8888 8888 1881 123"); /* other digits around */
    expect_not(PII_CARD, "4111 1111 1111 1112");
    expect_not(PII_CARD, "0000 0000 0000 0000");
    expect_not(PII_CARD, "411111111111");
    expect_not(PII_CARD, "41111111111111111111111");
}

TEST(iban)
{
    expect_found(PII_IBAN, "GB82 WEST 1234 5698 7654 32 is the account");
    expect_found(PII_IBAN, "pay to DE89370400440532013000.");
    expect_found(PII_IBAN, "de89 3704 0044 0532 0130 00");
    expect_not(PII_IBAN, "GB82 WEST 1234 5698 7654 33");
    expect_not(PII_IBAN, "DE8937040044053201300"); /* a digit short */
    expect_not(PII_IBAN, "XX82 WEST 1234 5698 7654 32");
}

TEST(us_social_security_numbers)
{
    expect_found(PII_US_SSN, "536-22-8145");
    expect_found(PII_US_SSN, "536 22 8145");
    expect_found(PII_US_SSN, "SSN: 536228145");
    expect_not(PII_US_SSN, "536228145");
    expect_not(PII_US_SSN, "536-22 8145");
    expect_not(PII_US_SSN, "000-22-8145 666-22-8145 912-22-8145 536-00-8145 536-22-0000");
    expect_not(PII_US_SSN, "078-05-1120 219-09-9999 123-45-6789");
    expect_not(PII_US_SSN, "536-22-81456");
}

TEST(uk_nhs_numbers)
{
    expect_found(PII_UK_NHS, "943 476 5919");
    expect_found(PII_UK_NHS, "9434765919");
    expect_not(PII_UK_NHS, "943 476 5918");
    expect_not(PII_UK_NHS, "000 000 0000");
    expect_not(PII_UK_NHS, "943-476 5919");
}

TEST(uk_national_insurance_numbers)
{
    expect_found(PII_UK_NINO, "AB123456C");
    expect_found(PII_UK_NINO, "AB 12 34 56 C");
    expect_not(PII_UK_NINO, "QQ123456C"); /* a letter that is never used */
    expect_not(PII_UK_NINO, "BG123456C"); /* a prefix that is never given */
    expect_not(PII_UK_NINO, "AB123456E");
}

TEST(passports_and_licences_by_what_stands_near)
{
    expect_found(PII_PASSPORT, "passport no. 533380006");
    expect_found(PII_PASSPORT, "C01234567 (passport)");
    expect_not(PII_PASSPORT, "part no. 533380006");
    expect_found(PII_LICENCE, "MORGA657054SM9IJ");
    expect_found(PII_LICENCE, "driver license D1234567");
    expect_not(PII_LICENCE, "software license D1234567");
}

#define ANY_KEY "Zx8Qw3Lr7Vt5Kp2Mn9Bd4Hs6"
#define LETTERS_36 "a8Kd0Pq3Zt7Vn2Xc5Bm9Lr4Js6Hw1Gy8Fe3U"

TEST(secrets)
{
    expect_found(PII_SECRET, "sk-" ANY_KEY);
    expect_found(PII_SECRET, "AKIA2E0A8F3B244C9986");
    expect_found(PII_SECRET, "ghp_" LETTERS_36);
    expect_found(PII_SECRET, "key=AIza"
                             "SyB7q2Lw9Xr4Tn8Kc1Vd5Pj3Mz6Hs0Ga2Fe");
    expect_found(PII_SECRET, "hf_"
                             "QwErTyUiOpAsDfGhJkLzXcVbNmQwErTyUi");
    expect_found(PII_SECRET,
                 "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N");
    expect_found(PII_SECRET, "-----BEGIN RSA PRIVATE KEY-----\nMIIE");
    expect_found(PII_SECRET, "password: " ANY_KEY);
    expect_not(PII_SECRET, "sk-xxxxxxxxxxxxxxxxxxxxxxxx"); /* a placeholder */
    expect_not(PII_SECRET, "sk-learn is a module");
    expect_not(PII_SECRET, "-----BEGIN PUBLIC KEY-----");
    expect_not(PII_SECRET, ANY_KEY " is what it printed");
    expect_not(PII_SECRET, "the password is internationalization-of-everything");
}

TEST(wallets)
{
    expect_found(PII_WALLET, "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2");
    expect_found(PII_WALLET, "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy");
    expect_found(PII_WALLET, "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq");
    expect_found(PII_WALLET, "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0");
    expect_found(PII_WALLET, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
    expect_found(PII_WALLET, "send it to 0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed");
    expect_not(PII_WALLET, "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3");
    expect_not(PII_WALLET, "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdp");
    expect_not(PII_WALLET, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD");
    expect_not(PII_WALLET, "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed");
}

TEST(context_counts_within_forty_characters_and_as_whole_words)
{
    char text[128];
    for (int gap = 38; gap <= 42; gap++) { /* the word's end, then `gap` characters */
        snprintf(text, sizeof text, "passport%*s533380006", gap, " ");
        EXPECT_EQ(scan(text) >> PII_PASSPORT & 1, gap < 40);
    }
    expect_not(PII_PASSPORT, "passportless 533380006");
}

TEST(keccak_gives_the_reference_digests)
{
    static const uint8_t empty[] = {0xc5, 0xd2, 0x46, 0x01, 0x86, 0xf7, 0x23, 0x3c},
                         abc[] = {0x4e, 0x03, 0x65, 0x7a, 0xea, 0x45, 0xa9, 0x4f};
    uint8_t out[32];
    keccak_256(out, (const uint8_t *)"", 0);
    EXPECT_MEM(out, empty, sizeof empty);
    keccak_256(out, (const uint8_t *)"abc", 3);
    EXPECT_MEM(out, abc, sizeof abc);
}

TEST(a_text_beyond_the_matchers_limits_counts_as_found)
{
    error_text err;
    pii_scanner *strict = pii_create(1, &err);
    EXPECT(strict);
    const char *harmless = "jo@no.w";
    EXPECT_EQ(scan(harmless), 0);
    EXPECT(pii_scan(strict, harmless, strlen(harmless)) >> PII_EMAIL & 1);
    pii_free(strict);
}

TEST(long_hostile_texts_come_to_an_end)
{
    enum { LEN = 1 << 16 };
    static const char *const tiles[] = {"1 ", "a@", "a.", "eyJaaaaa.", "1:", "0x", "GB82 "};
    char *text = malloc(LEN + 1);
    for (size_t t = 0; t < sizeof tiles / sizeof tiles[0]; t++) {
        const size_t n = strlen(tiles[t]);
        for (size_t i = 0; i < LEN; i++)
            text[i] = tiles[t][i % n];
        text[LEN] = 0;
        scan(text);
    }
    free(text);
}
