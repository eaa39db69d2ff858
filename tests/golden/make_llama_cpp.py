"""Makes llama_cpp/*.golden: what llama-cpp-python answers for the default model and every tiny GGUF.

usage: make_llama_cpp.py MODEL.gguf"""

import os
import sys
import tempfile
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
from llama_cpp import Llama

from golden_file import HERE, MODELS, Sequence, fill, prompts, sha256, tiny_sequences, write

N_GREEDY = 32
N_GREEDY_TINY = 16
F16, F32 = 1, 0


def open_model(path, n_ctx, kv_type):
    return Llama(str(path), n_ctx=n_ctx, n_batch=512, n_threads=2, n_threads_batch=2,
                 logits_all=True, flash_attn=False, type_k=kv_type, type_v=kv_type, verbose=False)


def answer(llm, sequence, n_greedy):
    """The prompt as one batch, then one token at a time."""

    def prefill(ids):
        llm.reset()
        llm.eval(ids)
        return llm.scores[:len(ids)]

    def decode(token):
        llm.eval([token])
        return llm.scores[llm.n_tokens - 1]

    fill(sequence, n_greedy, prefill, decode)


def peer():
    info = llama_cpp.llama_print_system_info().decode()
    on = [part.split("=")[0].split(":")[-1].strip() for part in info.split("|") if "= 1" in part]
    return f"llama-cpp-python {llama_cpp.__version__} n_threads=2 flash_attn=off {' '.join(on)}"


def widen(source, target):
    """The same model with every weight dequantised to F32, so that activations stay unrounded."""
    reader = gguf.GGUFReader(source)
    out = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        kind = field.types[0]
        element = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        out.add_key_value(name, field.contents(), kind, element)
    out.add_file_type(0)
    for t in reader.tensors:
        x = gguf.dequantize(t.data, t.tensor_type).astype(np.float32)
        out.add_tensor(t.name, x.reshape([int(n) for n in reversed(t.shape)]))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def default_model(path):
    llm = open_model(path, 512, F16)
    sequences = []
    for p in prompts():
        text = p["text"].encode()
        ids = llm.tokenize(text, add_bos=False, special=p["special"])
        sequences.append(Sequence(p["name"], ids, text, p["special"]))
        answer(llm, sequences[-1], N_GREEDY)
    write(HERE / "llama_cpp" / "default.golden", peer(), "default", sha256(path), "as_file", "f16",
          0.02, sequences, "llama_cpp/default-f32.golden")
    llm.close()
    with tempfile.TemporaryDirectory() as scratch:
        widen(path, Path(scratch) / "f32.gguf")
        llm = open_model(Path(scratch) / "f32.gguf", 512, F32)
        exact = [Sequence(s.name, s.ids) for s in sequences]
        for s in exact:
            answer(llm, s, N_GREEDY)
        llm.close()
    write(HERE / "llama_cpp" / "default-f32.golden", peer() + " dequantised", "default",
          sha256(path), "f32", "f32", 0.001, exact)


def tiny_model(path):
    """F32 files run with f32 keys and values, so that a close tolerance is fair; GPT-2's is wider
    because llama.cpp looks GELU up in a half-precision table."""
    plain = path.stem.endswith("-f32")
    tolerance = 0.02 if not plain else 0.005 if "gpt2" in path.stem else 0.001
    llm = open_model(path, 128, F32 if plain else F16)
    sequences = tiny_sequences(llm.n_vocab(), lambda text, special: llm.tokenize(
        text, add_bos=False, special=special), 3)
    for s in sequences:
        answer(llm, s, N_GREEDY_TINY)
    write(HERE / "llama_cpp" / f"{path.stem}.golden", peer(), f"models/{path.name}", sha256(path),
          "as_file", "f32" if plain else "f16", tolerance, sequences,
          None if plain else f"transformers/{path.stem}.golden")
    llm.close()


def main():
    if len(sys.argv) != 2 or not os.path.exists(sys.argv[1]):
        raise SystemExit(__doc__)
    for path in sorted(MODELS.glob("*.gguf")):
        tiny_model(path)
    default_model(sys.argv[1])


if __name__ == "__main__":
    main()
