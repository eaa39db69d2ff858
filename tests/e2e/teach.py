#!/usr/bin/env python3
"""The README's tutorial, shortened, with the default model: demonstrations -> SFT -> rankings -> reward
model -> PPO-ptx with rolling publishes, while a client streams. `--full` runs it at full length. Its
parts, with a tiny model or none."""

import importlib.machinery
import importlib.util
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
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
        equal("exit status", done.returncode, 0)
        said = re.search(r"streamed meanwhile: \d+ answers by (\d+) policies, 0 in trouble",
                         done.stdout)
        check(said and int(said[1]) >= 2, "streams of two policies or more, 0 in trouble")
        for line in done.stdout.splitlines():
            if "not published" in line or "stays as it is" in line:
                equal(f"refusals like {line!r}", done.stdout.count(line), 1)


@test
def an_interrupted_tutorial_cancels_its_own_job_only():
    if not Path(default_model()).exists():
        raise Skip("the default model is not in the cache")
    with Daemon() as d:
        child = subprocess.Popen(
            [TEACH / "teach", "--small", "--url", d.url, "--data-dir", d.data_dir + "/data",
             "--out", d.data_dir + "/teach"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        said = ""
        for line in child.stdout:
            said += line
            if line.startswith("ftjob-"):
                break
        check("too short to learn much" in said, f"it begins with {said[:200]!r}")
        job = said.splitlines()[-1].split(":")[0]
        child.send_signal(signal.SIGINT)
        rest = child.stdout.read()
        equal("exit status", child.wait(), 130)
        check(f"{job} is cancelled" in rest and "instruct serves pol_" in rest, f"it says {rest!r}")
        check("Traceback" not in rest, rest)
        key = {"Authorization": "Bearer " + d.admin_key()}
        while (status := d.request("GET", f"/v1/fine_tuning/jobs/{job}", headers=key).json()
               ["status"]) in ("queued", "running", "validating_files"):
            time.sleep(0.1)
        equal("the job", status, "cancelled")


if __name__ == "__main__":
    sys.exit(main())
