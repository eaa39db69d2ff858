"""An exported policy in other people's hands: transformers and llama.cpp give the same greedy tokens
as the daemon. Needs the peers' packages (transformers, torch, llama-cpp-python) in the Python that
runs it; without them the tests skip themselves.

   python3 tests/e2e/export.py [WORD...]"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import daemon
import harness
from daemon import Daemon, default_model
from harness import Skip, check, equal, test

INSTRUCT = os.environ.get("INSTRUCT_BIN", str(daemon.ROOT / "build/bin/instruct"))
TOKENS = 24
TINY = ("--layers", "3", "--dim", "64", "--heads", "4", "--context", "128", "--seed", "11")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def peers():
    try:
        import llama_cpp
        import torch
        import transformers
    except ImportError as missing:
        raise Skip(f"{missing.name} is not installed") from None
    return llama_cpp, torch, transformers


def instruct(*arguments, at=None):
    """stdout of a call that must succeed; `at`: the daemon it speaks to."""
    whom = ("--url", at.url, "--key", at.admin_key()) if at else ()
    command = [INSTRUCT, *whom, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    equal(f"exit code of {arguments} ({done.stderr.strip()})", done.returncode, 0)
    return done.stdout


def daemon_tokens(served, prompt):
    reply = served.post("/v1/completions", {"prompt": prompt, "temperature": 0, "max_tokens": TOKENS,
                                            "ignore_eos": True, "return_token_ids": True})
    return reply["choices"][0]["token_ids"]


def transformers_tokens(directory, prompt):
    _, torch, transformers = peers()
    model = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    out = model.generate(torch.tensor([prompt]), max_new_tokens=TOKENS, min_new_tokens=TOKENS,
                         do_sample=False, eos_token_id=None, pad_token_id=0)
    return out[0, len(prompt):].tolist()


def llama_cpp_tokens(file, prompt):
    llama_cpp, _, _ = peers()
    model = llama_cpp.Llama(str(file), n_ctx=128, logits_all=True, verbose=False,
                            type_k=llama_cpp.GGML_TYPE_F32, type_v=llama_cpp.GGML_TYPE_F32)
    model.eval(prompt)
    tokens = []
    while len(tokens) < TOKENS:
        tokens.append(int(model.scores[model.n_tokens - 1].argmax()))
        model.eval(tokens[-1:])
    return tokens


def tokenizers_agree(served, directory, file, text):
    """The ids of a text by the daemon, by transformers and by llama.cpp."""
    llama_cpp, _, transformers = peers()
    want = served.post("/tokenize", {"content": text})["tokens"]
    equal("transformers' ids",
          transformers.AutoTokenizer.from_pretrained(directory).encode(text,
                                                                       add_special_tokens=False),
          want)
    vocabulary = llama_cpp.Llama(str(file), vocab_only=True, verbose=False)
    equal("llama.cpp's ids", vocabulary.tokenize(text.encode(), add_bos=False, special=False), want)
    return want


def compare(model, *type_flags, teach=None):
    """Serves a model in f32, teaches it from a file if one is given, exports it in both forms, and
    compares ids and greedy tokens."""
    peers()
    with tempfile.TemporaryDirectory(prefix="instructd-export-") as where, \
            Daemon("--weights", "f32", "--kv-type", "f32", model=model) as served:
        if teach:
            instruct("train", "supervised", "-m", "instruct", "-f", teach, "--set", "n_epochs=4",
                     "--set", "batch_size=8", "--set", "learning_rate=1e-3", "--publish",
                     "instruct", at=served)
        policy = served.request("GET", "/v1/models").json()["data"][0]["policy"]
        check(not teach or "\tsft\t" in instruct("models", at=served), "nothing was published")
        directory, file = Path(where, "hf"), Path(where, "model.gguf")
        instruct("export", policy, "--out", directory, *type_flags, at=served)
        instruct("export", policy, "--format", "gguf", "--out", file, *type_flags, at=served)
        prompt = tokenizers_agree(served, directory, file, "The capital of France is Grüße 123")
        want = daemon_tokens(served, prompt)
        equal("transformers", transformers_tokens(directory, prompt), want)
        equal("llama.cpp", llama_cpp_tokens(file, prompt), want)


def compare_new(arch, *more, taught=False):
    peers()
    with tempfile.TemporaryDirectory(prefix="instructd-export-") as where:
        model, demos = Path(where, "model"), Path(where, "demos.jsonl")
        instruct("model", "new", "--arch", arch, *TINY, *more, "--out", model)
        demos.write_text("".join(f'{{"prompt":"say {n}:","completion":" {n}"}}\n'
                                 for n in range(32)))
        compare(str(model), teach=demos if taught else None)


@test
def a_llama_policy_speaks_the_same_everywhere():
    compare_new("llama", "--kv-heads", "2")


@test
def an_untied_llama_policy_speaks_the_same_everywhere():
    compare_new("llama", "--untied")


@test
def a_qwen2_policy_speaks_the_same_everywhere():
    compare_new("qwen2", "--kv-heads", "1")


@test
def a_gpt2_policy_speaks_the_same_everywhere():
    compare_new("gpt2")


@test
def policies_that_learned_here_speak_the_same_everywhere():
    for arch in ("llama", "gpt2"):
        compare_new(arch, taught=True)


@test
def a_padded_vocabulary_speaks_the_same_everywhere():
    compare_new("llama", "--vocab", "288")


@test
def the_default_model_speaks_the_same_everywhere():
    """Dequantised once, by the export; --type f32 says so, or its GGUF file would stay as it is."""
    model = default_model()
    if not os.path.exists(model):
        raise Skip(f"there is no {model}")
    check(model.endswith(".gguf"), "the default model is a GGUF file")
    compare(model, "--type", "f32")


if __name__ == "__main__":
    sys.exit(harness.main())
