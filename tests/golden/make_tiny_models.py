"""Makes models/: random models of every shape and weight type the engine reads, a few 100 KB each.

Hugging Face directories are written directly; F32 GGUF files with the `gguf` package; the other
types by llama.cpp's own quantizer, so that its block layouts are the ones tested. Seeded: a second
run writes the same bytes."""

import ctypes
import json
import re
import tempfile
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
from safetensors.numpy import save_file

from golden_file import MODELS, prompts

N_VOCAB = 320
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHATML = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + "
          "message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
QWEN2_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+"
               r"[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


# ---- tokenizer: byte-level BPE, three special tokens first, like SmolLM2's ----------------------

def byte_characters():
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    other = [b for b in range(256) if b not in kept]
    return {**{b: chr(b) for b in kept}, **{b: chr(256 + i) for i, b in enumerate(other)}}


def train_bpe(text, n_merges):
    """The most frequent adjacent pair first; ties go to the pair that sorts first."""
    chars = byte_characters()
    counts = {}
    for word in re.findall(r" ?[A-Za-z]+", text):
        key = tuple(chars[b] for b in word.encode())
        counts[key] = counts.get(key, 0) + 1
    merges = []
    while len(merges) < n_merges:
        pairs = {}
        for word, n in counts.items():
            for pair in zip(word, word[1:]):
                pairs[pair] = pairs.get(pair, 0) + n
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        merged = {}
        for word, n in counts.items():
            out, i = [], 0
            while i < len(word):
                both = word[i:i + 2] == best
                out.append(word[i] + word[i + 1] if both else word[i])
                i += 2 if both else 1
            merged[tuple(out)] = merged.get(tuple(out), 0) + n
        counts = merged
    return merges


def make_vocabulary():
    chars = byte_characters()
    merges = train_bpe("\n".join(p["text"] for p in prompts()), N_VOCAB - 256 - len(SPECIAL))
    tokens = SPECIAL + [chars[b] for b in sorted(chars, key=lambda b: ord(chars[b]))]
    tokens += [a + b for a, b in merges]
    assert len(tokens) == N_VOCAB == len(set(tokens))
    return tokens, merges


TOKENS, MERGES = make_vocabulary()


def pre_tokenizer(pre):
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
             "use_regex": True}
    if pre == "gpt-2":
        return level
    if pre == "smollm":
        return {"type": "Sequence",
                "pretokenizers": [{"type": "Digits", "individual_digits": True}, level]}
    split = {"type": "Split", "pattern": {"Regex": QWEN2_SPLIT}, "behavior": "Isolated",
             "invert": False}
    return {"type": "Sequence", "pretokenizers": [
        split, {**level, "trim_offsets": False, "use_regex": False}]}


