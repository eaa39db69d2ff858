"""Small BPE vocabularies under each split rule, trained and run by the `tokenizers` package on a text
file of English:

    python3 make_tiny_bpe.py tinyshakespeare.txt

writes <rule>.vocab (a line "t <type> <text>" per token in id order, then "m <left> <right>" per
merge) and <rule>.tsv (hex of the text, bytes in each piece, its ids with special tokens as text, ids with them
parsed). Rows agree with llama.cpp's on the same vocabularies.
llama-bpe's vocabulary holds two tokens that no merges make: only whole pieces become them.
"""
import pathlib
import sys

import tokenizers
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from texts import all_texts, hex_of, ids_of

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
         r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN = LLAMA.replace("{1,3}", "")
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|im_end|>\n"]
EXTRA = "Mine \u4f60\u597d 12 345 don't \U0001f600 caf\u00e9 == -- \n\n\t "


def split_by(rule):
    if rule == "gpt-2":
        return [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    if rule == "smollm":
        return [pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    pattern = LLAMA if rule == "llama-bpe" else QWEN
    return [pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]


def with_parts(rule, model):
    tok = Tokenizer(model)
    tok.pre_tokenizer = pre_tokenizers.Sequence(split_by(rule))
    tok.decoder = decoders.ByteLevel()
    return tok


def build(rule, corpus):
    import json
    trained = with_parts(rule, models.BPE())
    trained.train_from_iterator(
        [corpus[i:i + 4000] for i in range(0, len(corpus), 4000)] + [EXTRA] * 50,
        trainers.BpeTrainer(vocab_size=1000, show_progress=False,
                            initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    data = json.loads(trained.to_str())["model"]
    vocab, merges = data["vocab"], [tuple(m) for m in data["merges"]]
    whole_first = rule == "llama-bpe"
    if whole_first:
        for word in ("\u0120antidisestablishmentarianism", "thethethethe"):
            vocab[word] = len(vocab)
    tok = with_parts(rule, models.BPE(vocab=vocab, merges=merges, ignore_merges=whole_first))
    return tok, vocab, merges


def pieces(tok, text):
    """Bytes in each piece: the byte-level alphabet has one character per byte."""
    return [len(piece) for piece, _ in tok.pre_tokenizer.pre_tokenize_str(text)]


def write(rule, corpus, folder):
    plain, vocab, merges = build(rule, corpus)
    parsed, _, _ = build(rule, corpus)
    parsed.add_special_tokens(SPECIALS)
    lines = [f"t 1 {text}" for text, _ in sorted(vocab.items(), key=lambda item: item[1])]
    lines += [f"t 3 {text}".replace("\n", "\\n") for text in SPECIALS]
    lines += [f"m {a} {b}" for a, b in merges]
    (folder / f"{rule}.vocab").write_text("\n".join(lines) + "\n")
    rows = ["\t".join([hex_of(t), ids_of(pieces(plain, t)), ids_of(plain.encode(t).ids),
                       ids_of(parsed.encode(t).ids)]) for t in all_texts()]
    (folder / f"{rule}.tsv").write_text("\n".join(rows) + "\n")
    print(f"{rule}: {len(vocab)} tokens, {len(merges)} merges, {len(rows)} texts,"
          f" tokenizers {tokenizers.__version__}")


def main(path):
    corpus = pathlib.Path(path).read_text()[:300000]
    for rule in ("gpt-2", "smollm", "llama-bpe", "qwen2"):
        write(rule, corpus, pathlib.Path(__file__).parent)


main(sys.argv[1])
