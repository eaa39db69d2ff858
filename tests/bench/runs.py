"""Programs that print JSON, run one at a time, and what is told of many figures."""

import json
import subprocess
import sys
from pathlib import Path

RUN_GUARD_S = 900


def say(text):
    print(f"{Path(sys.argv[0]).name}: {text}", file=sys.stderr, flush=True)


def run_json(command, env=None, quiet=False):
    """The JSON a command prints, or None with a word on stderr (unless quiet)."""
    command = [str(part) for part in command]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=RUN_GUARD_S, check=False, text=True,
                              env=env)
    except subprocess.TimeoutExpired:
        say(f"given up after {RUN_GUARD_S} s: {' '.join(command)}")
        return None
    if done.returncode != 0:
        if not quiet:
            say(f"failed: {' '.join(command)}\n{done.stderr.strip()[-500:]}")
        return None
    return json.loads(done.stdout)


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
