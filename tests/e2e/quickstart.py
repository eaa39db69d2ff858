#!/usr/bin/env python3
"""`./quickstart up` and `down` where a daemon runs already, so that nothing is installed or built."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from daemon import BINARY, ROOT, free_port, tiny_model
from harness import check, equal, main, test

GUARD_S = 120


def quickstart(*arguments, home):
    env = {**os.environ, "HOME": home, "XDG_STATE_HOME": home, "XDG_CACHE_HOME": home + "/cache"}
    return subprocess.run([str(ROOT / "quickstart"), *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=GUARD_S, env=env, cwd=home,
                          check=False)


class Started:
    """A daemon as `up --detach` leaves it: with its pid file and the arguments that `up` gives."""

    def __init__(self, *flags):
        self.flags = flags
        self.scratch = tempfile.TemporaryDirectory(prefix="instructd-quickstart-")
        self.home = os.path.realpath(self.scratch.name)
        self.model, self.data = tiny_model(self.home), self.home + "/data"
        self.port = str(free_port())

    def __enter__(self):
        os.mkdir(self.data, 0o700)
        with open(self.home + "/log", "wb") as log:
            self.process = subprocess.Popen(
                [BINARY, "--port", self.port, "--model", self.model, "--data-dir", self.data,
                 *self.flags], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        Path(self.data, "instructd.pid").write_text(f"{self.process.pid}\n")
        guard = time.monotonic() + GUARD_S
        while f":{self.port}" not in Path(self.home, "log").read_text():
            check(self.process.poll() is None, Path(self.home, "log").read_text())
            check(time.monotonic() < guard, "the daemon does not say that it listens")
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(GUARD_S)
        self.scratch.cleanup()

    def up(self, *flags, model="model"):
        return quickstart("up", "--detach", "--port", self.port, "--model", model, "--data-dir",
                          "data", "--", *flags, home=self.home)


@test
def up_again_with_the_same_arguments_is_ready():
    with Started("--max-running", "3") as d:
        done = d.up("--max-running", "3")
        equal("exit status", done.returncode, 0)
        check(f"ready: http://127.0.0.1:{d.port}/v1" in done.stdout, f"printed {done.stdout!r}")


@test
def up_again_with_other_arguments_says_which_run():
    with Started("--max-running", "3") as d:
        other = d.home + "/other"
        os.symlink(d.model, other)
        for done, wanted in ((d.up("--max-running", "4"), "'--max-running' '4'"),
                             (d.up("--max-running", "3", model=other), f"'--model' '{other}'")):
            equal("exit status", done.returncode, 1)
            equal("stdout", done.stdout, "")
            check("with other arguments" in done.stderr, f"printed {done.stderr!r}")
            runs, asked = done.stderr.splitlines()[1:3]
            check(f"'--model' '{d.model}'" in runs and "'--max-running' '3'" in runs, runs)
            check(wanted in asked, asked)
        equal("the daemon's exit status", d.process.poll(), None)


@test
def the_polled_address_is_that_of_the_flags():
    with Started("--host", "127.0.0.2") as d:
        done = d.up("--host", "127.0.0.2")
        equal("exit status and stderr", (done.returncode, done.stderr), (0, ""))
        check(f"ready: http://127.0.0.2:{d.port}/v1" in done.stdout, f"printed {done.stdout!r}")


@test
def what_has_an_option_of_its_own_is_refused_behind_the_dashes():
    with tempfile.TemporaryDirectory() as home:
        for flags in (["--port", "9000"], ["--port=9000"], ["--model", "x"], ["--data-dir", "x"]):
            done = quickstart("up", "--detach", "--", *flags, home=home)
            name = flags[0].split("=")[0]
            equal(f"exit status and stderr of {flags}", (done.returncode, done.stderr),
                  (1, f"quickstart: give {name} before --, not behind it\n"))


@test
def down_stops_what_up_left():
    with Started() as d:
        done = quickstart("down", "--port", d.port, "--data-dir", d.data, home=d.home)
        equal("exit status and stdout", (done.returncode, done.stdout),
              (0, f"instructd on port {d.port} has stopped\n"))
        equal("the daemon's exit status", d.process.wait(GUARD_S), 0)


if __name__ == "__main__":
    sys.exit(main())
