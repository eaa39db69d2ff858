"""Random batches for eng-gradients that hold what is hard: ties, masks, weights, clips on both sides,
texts of one token, prompts without a pair.

usage: batches.py MODEL_DIR LOSS OUT.json [SEED]"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

from reference_losses import LOSSES, Network, file_score

MAX_TOKENS, LONG = 48, 121  # all but one in a batch; that one


def rounded(values):
    return [float(f"{v:.5g}") for v in values]


class Maker:
    """Batches for one model; `settings` maps a loss to fields that its batches get besides."""

    def __init__(self, folder, seed, settings=None):
        self.folder = folder
        self.settings = settings or {}
        self.rng = np.random.default_rng(seed)
        config = json.loads((Path(folder) / "config.json").read_text())
        self.n_vocab = config["vocab_size"]
        self.width = config.get("hidden_size") or config["n_embd"]

    def tokens(self, n):
        return self.rng.integers(0, self.n_vocab, n).tolist()

    def normal(self, n, sd=1.0):
        return sd * self.rng.standard_normal(n)

    def text(self, n, masked):
        seq = {"tokens": self.tokens(n)}
        if masked:
            prompt = int(self.rng.integers(1, max(2, n)))
            seq["mask"] = [0] * prompt + [1] * (n - prompt)
            seq["weights"] = rounded(self.rng.uniform(0.2, 2, n))
        return seq

    def texts(self, masked):
        lengths = [1, 2, LONG, *self.rng.integers(3, MAX_TOKENS, 5).tolist()]
        return [self.text(n, masked and i % 2 == 0) for i, n in enumerate(lengths)]

    def score(self):
        if file_score(self.folder):
            return {}
        sd = 2 / np.sqrt(self.width)
        return {"score": {"weight": rounded(self.normal(self.width, sd)), "bias": 0.25}}

    def groups(self, k, ties):
        order = self.rng.permutation(k).tolist()
        levels = np.sort(self.rng.integers(0, max(2, k // 2), k)) if ties else np.arange(k)
        return [[o for o, level in zip(order, levels) if level == g] for g in np.unique(levels)]

    def response(self, is_long):
        n = LONG if is_long else int(self.rng.integers(4, MAX_TOKENS))
        start = int(self.rng.integers(1, n))
        seq = {"tokens": self.tokens(n), "response_start": start}
        if n - start > 2:
            seq["mask"] = (self.rng.random(n - start) < 0.8).astype(int).tolist()
            seq["mask"][0] = 1
        return seq, n - start

    # ---- one for each loss ----

    def lm(self):
        return {"sequences": self.texts(masked=True), **self.settings.get("lm", {})}

    def reward(self):
        prompts = []
        for k in range(2, 10):
            outputs = [self.tokens(int(n)) for n in self.rng.integers(1, 8, k)]
            prompts.append({"prompt": self.tokens(int(self.rng.integers(1, 7))),
                            "outputs": outputs, "groups": self.groups(k, ties=k % 2 == 1)})
        prompts.append({"prompt": self.tokens(LONG - 8),
                        "outputs": [self.tokens(8), self.tokens(4)], "groups": [[1], [0]]})
        prompts.append({"outputs": [self.tokens(3), self.tokens(2)], "groups": [[0, 1]]})
        return {"prompts": prompts, **self.score()}

    def value(self):
        batch = {"sequences": [], **self.score(), **self.settings.get("value", {})}
        network = Network(self.folder, torch.float64,
                          batch.get("score") or file_score(self.folder))
        for i in range(8):
            seq, n = self.response(i == 5)
            with torch.no_grad():
                now = network.scores(seq["tokens"])[seq["response_start"] - 1:-1].numpy()
            seq["old_values"] = rounded(now + self.normal(n, 0.2))
            seq["returns"] = rounded(now + self.normal(n, 0.5))
            batch["sequences"].append(seq)
        return batch

    def ppo(self):
        batch = {"sequences": [], **self.settings.get("ppo", {})}
        network = Network(self.folder, torch.float64)
        for i in range(8):
            seq, n = self.response(i == 5)
            with torch.no_grad():
                now = network.logprobs(seq["tokens"], batch.get("temperature", 1.0))
            now = now[seq["response_start"] - 1:].numpy()
            seq["old_logprobs"] = rounded(np.minimum(now + self.normal(n, 0.2), 0))
            seq["advantages"] = rounded(self.normal(n) + 0.3)
            seq["weights"] = rounded(self.rng.uniform(0.1, 2, n))
            batch["sequences"].append(seq)
        return batch

    def ppo_with_ptx(self):
        return {**self.ppo(), "ptx": self.ptx()}

    def ptx(self):
        return {"sequences": self.texts(masked=False), "coefficient": 27.8}


def write(path, batch):
    """A line for each sequence or prompt."""
    text = json.dumps(batch, separators=(",", ":")).replace('{"', '\n{"')
    Path(path).write_text(text.lstrip() + "\n")


def main():
    if len(sys.argv) not in (4, 5) or sys.argv[2] not in (*LOSSES, "ppo_with_ptx"):
        raise SystemExit(__doc__)
    folder, kind, path = sys.argv[1:4]
    seed = int(sys.argv[4]) if len(sys.argv) == 5 else 0
    write(path, getattr(Maker(folder, seed), kind)())


if __name__ == "__main__":
    main()