def write_tokenizer(folder, pre):
    added = [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for i, t in enumerate(SPECIAL)]
    merges = [f"{a} {b}" for a, b in MERGES] if pre == "gpt-2" else [list(m) for m in MERGES]
    level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True,
             "use_regex": True}
    tokenizer = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
                 "normalizer": None, "pre_tokenizer": pre_tokenizer(pre), "post_processor": None,
                 "decoder": level,
                 "model": {"type": "BPE", "dropout": None, "unk_token": None,
                           "continuing_subword_prefix": None, "end_of_word_suffix": None,
                           "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                           "vocab": {t: i for i, t in enumerate(TOKENS)}, "merges": merges}}
    settings = {"add_prefix_space": False, "bos_token": SPECIAL[1], "eos_token": SPECIAL[2],
                "pad_token": SPECIAL[2], "unk_token": SPECIAL[0], "chat_template": CHATML,
                "clean_up_tokenization_spaces": False, "tokenizer_class": "PreTrainedTokenizerFast"}
    write_json(folder / "tokenizer.json", tokenizer)
    write_json(folder / "tokenizer_config.json", settings)
    write_json(folder / "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2})


# ---- weights: unit-scale activations, logits of about one nat's spread --------------------------

class Weights:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.tensors = {}

    def normal(self, name, shape, std, mean=0.0):
        x = mean + std * self.rng.standard_normal(shape)
        self.tensors[name] = x.astype(np.float32)

    def matrix(self, name, n_out, n_in, gain=1.0, conv1d=False):
        self.normal(name, (n_in, n_out) if conv1d else (n_out, n_in), gain / np.sqrt(n_in))


def llama_weights(cfg, seed):
    w, d, f = Weights(seed), cfg["hidden_size"], cfg["intermediate_size"]
    q = cfg["num_attention_heads"] * cfg["head_dim"]
    kv = cfg["num_key_value_heads"] * cfg["head_dim"]
    head_std = 1.25 / np.sqrt(d)
    w.normal("model.embed_tokens.weight", (N_VOCAB, d), head_std)
    for i in range(cfg["num_hidden_layers"]):
        p = f"model.layers.{i}."
        w.normal(p + "input_layernorm.weight", d, 0.1, 1.0)
        for part, n, gain in (("q", q, 1.5), ("k", kv, 1.5), ("v", kv, 1.0)):
            w.matrix(p + f"self_attn.{part}_proj.weight", n, d, gain)
            if cfg["model_type"] == "qwen2":
                w.normal(p + f"self_attn.{part}_proj.bias", n, 0.3)
        w.matrix(p + "self_attn.o_proj.weight", d, q, 0.5)
        w.normal(p + "post_attention_layernorm.weight", d, 0.1, 1.0)
        w.matrix(p + "mlp.gate_proj.weight", f, d)
        w.matrix(p + "mlp.up_proj.weight", f, d)
        w.matrix(p + "mlp.down_proj.weight", d, f, 0.5)
    w.normal("model.norm.weight", d, 0.1, 1.0)
    if not cfg["tie_word_embeddings"]:
        w.normal("lm_head.weight", (N_VOCAB, d), head_std)
    return w.tensors


def gpt2_weights(cfg, seed):
    w, d, f = Weights(seed), cfg["n_embd"], cfg["n_inner"] or 4 * cfg["n_embd"]
    w.normal("wte.weight", (N_VOCAB, d), 1.25 / np.sqrt(d))
    w.normal("wpe.weight", (cfg["n_positions"], d), 0.3 / np.sqrt(d))
    for i in range(cfg["n_layer"]):
        p = f"h.{i}."
        for norm in ("ln_1", "ln_2"):
            w.normal(p + norm + ".weight", d, 0.1, 1.0)
            w.normal(p + norm + ".bias", d, 0.1)
        for name, n_out, n_in, gain in (("attn.c_attn", 3 * d, d, 1.2), ("attn.c_proj", d, d, 0.5),
                                        ("mlp.c_fc", f, d, 1.0), ("mlp.c_proj", d, f, 0.5)):
            w.matrix(p + name + ".weight", n_out, n_in, gain, conv1d=True)
            w.normal(p + name + ".bias", n_out, 0.1)
    w.normal("ln_f.weight", d, 0.1, 1.0)
    w.normal("ln_f.bias", d, 0.1)
    return w.tensors


def llama_config(d, f, heads, kv_heads, layers, tied, **more):
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": d,
            "intermediate_size": f, "num_hidden_layers": layers, "num_attention_heads": heads,
            "num_key_value_heads": kv_heads, "head_dim": d // heads, "hidden_act": "silu",
            "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "rope_scaling": None,
            "max_position_embeddings": 128, "vocab_size": N_VOCAB, "attention_bias": False,
            "mlp_bias": False, "tie_word_embeddings": tied, "torch_dtype": "float32",
            "bos_token_id": 1, "eos_token_id": 2, **more}


def qwen2_config(llama):
    return llama | {
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "rms_norm_eps": 1e-6,
        "rope_theta": 1000000.0, "use_sliding_window": False, "attention_bias": True}


def gpt2_config(d, inner, heads, layers, **more):
    return {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_embd": d,
            "n_inner": inner, "n_layer": layers, "n_head": heads, "n_positions": 128,
            "n_ctx": 128, "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new",
            "vocab_size": N_VOCAB, "tie_word_embeddings": True, "torch_dtype": "float32",
            "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0,
            "bos_token_id": 1, "eos_token_id": 2, **more}


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def write_directory(name, cfg, tensors, pre, prefix=""):
    folder = MODELS / name
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", cfg)
    save_file({prefix + k: v for k, v in tensors.items()}, folder / "model.safetensors",
              {"format": "pt"})
    write_tokenizer(folder, pre)


# ---- GGUF ---------------------------------------------------------------------------------------

LLAMA_NAMES = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q",
               "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
               "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm",
               "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
GPT2_NAMES = {"ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output",
              "ln_2": "ffn_norm", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
OUTER_NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm",
               "lm_head": "output", "wte": "token_embd", "wpe": "position_embd",
               "ln_f": "output_norm"}


def gguf_name(name):
    """The GGUF name of a Hugging Face tensor, '.weight' or '.bias' kept."""
    stem, kind = name.rsplit(".", 1)
    block = re.match(r"(?:model\.layers|h)\.(\d+)\.(.+)", stem)
    if not block:
        return f"{OUTER_NAMES[stem]}.{kind}"
    return f"blk.{block[1]}.{(LLAMA_NAMES | GPT2_NAMES)[block[2]]}.{kind}"


def to_pairs(x, heads):
    """RoPE's half-split rows to adjacent pairs: row 2i+a of a head = row a*d/2+i."""
    rows = x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:])
    return rows.swapaxes(1, 2).reshape(x.shape)


