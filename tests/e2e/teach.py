#!/usr/bin/env python3
"""The README's tutorial, shortened, with the default model: demonstrations -> SFT -> rankings -> reward
model -> PPO-ptx with rolling publishes, while a client streams. `--full` runs it at full length. Its
parts, with a tiny model or none."""

import importlib.machinery
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from daemon import ROOT, Daemon, default_model, tiny_model
from harness import Skip, check, equal, main, test

FULL = "--full" in sys.argv
TEACH = ROOT / "examples/teach"


def load_teach():
    sys.path.insert(0, str(TEACH))
    loader = importlib.machinery.SourceFileLoader("teach_script", str(TEACH / "teach"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("teach_script", loader))
    loader.exec_module(module)
    return module


def run(*command, cwd=None):
    return subprocess.run([*map(str, command)], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, cwd=cwd, check=False)


@test
def the_readme_trains_by_hand_with_the_numbers_of_the_script():
    full = load_teach().FULL
    text = (ROOT / "README.md").read_text().replace("\\\n", " ")
    for method, size in (("supervised", "sft"), ("reward_model", "rm"), ("ppo", "ppo")):
        line = re.search(rf"^    instruct train {method} .*$", text, re.MULTILINE)[0]
        equal(f"README's --set of {method}", sorted(re.findall(r"--set (\S+)", line)),
              sorted(full[size]))


@test
def make_data_asked_for_help_makes_nothing():
    with tempfile.TemporaryDirectory() as folder:
        done = run(TEACH / "make_data.py", "--help", cwd=folder)
        equal("exit status", done.returncode, 0)
        check("OUT_DIR" in done.stdout, f"printed {done.stdout!r}")
        equal("made", list(Path(folder).iterdir()), [])


@test
def make_text_prints_the_same_rows_twice():
    with tempfile.TemporaryDirectory() as where, Daemon(model=tiny_model(where)) as d:
        made = [run(TEACH / "make_text.py", "--url", d.url, "--texts", "18", "--tokens", "5")
                for _ in range(2)]
    equal("exit status", made[0].returncode, 0)
    rows = [json.loads(line) for line in made[0].stdout.splitlines()]
    equal("rows", len(rows), 18)
    check(all(set(row) == {"text"} for row in rows), f"the first is {rows[0]}")
    equal("the second time", made[1].stdout, made[0].stdout)


@test
def the_tutorial_publishes_policies_and_disturbs_no_stream():
    if not Path(default_model()).exists():
        raise Skip("the default model is not in the cache")
    size = [] if FULL else ["--small"]
    with Daemon() as d:
        done = subprocess.run(
            [TEACH / "teach", *size, "--url", d.url, "--data-dir",
             d.data_dir + "/data", "--out", d.data_dir + "/teach"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(done.stdout)
        assert done.returncode == 0, f"exit status {done.returncode}"
        assert "streamed meanwhile:" in done.stdout and " 0 in trouble" in done.stdout


if __name__ == "__main__":
    sys.exit(main())
