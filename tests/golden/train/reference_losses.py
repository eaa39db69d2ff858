"""The losses of eng-gradients in PyTorch: one sequence at a time, no packing, no padding, autograd.

Reads the same batch files (tests/tools/README.md) and any Hugging Face directory that transformers
loads. Nothing here is shared with the C code, so that agreement means something."""

import json
import math
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

LOSSES = ("lm", "reward", "value", "ppo", "ptx")


# ---- models -------------------------------------------------------------------------------------

def band_mask(n, window, dtype):
    """[1, 1, n, n]: position i sees i-window+1..i."""
    i, j = torch.arange(n)[:, None], torch.arange(n)[None, :]
    hidden = (j > i) | (j <= i - window)
    return torch.zeros(n, n, dtype=dtype).masked_fill(hidden, -math.inf)[None, None]


def add_bands(model, folder):
    """GPT-3's locally banded layers, which transformers' GPT-2 lacks: config.json names them."""
    config = json.loads((Path(folder) / "config.json").read_text())

    def narrow(attention, args, kwargs):
        n, dtype = args[0].shape[1], args[0].dtype
        kwargs["attention_mask"] = band_mask(n, config["window_size"], dtype)
        return args, kwargs

    for kind, block in zip(config.get("attention_layers", []), model.transformer.h
                           if "attention_layers" in config else []):
        if kind == "local":
            block.attn.register_forward_pre_hook(narrow, with_kwargs=True)


class ExactNorm(torch.nn.Module):
    """RMSNorm without transformers' way through float32."""

    def __init__(self, norm):
        super().__init__()
        self.weight, self.eps = norm.weight, norm.variance_epsilon

    def forward(self, x):
        return self.weight * x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)