def gguf_tensor(cfg, name, x):
    if cfg["model_type"] == "llama" and "q_proj" in name:
        x = to_pairs(x, cfg["num_attention_heads"])
    elif cfg["model_type"] == "llama" and "k_proj" in name:
        x = to_pairs(x, cfg["num_key_value_heads"])
    elif re.search(r"\.c_\w+\.weight$", name):
        x = x.T
    return np.ascontiguousarray(x)


def write_gguf(path, cfg, tensors, pre):
    out = gguf.GGUFWriter(path, cfg["model_type"])
    out.add_name(path.stem)
    if cfg["model_type"] == "gpt2":
        out.add_context_length(cfg["n_positions"])
        out.add_embedding_length(cfg["n_embd"])
        out.add_block_count(cfg["n_layer"])
        out.add_feed_forward_length(cfg["n_inner"] or 4 * cfg["n_embd"])
        out.add_head_count(cfg["n_head"])
        out.add_layer_norm_eps(cfg["layer_norm_epsilon"])
    else:
        out.add_context_length(cfg["max_position_embeddings"])
        out.add_embedding_length(cfg["hidden_size"])
        out.add_block_count(cfg["num_hidden_layers"])
        out.add_feed_forward_length(cfg["intermediate_size"])
        out.add_head_count(cfg["num_attention_heads"])
        out.add_head_count_kv(cfg["num_key_value_heads"])
        out.add_layer_norm_rms_eps(cfg["rms_norm_eps"])
        out.add_rope_dimension_count(cfg["head_dim"])
        out.add_rope_freq_base(cfg["rope_theta"])
    out.add_vocab_size(N_VOCAB)
    out.add_file_type(0)
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre(pre)
    out.add_token_list(TOKENS)
    out.add_token_types([3] * len(SPECIAL) + [1] * (N_VOCAB - len(SPECIAL)))
    out.add_token_merges([f"{a} {b}" for a, b in MERGES])
    out.add_unk_token_id(0)
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)
    out.add_pad_token_id(2)
    out.add_add_bos_token(False)
    out.add_chat_template(CHATML)
    for name, x in tensors.items():
        out.add_tensor(gguf_name(name), gguf_tensor(cfg, name, x))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


