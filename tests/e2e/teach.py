#!/usr/bin/env python3
"""The README's tutorial, shortened, with the default model: demonstrations -> SFT -> rankings -> reward
model -> PPO-ptx with rolling publishes, while a client streams. `--full` runs it at full length. Its
parts, with a tiny model or none."""

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
import types
from pathlib import Path

from daemon import ROOT, Daemon, default_model, tiny_model
from harness import Skip, check, equal, main, test

GUARD_S = 600  # a job that has not ended by then hangs
FULL = "--full" in sys.argv
TEACH = ROOT / "examples/teach"
GOING_ON = ("queued", "running", "validating_files")


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


class ScriptedServer:
    """Answers as it was told to, by method and path; whatever else is asked is refused, as by client.py."""

    def __init__(self, **answers):
        self.answers = {"GET /v1/aliases/instruct": {"policy": "pol_first"}, **answers}

    def call(self, method, path, _body=None):
        if f"{method} {path}" not in self.answers:
            sys.exit(f"{method} {path}: 409")
        return self.answers[f"{method} {path}"]


@contextlib.contextmanager
def scripted_steps(script, server=None):
    """The tutorial's steps, whose `instruct` is a shell script; what they printed is in `said`."""
    with tempfile.TemporaryDirectory() as where:
        program = Path(where, "instruct")
        program.write_text("#!/bin/sh\n" + script)
        program.chmod(0o755)
        args = types.SimpleNamespace(instruct=program, url="http://127.0.0.1:1", data_dir=None,
                                     out=where)
        steps, steps_said = load_teach().Steps(args, server or ScriptedServer()), io.StringIO()
        with contextlib.redirect_stdout(steps_said):
            yield steps, steps_said


def ended_by(expected, function, *arguments):
    try:
        function(*arguments)
    except expected as end:
        return end
    raise AssertionError(f"expected {expected.__name__}, it came to its end")


@test
def an_interrupt_while_a_job_is_made_waits_for_its_id():
    with scripted_steps('kill -INT $PPID; sleep 0.2; echo "ftjob-1: queued"\n') as (steps, said):
        ended_by(KeyboardInterrupt, steps.train, "supervised")
        equal("the job to cancel", steps.running, "ftjob-1")
    check("ftjob-1: queued" in said.getvalue(), f"it says {said.getvalue()!r}")
    equal("what Ctrl-C does afterwards", signal.getsignal(signal.SIGINT),
          signal.default_int_handler)


@test
def an_interrupt_after_the_job_ended_says_what_it_made():
    job = {"status": "succeeded", "fine_tuned_model": "pol_made"}
    server = ScriptedServer(**{"GET /v1/fine_tuning/jobs/ftjob-1": job})
    with scripted_steps("", server) as (steps, said):
        steps.running = "ftjob-1"
        steps.break_off()
    check("ftjob-1 is succeeded." in said.getvalue() and "; pol_made (" in said.getvalue(),
          f"it says {said.getvalue()!r}")


@test
def a_step_that_failed_names_its_job():
    with scripted_steps('[ "$1" = train ] && echo "ftjob-1: queued"\n') as (steps, _):
        end = ended_by(SystemExit, steps.train, "supervised")  # what fails is `jobs events`
        equal("exit", end.code, "the step failed: instruct jobs show ftjob-1")
    with scripted_steps('echo "ftjob-2: queued"; exit 5\n') as (steps, said):
        ended_by(SystemExit, steps.train, "supervised")
    check("ftjob-2: queued" in said.getvalue(), f"it says {said.getvalue()!r}")


@test
def make_data_asked_for_help_makes_nothing():
    with tempfile.TemporaryDirectory() as folder:
        done = run(TEACH / "make_data.py", "--help", cwd=folder)
        equal("exit status", done.returncode, 0)
        check("OUT_DIR" in done.stdout, f"printed {done.stdout!r}")
        equal("made", list(Path(folder).iterdir()), [])


@test
def a_text_with_a_nul_is_one_that_a_file_may_hold():
    server = ScriptedServer(**{"POST /v1/completions": {"choices": [{"text": "a\0b"}]}})
    load_teach()
    equal("texts", importlib.import_module("make_text").own_texts(server, 1, 3), ["a\ufffdb"])


@test
def without_a_daemon_the_tutorial_says_what_to_start():
    with tempfile.TemporaryDirectory() as nowhere:
        done = run(TEACH / "teach", "--data-dir", nowhere, cwd=nowhere)
    check(f"{nowhere}/admin.key: No such file" in done.stderr and "quickstart up" in done.stderr,
          done.stderr)


@test
def a_small_run_leaves_the_files_of_a_full_one():
    with tempfile.TemporaryDirectory() as folder:
        full, small = Path(folder, "teach-data"), Path(folder, "teach-data-small")
        full.mkdir()
        (full / "demonstrations.jsonl").write_text("of a full run\n")
        (full / "admin.key").write_text("sk-inst-none\n")
        done = run(TEACH / "teach", "--small", "--url", "http://127.0.0.1:1", "--data-dir", full,
                   cwd=folder)
        check(done.returncode != 0, "it ends where it needs the daemon")
        equal("its own files", (small / "demonstrations.jsonl").exists(), True)
        equal("the other's", (full / "demonstrations.jsonl").read_text(), "of a full run\n")


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


def job_status(d, job, key):
    return d.request("GET", f"/v1/fine_tuning/jobs/{job}", headers=key).json()["status"]


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
        made = run(ROOT / "build/bin/instruct", "train", "supervised", "--model", "instruct",
                   "--file", d.data_dir + "/teach/demonstrations.jsonl", "--no-wait", "--url", d.url,
                   "--data-dir", d.data_dir + "/data")
        check(made.returncode == 0, f"another's job is made, found {made}")
        other = re.search(r"^(ftjob-\w+): ", made.stdout, re.MULTILINE)[1]
        child.send_signal(signal.SIGINT)
        rest = child.stdout.read()
        equal("exit status", child.wait(), 130)
        check(f"{job} is cancelled" in rest and "instruct serves pol_" in rest, f"it says {rest!r}")
        check("Traceback" not in rest, rest)
        check(other not in rest, f"another's job in {rest!r}")
        key = {"Authorization": "Bearer " + d.admin_key()}
        guard = time.monotonic() + GUARD_S
        while (status := job_status(d, job, key)) in GOING_ON:
            check(time.monotonic() < guard, f"a job that ends, found it {status}")
            time.sleep(0.1)
        equal("the job", status, "cancelled")
        check((status := job_status(d, other, key)) in (*GOING_ON, "succeeded"),
              f"another's job goes on, found it {status}")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    sys.exit(main())
