#!/usr/bin/env python3
"""Makes the tutorial's data from facts.tsv: demonstrations, rankings and prompts (JSON lines).

What a labeler who likes short, polite answers would have given: each demonstration answers politely
in a sentence or two; each ranking has four answers to one question, best to worst: short and polite,
short and plain, long, rude. Nothing is random: the same facts give the same bytes."""

import argparse
import json
from pathlib import Path

HERE = Path(__file__).resolve().parent

POLITE = ["Happy to help! {}", "Of course! {}", "Thank you for asking. {}", "Gladly! {}",
          "Certainly. {} I hope that helps!", "Good question, thank you! {}"]
LONG = ["That is a question many people have asked over the years, and there is a lot to say about "
        "it. {} There are of course many other things that one could add, and several points of "
        "view that one could take, but they would lead us rather far from where we started.",
        "Before I answer, let me explain a few things about the subject in general, because it is "
        "wide and has a long history. {} To understand this better, we would also have to look at "
        "its background, its details, and everything that is connected with it in some way.",
        "There are several aspects to consider here. First of all, it depends on how the question "
        "is meant. {} Secondly, there are exceptions to nearly everything, and thirdly the topic "
        "can be looked at from different sides, each of which deserves a chapter of its own."]
RUDE = ["Everybody knows that. {}", "Why do you even ask? {}", "What a silly question. {}",
        "Look it up yourself next time. {}"]


def chat(question):
    return [{"role": "user", "content": question}]


def demonstration(i, question, answer):
    polite = POLITE[i % len(POLITE)].format(answer)
    return {"messages": chat(question) + [{"role": "assistant", "content": polite}]}


def ranking(i, turn, question, answer):
    """The polite one is best; plain comes second; long and rude take turns, and sometimes tie."""
    outputs = {"polite": POLITE[(i + turn) % len(POLITE)], "plain": "{}",
               "long": LONG[(i + turn) % len(LONG)], "rude": RUDE[(i + 2 * turn) % len(RUDE)]}
    tail = ([["long"], ["rude"]], [["long", "rude"]], [["rude"], ["long"]])[(i + turn) % 3]
    return {"prompt": chat(question),
            "outputs": [{"id": name, "text": text.format(answer)} for name, text in outputs.items()],
            "groups": [["polite"], ["plain"]] + tail}


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", metavar="OUT_DIR", type=Path, help="made if it is missing")
    parser.add_argument("--small", action="store_true", help="a sixth of the facts")
    args = parser.parse_args()
    out = args.out
    out.mkdir(parents=True, exist_ok=True)
    facts = [line.split("\t") for line in (HERE / "facts.tsv").read_text().splitlines()]
    if args.small:
        facts = facts[::6]
    held_out = facts[::8]
    taught = [fact for fact in facts if fact not in held_out]
    write(out / "demonstrations.jsonl",
          [demonstration(i, *fact) for i, fact in enumerate(taught)])
    write(out / "rankings.jsonl",
          [ranking(i, turn, *fact) for turn in range(4) for i, fact in enumerate(taught)])
    write(out / "rankings_held_out.jsonl",
          [ranking(i, 0, *fact) for i, fact in enumerate(held_out)])
    write(out / "prompts.jsonl", [{"messages": chat(question)} for question, _ in taught])
    write(out / "prompts_held_out.jsonl", [{"messages": chat(question)} for question, _ in held_out])


if __name__ == "__main__":
    main()