FILE_TYPES = {"f16": 1, "q4_0": 2, "q4_1": 3, "q8_0": 7, "q5_0": 8, "q5_1": 9, "q4_k_m": 15,
              "bf16": 32}


def quantize(source, target, kind):
    """One type for every matrix; q4_k_m keeps llama.cpp's own mixture (Q4_K and Q6_K)."""
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = FILE_TYPES[kind]
    params.pure = kind != "q4_k_m"
    params.nthread = 1
    failed = llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(),
                                            ctypes.byref(params))
    if failed:
        raise SystemExit(f"{target.name}: llama_model_quantize failed")


def write_micro_models():
    """The smallest of each shape, so that whole gradients fit beside them (train/)."""
    llama = llama_config(16, 40, 4, 2, 2, tied=False)
    write_directory("micro-llama", llama, llama_weights(llama, 7), "smollm")
    gpt2 = gpt2_config(16, 40, 4, 2)
    write_directory("micro-gpt2", gpt2, gpt2_weights(gpt2, 8), "gpt-2", "transformer.")
    qwen2 = qwen2_config(llama_config(16, 40, 4, 2, 2, tied=True))
    write_directory("micro-qwen2", qwen2, llama_weights(qwen2, 9), "qwen2")
    banded = gpt2_config(16, None, 2, 4, window_size=5,
                         attention_layers=["global", "local", "global", "local"])
    write_directory("micro-gpt2-banded", banded, gpt2_weights(banded, 10), "gpt-2", "transformer.")


def main():
    MODELS.mkdir(exist_ok=True)
    write_micro_models()
    llama = llama_config(64, 96, 4, 2, 2, tied=False)
    weights = llama_weights(llama, 1)
    write_directory("tiny-llama", llama, weights, "smollm")
    write_gguf(MODELS / "tiny-llama-f32.gguf", llama, weights, "smollm")

    gpt2 = gpt2_config(64, 128, 4, 2)
    weights = gpt2_weights(gpt2, 2)
    write_directory("tiny-gpt2", gpt2, weights, "gpt-2", "transformer.")
    write_gguf(MODELS / "tiny-gpt2-f32.gguf", gpt2, weights, "gpt-2")
    for kind in ("q8_0", "q4_1"):
        quantize(MODELS / "tiny-gpt2-f32.gguf", MODELS / f"tiny-gpt2-{kind}.gguf", kind)

    qwen2 = qwen2_config(llama_config(64, 96, 4, 2, 2, tied=True))
    weights = llama_weights(qwen2, 3)
    write_directory("tiny-qwen2", qwen2, weights, "qwen2")
    write_gguf(MODELS / "tiny-qwen2-f32.gguf", qwen2, weights, "qwen2")

    banded = gpt2_config(32, None, 2, 4, window_size=8,
                         attention_layers=["global", "local", "global", "local"])
    write_directory("tiny-gpt2-banded", banded, gpt2_weights(banded, 4), "gpt-2")

    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "f32.gguf"
        wide = llama_config(128, 192, 8, 4, 2, tied=False)
        write_gguf(source, wide, llama_weights(wide, 5), "smollm")
        for kind in ("f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1"):
            quantize(source, MODELS / f"tiny-llama-{kind}.gguf", kind)
        source.unlink()
        wide = llama_config(256, 256, 8, 2, 2, tied=True)
        write_gguf(source, wide, llama_weights(wide, 6), "smollm")
        quantize(source, MODELS / "tiny-llama-q4_k_m.gguf", "q4_k_m")
    for path in sorted(MODELS.rglob("*")):
        if path.suffix in (".gguf", ".safetensors"):
            print(f"{path.stat().st_size:8d} {path.relative_to(MODELS)}")


if __name__ == "__main__":
    main()
