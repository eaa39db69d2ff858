"""Golden ids of SmolLM2's tokenizer, by llama-cpp-python, to smollm2.tsv:

    python3 make_smollm2.py SmolLM2-135M-Instruct.Q4_1.gguf

Lines are hex of the text, ids with special tokens taken as text, ids with them parsed ("-" = none).
"""
import pathlib
import sys

import llama_cpp

from texts import all_texts, hex_of, ids_of


def main(model):
    llama = llama_cpp.Llama(model, vocab_only=True, verbose=False)
    lines = []
    for text in all_texts():
        plain, parsed = (llama.tokenize(text.encode(), add_bos=False, special=special)
                         for special in (False, True))
        lines.append("\t".join([hex_of(text), ids_of(plain), ids_of(parsed)]))
    out = pathlib.Path(__file__).parent / "smollm2.tsv"
    out.write_text("\n".join(lines) + "\n")
    print(f"{out.name}: {len(lines)} texts, llama-cpp-python {llama_cpp.__version__}")


main(sys.argv[1])
