"""The strings that the tokenizer goldens are made from: valid UTF-8, chosen for the edges of split
rules, plus seeded random mixtures of the same kinds of characters."""
import random

ENGLISH = [
    "", "a", "Hello", "Hello world", "Hello, world!", " leading", "trailing ", "  two leading",
    "The quick brown fox jumps over the lazy dog.", "It was the best of times, it was the worst.",
    "I'm sure they're right, we've seen it; he'd say she'll stay, don't you?",
    "I'M SURE THEY'RE RIGHT, WE'VE SEEN IT; HE'D SAY SHE'LL STAY, DON'T YOU?",
    "'s 't 're 've 'm 'll 'd", "'S 'T 'RE 'VE 'M 'LL 'D", "'Re 'vE 'lL", "x'sy", "x'SY", "'", "''",
    "'ss", "'\u017f", "it'\u017f", "IT'\u017fX", "'\u212a", "rock'n'roll 'tis o'clock",
    "dogs' tails", "\u2019s it\u2019s don\u2019t", "e.g. i.e. U.S.A.", "Mr. Smith-Jones (b. 1970)",
    "antidisestablishmentarianism", "supercalifragilisticexpialidocious", "ALLCAPS MixedCase",
    "well-known, state-of-the-art", "$12.50 + 8% = ?", "a@b.com http://x.org/?q=1&r=2#top",
]
NUMBERS = [
    "0", "7", "42", "123", "1234", "12345", "1234567890", "3.14159", "1,000,000", "-5", "+1 (555)",
    "2024-01-31T23:59:59Z", "x1", "1x", "a1b2c3", "abc123def", " 1", "  1", "1 2  3   4", "\n1", "1\n",
    "\u0661\u0662\u0663", "\u00b2\u00b3\u00b9", "\u2160\u2161\u2163", "\u00bd\u00bc", "\uff11\uff12",
    "\u4e00\u4e8c\u4e09", "10\u00b2", "\U0001d7ce\U0001d7cf", "\u0b67\u0b68 \u0e51\u0e52", "1st 2nd",
    "0x1F 0b101 1e-9", "5'9\"", "9" * 40, "1 " * 12,
]
SPACES = [
    " ", "  ", "   ", " " * 17, "\t", "\t\t", "\n", "\n\n", "\n\n\n", "\r\n", "\r\n\r\n", "\r", " \n",
    "\n ", " \n ", "\n \n", "  \n  x", "\n\n  x", "x\n\n  y", "x  \n\n\n  y", "x \t y", "\tx", "\t\tx",
    "\t x", " \tx", "x\t", "x  ", "x   y", "x    \n", "\u00a0", "\u00a0x", "x\u00a0y", "\u00a0\u00a0x",
    " \u00a0x", "\u2003x", "\u3000x\u3000", "\u2028x\u2029", "\u0085x", "\u200bx", "\ufeffx",
    "\u180ex", "\x0b\x0cx", "\x1cx", "\x1dx\x1e\x1fy", "x\u2009\u2009y", "\u1680 \u202f\u205f",
    "a\r\nb\rc\nd", "!\n", "!\n\n x", "?!\r\n\r\n", ". \n", " !\n", ")\n}\n",
]
CODE = [
    "def f(x):\n    return x + 1\n", "for (int i = 0; i < n; i++) {\n\tsum += a[i];\n}\n",
    "#include <stdio.h>\nint main(void)\n{\n    printf(\"%d\\n\", 42);\n}\n",
    "{\"a\": [1, 2.5, null], \"b\": {\"c\": true}}", "<div class=\"x\">&nbsp;</div>",
    "SELECT * FROM t WHERE id=1 -- c", "x = y->z[0].w; // ok", "a+=b; c!=d; e==f; g<=h",
    "\\alpha\\beta $x^2$", "~/.bashrc && ls -la | grep '^d'", "if __name__ == '__main__':",
    "/* comment */", "====", "----------", "!!!???", "...", "_snake_case __dunder__", "camelCaseName",
    "            deeply indented", "\t\t\tif (x)\n\t\t\t\ty();\n",
]
SCRIPTS = [
    "caf\u00e9 na\u00efve r\u00e9sum\u00e9", "cafe\u0301", "A\u030angstro\u0308m", "\u1e9b\u0323",
    "Stra\u00dfe \u00dcber \u00d1and\u00fa", "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!",
    "\u0393\u03b5\u03b9\u03ac \u03c3\u03bf\u03c5", "\u4f60\u597d\uff0c\u4e16\u754c\uff01",
    "\u3053\u3093\u306b\u3061\u306f \u30ab\u30bf\u30ab\u30ca", "\uc548\ub155\ud558\uc138\uc694",
    "\u1112\u1161\u11ab", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645",
    "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd", "\u0928\u092e\u0938\u094d\u0924\u0947",
    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\u1006\u101b\u102c", "\u13a0\u13a1", "\U00010400\U00010401",
    "\U00020000\U0002a6d6", "\u01c5\u02b0\u02bc", "\u0300", "\u0300a", "a\u0300b", "x\u200dy",
    "\u2126\u212b\u00aa\u00ba", "\u00b7\u00d7\u00f7", "\u20ac100 \u00a35 \u00a5", "\u201cquoted\u201d",
    "\u2014dash\u2013", "\u2026", "\u00a9\u00ae\u2122", "\ufb01\ufb02", "\ufffd", "\U0001e900",
]
EMOJI = [
    "\U0001f600", "\U0001f600\U0001f601 ok", "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\U0001f44d\U0001f3fd", "\U0001f1ef\U0001f1f5\U0001f1eb\U0001f1f7", "\u2764\ufe0f",
    "1\ufe0f\u20e3", "\U0001f3f4\U000e0067\U000e0062\U000e007f", "hi\U0001f44b!", " \U0001f680 ",
    "\U0001f469\U0001f3fe\u200d\U0001f4bb", "\u2600\u2601\u26a1", "\U0001fae0",
]
SPECIAL = [
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|im_start|>user\nhi<|im_end|>\n",
    "a<|im_end|>b", " <|im_end|> ", "<|im_end|><|im_end|>", "<|im_end", "im_end|>", "<|im_end|",
    "<<|im_end|>>", "<|im_start|><|im_star", "<repo_name>x<reponame>", "<file_sep>", "<filename",
    "<|IM_END|>", "< |im_end|>", "<|im_end|>\n\n<|im_start|>assistant\n", "1<|im_end|>2  <|im_end|>",
    "[INST] <<SYS>> </s>", "<|begin_of_text|>", "<0x0A>", "x  <|endoftext|>  y",
]
LONG = [
    "a" * 100, "ab" * 70, " " * 100, "\n" * 65, "=" * 129, "lorem" * 30, "\u00e9" * 70,
    "\u4f60\u597d" * 40, "x " * 40, "the cat sat on the mat " * 8, "\U0001f600" * 20, "-=" * 50,
    "aaaaabbbbb" * 13 + "c", "thethethethe" * 12,
]
CONTROL = ["\x00", "a\x00b", "\x01\x02\x03", "\x07\x08", "\x7f", "\x1b[31mred\x1b[0m", "\x80\x9f",
           "\x04x\x06y", "\U00040000x", "x\x13\x14"]


def random_texts(n, seed):
    rng = random.Random(seed)
    kinds = ["abcdefghijklmnopqrstuvwxyz", "THE QUICK", "0123456789", " ", "\n", "\t ", "'", "'sSdDtT",
             ".,;:!?()[]{}", "<|>_", "\u00e9\u00fc\u0301", "\u4f60\u597d\u4e16", "\u0661\u00b2",
             "\u00a0\u3000\u2028", "\U0001f600\U0001f44d\u200d", "\r\n", "\u0410\u0431\u0432", "=-+*/"]
    for _ in range(n):
        yield "".join("".join(rng.choice(kind) for _ in range(rng.randint(1, 5)))
                      for kind in rng.choices(kinds, k=rng.randint(1, 25)))


def all_texts():
    fixed = (ENGLISH + NUMBERS + SPACES + CODE + SCRIPTS + EMOJI + SPECIAL + LONG + CONTROL)
    return list(dict.fromkeys(fixed + list(random_texts(120, seed=7))))


def hex_of(text):
    return text.encode().hex() or "-"


def ids_of(ids):
    return " ".join(map(str, ids)) or "-"
