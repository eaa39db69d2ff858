"""`instruct model new`: directories that repeat, refusals by name. Needs the client only."""

import hashlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness
from harness import check, equal, test
from program import instruct, scratch_dir

TINY = ("--layers", "2", "--dim", "32", "--heads", "4", "--context", "64")


def new(out, *more, arch="llama"):
    return instruct("model", "new", "--arch", arch, *TINY, "--out", str(out), *more)


@test
def a_new_model_prints_the_id_that_its_manifest_has():
    with scratch_dir() as where:
        done = new(Path(where, "m"), "--seed", "7")
        equal("exit code", (done.code, done.err), (0, ""))
        manifest = Path(where, "m", "manifest.json").read_bytes()
        equal("id", done.out, f"pol_{hashlib.sha256(manifest).hexdigest()[:16]}\n")
        equal("seed", json.loads(manifest)["lineage"]["seed"], 7)


@test
def the_same_options_give_the_same_policy_and_another_seed_does_not():
    with scratch_dir() as where:
        first, again = new(Path(where, "a")).out, new(Path(where, "b")).out
        equal("second time", again, first)
        check(new(Path(where, "c"), "--seed", "1").out != first, "another seed, the same policy")


@test
def options_reach_the_config():
    with scratch_dir() as where:
        out = Path(where, "m")
        done = new(out, "--kv-heads", "2", "--ff", "48", "--vocab", "300", "--untied", "--type",
                   "bf16", "--json")
        equal("path", json.loads(done.out)["path"], str(out))
        config = json.loads(Path(out, "config.json").read_text())
        got = {name: config[name] for name in ("num_key_value_heads", "intermediate_size",
                                               "vocab_size", "tie_word_embeddings", "torch_dtype")}
        equal("config", got, {"num_key_value_heads": 2, "intermediate_size": 48, "vocab_size": 300,
                              "tie_word_embeddings": False, "torch_dtype": "bfloat16"})


@test
def a_tokenizer_comes_from_another_model():
    with scratch_dir() as where:
        new(Path(where, "a"))
        done = new(Path(where, "b"), "--tokenizer", str(Path(where, "a", "tokenizer.json")),
                   arch="gpt2")
        equal("exit code", (done.code, done.err), (0, ""))
        tokens = [json.loads(Path(where, name, "tokenizer.json").read_text()) for name in "ab"]
        equal("tokenizer", tokens[1], tokens[0])


@test
def what_makes_no_model_is_exit_2_and_leaves_nothing():
    with scratch_dir() as where:
        out = Path(where, "m")
        for more, why in (((), "--arch"), (("--arch", "bert", *TINY), "arch: bert"),
                          (("--arch", "llama", *TINY, "--heads", "5"), "width 32 over 5 heads"),
                          (("--arch", "llama", *TINY, "--seed", "-1"), "--seed"),
                          (("--arch", "llama", *TINY, "--type", "q8_0"), "--type")):
            done = instruct("model", "new", *more, "--out", str(out))
            check(done.code == 2 and why in done.err, f"{why}: {done}")
            check(not out.exists(), f"{why}: something was left")


@test
def an_existing_model_stays():
    with scratch_dir() as where:
        new(Path(where, "m"))
        before = Path(where, "m", "manifest.json").read_bytes()
        done = new(Path(where, "m"), "--seed", "1")
        check(done.code == 2 and "holds a checkpoint already" in done.err, repr(done))
        equal("manifest", Path(where, "m", "manifest.json").read_bytes(), before)


if __name__ == "__main__":
    sys.exit(harness.main())
