#!/usr/bin/env python3
"""Lets a running instructd write text by itself: {"text": "…"} a line, on stdout.

    make_text.py > teach-data/text.jsonl

It stands for the model's pretraining text, which nobody has here: PPO-ptx mixes it in, so that the
model does not forget how to write. The same model gives the same texts."""

import argparse
import json

from client import Server, add_options, find_key

TOGETHER = 16  # texts of one request


def own_texts(server, n, tokens):
    texts = []
    while len(texts) < n:
        reply = server.call("POST", "/v1/completions",
                            {"n": min(TOGETHER, n - len(texts)), "max_tokens": tokens,
                             "temperature": 1, "seed": len(texts), "ignore_eos": True})
        # a model may write U+0000, which a file of the server's must not hold
        texts += [choice["text"].replace("\0", "\ufffd") for choice in reply["choices"]]
    return texts


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--texts", type=int, default=192, metavar="N", help="%(default)s")
    parser.add_argument("--tokens", type=int, default=48, metavar="N", help="of each, %(default)s")
    args = parser.parse_args()
    server = Server(args.url, find_key(args.url, args.data_dir)[0])
    for text in own_texts(server, args.texts, args.tokens):
        print(json.dumps({"text": text}))


if __name__ == "__main__":
    main()
