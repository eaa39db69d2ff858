#include "harness.h"
#include "text/unicode.h"

TEST(classes_hold_as_many_code_points_as_in_unicode_14)
{
    /* Counted with Python's unicodedata 14.0.0; White_Space has 25 members in PropList.txt. */
    int count[4] = {0};
    for (uint32_t cp = 0; cp < 0x110000; cp++)
        count[eng__unicode_class(cp)]++;
    EXPECT_EQ(count[ENG__CHAR_LETTER], 131756);
    EXPECT_EQ(count[ENG__CHAR_NUMBER], 1791);
    EXPECT_EQ(count[ENG__CHAR_SPACE], 25);
}

TEST(classes_at_the_edges)
{
    EXPECT(eng__is_letter('a') && eng__is_letter(0xAA) && eng__is_letter(0x2B0));
    EXPECT(eng__is_letter(0x4E00) && eng__is_letter(0x9FFF) && eng__is_letter(0x2A6DF));
    EXPECT(!eng__is_letter(0x300) && !eng__is_letter('_') && !eng__is_letter(0x110000));
    EXPECT(eng__is_number('7') && eng__is_number(0xB2) && eng__is_number(0x2160));
    EXPECT(!eng__is_number(0x4E00) && !eng__is_number('a'));
    EXPECT(eng__is_space(0xA0) && eng__is_space(0x3000) && eng__is_space(0x85));
    EXPECT(!eng__is_space(0x200B) && !eng__is_space(0xFEFF) && !eng__is_space(0x1C));
}

TEST(every_code_point_survives_encoding_and_scanning)
{
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        char bytes[4];
        uint32_t back = 0;
        size_t n;
        if (cp >= 0xD800 && cp < 0xE000)
            continue;
        n = eng__utf8_encode(cp, bytes);
        if (eng__utf8_scan(bytes, n, &back) != (int)n || back != cp)
            FAIL("U+%04X came back as U+%04X", cp, back);
        for (size_t cut = 1; cut < n; cut++)
            if (eng__utf8_scan(bytes, cut, &back) != 0)
                FAIL("U+%04X cut to %zu bytes is not seen as unfinished", cp, cut);
    }
}

TEST(malformed_sequences_give_their_maximal_subpart)
{
    static const struct {
        const char *bytes;
        int subpart;
    } cases[] = {
        {"\x80", 1},         {"\xBF", 1},     {"\xC0\x80", 1},         {"\xC1\xBF", 1},
        {"\xC2\x41", 1},     {"\xE0\x80", 1}, {"\xE0\xA0\x41", 2},     {"\xED\xA0\x80", 1},
        {"\xED\x9F\x41", 2}, {"\xF0\x8F", 1}, {"\xF0\x90\x80\x41", 3}, {"\xF4\x90", 1},
        {"\xF5\x80", 1},     {"\xFF", 1},     {"\xF1\x80\xC2", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t cp;
        size_t len = 0;
        while (cases[i].bytes[len])
            len++;
        int got = eng__utf8_scan(cases[i].bytes, len, &cp);
        if (got != -cases[i].subpart)
            FAIL("case %zu: %d, expected %d", i, got, -cases[i].subpart);
    }
}

TEST(stray_bytes_are_units_of_their_own)
{
    const char *text = "\xE4\xBDz";
    eng__char c = eng__char_at(text, text + 3);
    EXPECT_EQ(c.len, 1);
    EXPECT_EQ(c.cls, ENG__CHAR_OTHER);
    EXPECT_EQ(c.cp, ENG__NOT_A_CHAR);
    EXPECT_EQ(eng__char_at(text + 3, text + 3).len, 0);
}
