"""GPT-2's forward pass in numpy, with GPT-3's banded layers, which transformers' GPT-2 lacks.

config.json may carry `window_size` and `attention_layers` (["global", "local", ...]): in a local
layer position i attends to positions i-window+1..i. Without them it equals transformers' GPT-2,
which make_transformers.py checks before using it. Everything in float64; no KV cache, so a decode
recomputes the whole sequence. Conv1D weights are [in, out]."""

import numpy as np


def layer_norm(x, weight, bias, eps):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps) * weight + bias


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def visible(n, window):
    """[n, n] bool: may position i (row) see position j (column)?"""
    i, j = np.arange(n)[:, None], np.arange(n)[None, :]
    return (j <= i) & ((j > i - window) if window else True)


class Gpt2:
    def __init__(self, cfg, tensors):
        """tensors: name -> array, names without the leading `transformer.`."""
        self.cfg = cfg
        self.w = {k: np.asarray(v, dtype=np.float64) for k, v in tensors.items()}
        kinds = cfg.get("attention_layers", ["global"] * cfg["n_layer"])
        self.windows = [cfg["window_size"] if kind == "local" else 0 for kind in kinds]

    def linear(self, x, name):
        return x @ self.w[name + ".weight"] + self.w[name + ".bias"]

    def norm(self, x, name):
        eps = self.cfg["layer_norm_epsilon"]
        return layer_norm(x, self.w[name + ".weight"], self.w[name + ".bias"], eps)

    def attention(self, x, name, window):
        n, d = x.shape
        heads = self.cfg["n_head"]
        q, k, v = (part.reshape(n, heads, d // heads).swapaxes(0, 1)
                   for part in np.split(self.linear(x, name + ".c_attn"), 3, axis=-1))
        scores = q @ k.swapaxes(1, 2) / np.sqrt(d // heads)
        scores = np.where(visible(n, window), scores, -np.inf)
        p = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (p / p.sum(-1, keepdims=True)) @ v
        return self.linear(mixed.swapaxes(0, 1).reshape(n, d), name + ".c_proj")

    def logits(self, ids):
        """[n, V] for the whole sequence."""
        x = self.w["wte.weight"][ids] + self.w["wpe.weight"][:len(ids)]
        for i, window in enumerate(self.windows):
            h = f"h.{i}"
            x = x + self.attention(self.norm(x, h + ".ln_1"), h + ".attn", window)
            inner = gelu_tanh(self.linear(self.norm(x, h + ".ln_2"), h + ".mlp.c_fc"))
            x = x + self.linear(inner, h + ".mlp.c_proj")
        return self.norm(x, "ln_f") @ self.w["wte.weight"].T
