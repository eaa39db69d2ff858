"""Makes transformers/*.golden: float32 PyTorch on the tiny Hugging Face directories, on the tiny
GGUF files with their weights dequantised, and likewise on the default model.

usage: make_transformers.py MODEL.gguf"""

import json
import os
import re
import sys

import gguf
import numpy as np
import torch
import transformers
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, Qwen2Config

from golden_file import HERE, MODELS, Sequence, fill, prompts, sha256, tiny_sequences, write
from reference_gpt2 import Gpt2

N_GREEDY = 16
PROMPT_STRIDE = 4  # every fourth prompt for the default model
TOLERANCE = 0.001
PEER = f"transformers {transformers.__version__} torch {torch.__version__.split('+')[0]} f32 eager"


# ---- models -------------------------------------------------------------------------------------

def from_directory(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32,
                                                attn_implementation="eager").eval()


def from_tensors(config, tensors):
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32,
                                             attn_implementation="eager")
    state = {k: torch.from_numpy(np.array(v, dtype=np.float32)) for k, v in tensors.items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or set(missing) - {"lm_head.weight"}:
        raise SystemExit(f"tensors do not fit: missing {missing}, unexpected {unexpected}")
    model.tie_weights()
    return model.eval()


LLAMA_NAMES = {"attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj",
               "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
               "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm",
               "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
               "token_embd": "model.embed_tokens", "output_norm": "model.norm",
               "output": "lm_head"}
GPT2_NAMES = {"attn_norm": "ln_1", "attn_qkv": "attn.c_attn", "attn_output": "attn.c_proj",
              "ffn_norm": "ln_2", "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj",
              "token_embd": "transformer.wte", "position_embd": "transformer.wpe",
              "output_norm": "transformer.ln_f"}
CONV1D = ("attn_qkv.weight", "attn_output.weight", "ffn_up.weight", "ffn_down.weight")


def hf_name(arch, name):
    stem, kind = name.rsplit(".", 1)
    names = GPT2_NAMES if arch == "gpt2" else LLAMA_NAMES
    block = re.match(r"blk\.(\d+)\.(.+)", stem)
    if not block:
        return f"{names[stem]}.{kind}"
    prefix = "transformer.h" if arch == "gpt2" else "model.layers"
    return f"{prefix}.{block[1]}.{names[block[2]]}.{kind}"


def to_halves(x, heads):
    """RoPE's adjacent pairs to half-split rows: row a*d/2+i of a head = row 2i+a."""
    rows = x.reshape(heads, x.shape[0] // heads // 2, 2, *x.shape[1:])
    return rows.swapaxes(1, 2).reshape(x.shape)


def from_gguf(path):
    reader = gguf.GGUFReader(path)
    arch = reader.fields["general.architecture"].contents()

    def key(name, default=None):
        field = reader.fields.get(f"{arch}.{name}")
        return field.contents() if field else default

    heads = key("attention.head_count")
    kv_heads = key("attention.head_count_kv", heads)
    tensors = {}
    for t in reader.tensors:
        x = gguf.dequantize(t.data, t.tensor_type).astype(np.float32)
        x = x.reshape(tuple(reversed([int(n) for n in t.shape])))
        if arch == "llama" and ".attn_q." in t.name:
            x = to_halves(x, heads)
        elif arch == "llama" and ".attn_k." in t.name:
            x = to_halves(x, kv_heads)
        elif arch == "gpt2" and t.name.endswith(CONV1D):
            x = x.T
        tensors[hf_name(arch, t.name)] = x
    if arch == "gpt2":
        n_vocab = tensors["transformer.wte.weight"].shape[0]
        config = GPT2Config(vocab_size=n_vocab, n_positions=key("context_length"),
                            n_embd=key("embedding_length"), n_layer=key("block_count"),
                            n_head=heads, n_inner=key("feed_forward_length"),
                            layer_norm_epsilon=key("attention.layer_norm_epsilon"),
                            activation_function="gelu_new", bos_token_id=1, eos_token_id=2)
        return from_tensors(config, tensors)
    base = key("rope.freq_base", 10000.0)
    config = {"llama": LlamaConfig, "qwen2": Qwen2Config}[arch](
        vocab_size=tensors["model.embed_tokens.weight"].shape[0],
        hidden_size=key("embedding_length"), intermediate_size=key("feed_forward_length"),
        num_hidden_layers=key("block_count"), num_attention_heads=heads,
        num_key_value_heads=kv_heads, max_position_embeddings=key("context_length"),
        rms_norm_eps=key("attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": base},
        tie_word_embeddings="lm_head.weight" not in tensors)
    assert config.rope_parameters["rope_theta"] == base
    return from_tensors(config, tensors)


# ---- answers ------------------------------------------------------------------------------------

def answer(model, sequence, n_greedy):
    cache = None

    def run(ids):
        nonlocal cache
        with torch.no_grad():
            out = model(torch.tensor([ids]), past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        return out.logits[0].numpy()

    fill(sequence, n_greedy, run, lambda token: run([token])[-1])


def answer_reference(model, sequence, n_greedy):
    ids = list(sequence.ids)

    def decode(token):
        ids.append(token)
        return model.logits(ids)[-1]

    fill(sequence, n_greedy, model.logits, decode)


def tokenizer_of(folder):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def tokenize(text, special):
        tokenizer.encode_special_tokens = not special
        return tokenizer.encode(text.decode(), add_special_tokens=False).ids

    return tokenize


def directory_sequences(folder):
    n_vocab = json.loads((folder / "config.json").read_text())["vocab_size"]
    return tiny_sequences(n_vocab, tokenizer_of(folder), 4)


def directory_golden(folder):
    model = from_directory(folder)
    sequences = directory_sequences(folder)
    for s in sequences:
        answer(model, s, N_GREEDY)
    write(HERE / "transformers" / f"{folder.name}.golden", PEER, f"models/{folder.name}",
          sha256(folder / "model.safetensors"), "f32", "f32", TOLERANCE, sequences)


def load_reference(folder):
    cfg = json.loads((folder / "config.json").read_text())
    tensors = load_file(folder / "model.safetensors")
    return Gpt2(cfg, {k.removeprefix("transformer."): v for k, v in tensors.items()})


def banded_golden(plain, banded):
    """The numpy reference, proven equal to transformers on the plain model first."""
    ids = directory_sequences(plain)[0].ids
    with torch.no_grad():
        want = from_directory(plain)(torch.tensor([ids])).logits[0].numpy()
    worst = np.abs(load_reference(plain).logits(ids) - want).max()
    if worst > 1e-4:
        raise SystemExit(f"reference_gpt2 differs from transformers by {worst}")
    model = load_reference(banded)
    sequences = directory_sequences(banded)
    for s in sequences:
        answer_reference(model, s, N_GREEDY)
    write(HERE / "transformers" / f"{banded.name}.golden",
          f"reference_gpt2.py numpy {np.__version__} f64", f"models/{banded.name}",
          sha256(banded / "model.safetensors"), "f32", "f32", TOLERANCE, sequences)


def gguf_golden(path):
    model = from_gguf(path)
    folder = MODELS / path.stem.rsplit("-", 1)[0]  # the directory with the same tokenizer
    sequences = tiny_sequences(model.config.vocab_size, tokenizer_of(folder), 3)
    for s in sequences:
        answer(model, s, N_GREEDY)
    write(HERE / "transformers" / f"{path.stem}.golden", PEER + " dequantised",
          f"models/{path.name}", sha256(path), "f32", "f32", TOLERANCE, sequences)


def default_golden(path):
    """Prompt ids come from llama_cpp/default.golden: this golden is about weights, not text."""
    ids = {}
    for line in (HERE / "llama_cpp" / "default.golden").read_text().splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "seq":
            name = rest.split()[0]
        elif kind == "ids":
            ids[name] = [int(t) for t in rest.split()]
    model = from_gguf(path)
    sequences = [Sequence(p["name"], ids[p["name"]]) for p in prompts()[::PROMPT_STRIDE]]
    for s in sequences:
        answer(model, s, N_GREEDY)
    write(HERE / "transformers" / "default.golden", PEER + " dequantised", "default",
          sha256(path), "f32", "f32", TOLERANCE, sequences)


def main():
    if len(sys.argv) != 2 or not os.path.exists(sys.argv[1]):
        raise SystemExit(__doc__)
    torch.set_num_threads(2)
    for name in ("tiny-llama", "tiny-gpt2", "tiny-qwen2"):
        directory_golden(MODELS / name)
    banded_golden(MODELS / "tiny-gpt2", MODELS / "tiny-gpt2-banded")
    for path in sorted(MODELS.glob("*.gguf")):
        gguf_golden(path)
    default_golden(sys.argv[1])


if __name__ == "__main__":
    main()
