"""Makes sft_curve.json, the loss of each of 200 SFT steps of a 1M-parameter llama in PyTorch, and
sft_default.json, 10 steps of the default model's weights, dequantised.

usage: make_sft_curve.py [MODEL.gguf]      (without: sft_curve.json alone)

The small model's initial weights are not stored: both sides draw them from the same counter
(initial_weights). Its data are bytes of ../prompts.jsonl, the first third of each text a prompt that the
loss skips; the default model's are the ids of ../llama_cpp/default.golden. AdamW (0.9, 0.95), gradient
norm clipped to 1, cosine to 10%, no dropout."""

import itertools
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

HERE = Path(__file__).resolve().parent
MODEL = {"n_layer": 5, "n_embd": 128, "n_head": 4, "n_kv_head": 2, "n_ff": 384, "n_ctx": 64}
N_VOCAB, END = 259, 256  # bytes, <|endoftext|> and two more
BATCH, LONGEST, WEIGHT_SD = 8, 64, 0.02
PEER = f"transformers {transformers.__version__} torch {torch.__version__.split('+')[0]} eager"


@dataclass
class Run:
    file: str
    about: dict  # what the golden file says of the model
    make_model: Callable  # of a dtype
    sequences: Callable  # of a generator: lists of token ids, at most LONGEST long
    steps: int
    n_examples: int
    learning_rate: float


# ---- the small model ----------------------------------------------------------------------------

def initial_weights(name, shape):
    """1 for norms; else uniform of deviation WEIGHT_SD: the top 24 bits of splitmix64's output i, whose
    state starts at FNV-1a of the name."""
    if len(shape) == 1:
        return np.ones(shape, dtype=np.float32)
    stream = 0xcbf29ce484222325
    for byte in name.encode():
        stream = (stream ^ byte) * 0x100000001b3 % 2**64
    z = np.arange(1, np.prod(shape) + 1, dtype=np.uint64) * np.uint64(0x9e3779b97f4a7c15)
    z += np.uint64(stream)
    z = (z ^ z >> np.uint64(30)) * np.uint64(0xbf58476d1ce4e5b9)
    z = (z ^ z >> np.uint64(27)) * np.uint64(0x94d049bb133111eb)
    z ^= z >> np.uint64(31)
    uniform = (z >> np.uint64(40)).astype(np.float64) * 2.0**-24
    return ((uniform - 0.5) * (WEIGHT_SD * math.sqrt(12))).astype(np.float32).reshape(shape)


def make_small_model(dtype):
    config = LlamaConfig(
        hidden_size=MODEL["n_embd"], intermediate_size=MODEL["n_ff"],
        num_hidden_layers=MODEL["n_layer"], num_attention_heads=MODEL["n_head"],
        num_key_value_heads=MODEL["n_kv_head"], max_position_embeddings=MODEL["n_ctx"],
        vocab_size=N_VOCAB, rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=True)
    model = LlamaForCausalLM._from_config(config, attn_implementation="eager").to(dtype)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.from_numpy(initial_weights(name, tuple(p.shape))))
    return model


def byte_sequences(rng):
    lines = (HERE.parent / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"].encode() for line in lines]
    for text in [t for t in texts if len(t) >= 24]:
        yield [*text[:int(rng.integers(20, LONGEST))], END]


def small_run():
    return Run("sft_curve.json", {"model": MODEL, "weight_sd": WEIGHT_SD}, make_small_model,
               byte_sequences, steps=200, n_examples=64, learning_rate=5e-4)


# ---- the default model --------------------------------------------------------------------------

def golden_sequences(rng):
    lines = (HERE.parent / "llama_cpp/default.golden").read_text().splitlines()
    ids = [[int(i) for i in line.split()[1:]] for line in lines if line.startswith("ids ")]
    for sequence in [s for s in ids if len(s) >= 24]:
        yield sequence[:int(rng.integers(20, LONGEST + 1))]


def default_run(path):
    sys.path.insert(0, str(HERE.parent))
    from golden_file import sha256
    from make_transformers import from_gguf
    return Run("sft_default.json", {"sha256": sha256(path)}, lambda dtype: from_gguf(path).to(dtype),
               golden_sequences, steps=10, n_examples=40, learning_rate=2e-5)


# ---- training -----------------------------------------------------------------------------------

def make_examples(run, rng):
    """Tokens and where the response starts; the small model's end token belongs to the response."""
    sequences = list(itertools.islice(run.sequences(rng), run.n_examples))
    assert len(sequences) == run.n_examples
    return [{"tokens": s, "response_start": len(s) // 3} for s in sequences]


def make_order(run, rng):
    """The examples of each step: one permutation an epoch."""
    epochs = math.ceil(run.steps * BATCH / run.n_examples)
    flat = np.concatenate([rng.permutation(run.n_examples) for _ in range(epochs)])
    return flat[:run.steps * BATCH].reshape(run.steps, BATCH).tolist()


def batch_loss(model, examples):
    longest = max(len(e["tokens"]) for e in examples)
    ids = torch.zeros(len(examples), longest, dtype=torch.long)
    labels = torch.full_like(ids, -100)
    for row, e in enumerate(examples):
        tokens, start = torch.tensor(e["tokens"]), e["response_start"]
        ids[row, :len(tokens)] = tokens
        labels[row, start:len(tokens)] = tokens[start:]
    logits = model(ids, use_cache=False).logits[:, :-1]
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten())


def train(run, examples, order, dtype):
    model = run.make_model(dtype).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=run.learning_rate, betas=(0.9, 0.95),
                                  eps=1e-8, weight_decay=0.0)
    losses, norms = [], []
    for step, batch in enumerate(order):
        rate = run.learning_rate * (0.1 + 0.45 * (1 + math.cos(math.pi * step / run.steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        loss = batch_loss(model, [examples[i] for i in batch])
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item())
        optimizer.step()
        losses.append(loss.item())
    return losses, norms, sum(p.numel() for p in model.parameters())


def make(run):
    rng = np.random.default_rng(31)
    examples = make_examples(run, rng)
    order = make_order(run, rng)
    losses, norms, n = train(run, examples, order, torch.float32)
    exact = train(run, examples, order, torch.float64)[0]
    drift = max(abs(a - b) for a, b in zip(losses, exact))
    golden = {"peer": PEER + " f32", "f64_drift": float(f"{drift:.2g}"), "parameters": n, **run.about,
              "learning_rate": run.learning_rate, "order": order,
              "loss": [float(f"{v:.8g}") for v in losses],
              "grad_norm": [float(f"{v:.6g}") for v in norms], "examples": examples}
    text = json.dumps(golden, separators=(",", ":"))
    for key in ('"model":', '"order":', '"loss":', '"grad_norm":', '"examples":', '{"tokens":'):
        text = text.replace(key, "\n" + key)
    (HERE / run.file).write_text(text + "\n")
    print(f"{run.file}: {n} parameters: loss {losses[0]:.4f} to {losses[-1]:.4f}, f64 within "
          f"{drift:.1e}; gradient norms {min(norms):.2f} to {max(norms):.2f}")


def main():
    torch.set_num_threads(1)
    make(small_run())
    if len(sys.argv) > 1:
        make(default_run(sys.argv[1]))


if __name__ == "__main__":
    main()