class ExactRotary(torch.nn.Module):
    """Cosines and sines of half-split pairs, likewise."""

    def __init__(self, config):
        super().__init__()
        head_dim = getattr(config, "head_dim", None) or (config.hidden_size
                                                         // config.num_attention_heads)
        base = config.rope_parameters["rope_theta"]
        self.inverse = base ** -(torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)

    def forward(self, x, position_ids):
        angles = position_ids[:, :, None].double() * self.inverse
        angles = torch.cat([angles, angles], dim=-1)
        return angles.cos(), angles.sin()


def make_exact(model):
    """Everything in float64: what transformers keeps in float32 is replaced."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child).__name__.endswith("RMSNorm"):
                setattr(parent, name, ExactNorm(child))
            elif type(child).__name__.endswith("RotaryEmbedding"):
                setattr(parent, name, ExactRotary(model.config))


class Network(torch.nn.Module):
    """A language model, or its body with a score head where the batch or the file has one."""

    def __init__(self, folder, dtype, score=None):
        super().__init__()
        exact = dtype == torch.float64
        attention = "sdpa" if exact else "eager"  # "eager" takes its softmax in float32
        self.lm = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype,
                                                       attn_implementation=attention).eval()
        if exact:
            make_exact(self.lm)
        add_bands(self.lm, folder)
        if score is not None:
            weight = torch.tensor(score["weight"], dtype=dtype)
            self.score = torch.nn.Linear(weight.numel(), 1).to(dtype)
            self.score.weight.data[0] = weight
            self.score.bias.data[0] = score.get("bias", 0.0)

    def hidden(self, tokens):
        return self.lm.base_model(torch.tensor([tokens]), use_cache=False).last_hidden_state[0]

    def scores(self, tokens):
        """[n]: one at each position."""
        return self.score(self.hidden(tokens))[:, 0]

    def logprobs(self, tokens, temperature=1.0):
        """[n - 1]: of tokens[i + 1] at position i."""
        logits = self.lm(torch.tensor([tokens]), use_cache=False).logits[0, :-1]
        logprobs = torch.log_softmax(logits / temperature, dim=-1)
        return logprobs.gather(1, torch.tensor(tokens[1:])[:, None])[:, 0]

    def gradients(self):
        """By the names of a Hugging Face directory; those of an unused head are left out."""
        out = {}
        for name, p in self.named_parameters():
            if hasattr(self, "score") and name == "lm.lm_head.weight":
                continue
            grad = torch.zeros_like(p) if p.grad is None else p.grad
            out[name.removeprefix("lm.")] = grad.detach()
        return out


def file_score(folder):
    """The score head in the directory's own weights, or None."""
    tensors = load_file(Path(folder) / "model.safetensors")
    if "score.weight" not in tensors:
        return None
    bias = tensors.get("score.bias", torch.zeros(1))
    return {"weight": tensors["score.weight"][0].tolist(), "bias": bias[0].item()}


def open_network(folder, loss, batch, dtype):
    if loss not in ("reward", "value"):
        return Network(folder, dtype)
    score = batch.get("score") or file_score(folder)
    if score is None:
        raise SystemExit(f"{folder} has no score head: give one as \"score\" in the batch")
    return Network(folder, dtype, score)


# ---- losses -------------------------------------------------------------------------------------

def mask_and_weights(seq, n, dtype):
    mask = torch.tensor(seq.get("mask", [1] * n)).to(dtype)
    return mask, torch.tensor(seq.get("weights", [1.0] * n), dtype=dtype)


def text_loss(network, sequences, temperature, dtype):
    total, count = 0.0, 0.0
    for seq in sequences:
        mask, weights = mask_and_weights(seq, len(seq["tokens"]), dtype)
        count = count + mask[1:].sum()
        if len(seq["tokens"]) > 1:
            logprobs = network.logprobs(seq["tokens"], temperature)
            total = total - (mask[1:] * weights[1:] * logprobs).sum()
    return total / count


def reward_loss(network, batch):
    losses = []
    for prompt in batch["prompts"]:
        scores = [network.scores(prompt.get("prompt", []) + output)[-1]
                  for output in prompt["outputs"]]
        groups = prompt["groups"]
        pairs = [scores[i] - scores[j] for g, group in enumerate(groups) for i in group
                 for worse in groups[g + 1:] for j in worse]
        if pairs:
            losses.append(-torch.nn.functional.logsigmoid(torch.stack(pairs)).mean())
    return torch.stack(losses).mean()


def value_loss(network, batch, dtype):
    total, count, clip = 0.0, 0.0, batch.get("value_clip_range", 0.2)
    for seq in batch["sequences"]:
        start, n = seq["response_start"], len(seq["tokens"])
        mask, weights = mask_and_weights(seq, n - start, dtype)
        old = torch.tensor(seq["old_values"], dtype=dtype)
        returns = torch.tensor(seq["returns"], dtype=dtype)
        values = network.scores(seq["tokens"])[start - 1:n - 1]
        clipped = old + torch.clamp(values - old, -clip, clip)
        worst = torch.maximum((values - returns) ** 2, (clipped - returns) ** 2)
        total = total + (mask * weights * 0.5 * worst).sum()
        count = count + mask.sum()
    return total / count


def whitened(batch, dtype):
    """Each sequence's advantages, whitened over all response tokens that count."""
    advantages = [torch.tensor(s["advantages"], dtype=dtype) for s in batch["sequences"]]
    if not batch.get("whiten_advantages", False):
        return advantages
    masks = [torch.tensor(s.get("mask", [1] * len(a))).bool()
             for s, a in zip(batch["sequences"], advantages)]
    flat = torch.cat([a[m] for a, m in zip(advantages, masks)])
    scale = torch.sqrt(flat.var(unbiased=False) + 1e-8)
    return [(a - flat.mean()) / scale for a in advantages]


def policy_loss(network, batch, dtype):
    total, count, clip = 0.0, 0.0, batch.get("clip_range", 0.2)
    for seq, advantages in zip(batch["sequences"], whitened(batch, dtype)):
        start = seq["response_start"]
        mask, weights = mask_and_weights(seq, len(advantages), dtype)
        logprobs = network.logprobs(seq["tokens"], batch.get("temperature", 1.0))[start - 1:]
        ratio = torch.exp(logprobs - torch.tensor(seq["old_logprobs"], dtype=dtype))
        clipped = torch.clamp(ratio, 1 - clip, 1 + clip)
        gain = torch.minimum(ratio * advantages, clipped * advantages)
        total = total - (mask * weights * gain).sum()
        count = count + mask.sum()
    return total / count


def ptx_loss(network, part, dtype):
    return part["coefficient"] * text_loss(network, part["sequences"], 1.0, dtype)


def loss_of(network, loss, batch, dtype):
    if loss == "lm":
        return text_loss(network, batch["sequences"], batch.get("temperature", 1.0), dtype)
    if loss == "reward":
        return reward_loss(network, batch)
    if loss == "value":
        return value_loss(network, batch, dtype)
    if loss == "ptx":
        return ptx_loss(network, batch, dtype)
    total = policy_loss(network, batch, dtype)
    if "ptx" in batch:
        total = total + ptx_loss(network, batch["ptx"], dtype)
    return total


def loss_and_gradients(folder, loss, batch, dtype=torch.float64):
    network = open_network(folder, loss, batch, dtype)
    value = loss_of(network, loss, batch, dtype)
    value.backward()
    return value.item(), network.gradients()
