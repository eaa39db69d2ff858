"""Writes golden files (the format is in README.md) and holds what every maker shares."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
MODELS = HERE / "models"


@dataclass
class Sequence:
    """One prompt: its ids, the log-prob of each id but the first, and the greedy continuation."""

    name: str
    ids: list
    text: bytes | None = None
    special: bool = False
    logprobs: list = field(default_factory=list)
    greedy: list = field(default_factory=list)  # (id, log-prob, gap to the second best)


def log_softmax(logits):
    """Rows of logits to log-probabilities in float64."""
    x = np.asarray(logits, dtype=np.float64)
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def best_two(row):
    """(id, log-prob, gap) of one row of log-probs; ties go to the lowest id."""
    best = int(np.argmax(row))
    rest = np.delete(row, best)
    return best, float(row[best]), float(row[best] - rest.max())


def fill(sequence, n_greedy, prefill, decode):
    """prefill(ids) -> logits [n, V]; decode(id) -> logits [V]. End tokens do not end the loop."""
    rows = log_softmax(prefill(sequence.ids))
    sequence.logprobs = [float(rows[i, t]) for i, t in enumerate(sequence.ids[1:])]
    row = rows[-1]
    for step in range(n_greedy):
        sequence.greedy.append(best_two(row))
        if step + 1 < n_greedy:
            row = log_softmax(decode(sequence.greedy[-1][0]))


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def write(path, peer, model, digest, serve, kv, tolerance, sequences, exact=None):
    """exact: the golden file (under tests/golden) of the same weights and sequences from a peer
    that does not round activations; it measures how much rounding moves this one."""
    lines = ["instructd-golden 1", f"peer {peer}", f"model {model}", f"sha256 {digest}",
             f"serve {serve}", f"kv {kv}", f"tolerance {tolerance}"]
    if exact:
        lines.append(f"exact {exact}")
    for s in sequences:
        lines.append(f"seq {s.name} {len(s.ids)} {len(s.greedy)}")
        if s.text is not None:
            lines.append(f"text {'special' if s.special else 'plain'} {s.text.hex()}")
        lines.append("ids " + " ".join(map(str, s.ids)))
        if s.logprobs:
            lines.append("logprobs " + " ".join(f"{x:.6f}" for x in s.logprobs))
        lines.append("greedy " + " ".join(f"{t} {lp:.6f} {gap:.6f}" for t, lp, gap in s.greedy))
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    print(f"{path.relative_to(HERE)}: {len(sequences)} sequences")


def prompts():
    with open(HERE / "prompts.jsonl", encoding="utf-8") as f:
        return [json.loads(line) for line in f]


TINY_TEXTS = [
    ("words", "The quick brown fox, it's 1234 times faster than\n\n  the lazy dog!", False),
    ("chat", "<|im_start|>user\nHello thére, 你好?<|im_end|>\n<|im_start|>assistant\n", True),
]


def tiny_sequences(n_vocab, tokenize, n_random):
    """Random ids of 40 tokens (the same for every model of a vocabulary), and two texts."""
    rng = np.random.default_rng(40)
    out = [Sequence(f"random-{i}", rng.integers(0, n_vocab, 40).tolist()) for i in range(n_random)]
    for name, text, special in TINY_TEXTS:
        raw = text.encode()
        out.append(Sequence(name, tokenize(raw, special), raw, special))
    return out
