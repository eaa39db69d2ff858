#!/usr/bin/env python3
"""`./quickstart up` and `down` where a daemon runs already, so that nothing is installed or built; what
`up` and `test` say and ask for while they build, with programs in the place of those that would."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from daemon import BINARY, ROOT, free_port, tiny_model
from harness import check, equal, main, test

GUARD_S = 120


def quickstart(*arguments, home):
    env = {**os.environ, "HOME": home, "XDG_STATE_HOME": home, "XDG_DATA_HOME": home + "/share",
           "XDG_CACHE_HOME": home + "/cache"}
    return subprocess.run([str(ROOT / "quickstart"), *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=GUARD_S, env=env, cwd=home,
                          check=False)


class Started:
    """A daemon as `up --detach` leaves it: with its pid file, word of its directory and the arguments
    that `up` gives; perhaps in the home of another."""

    def __init__(self, *flags, beside=None):
        self.flags = flags
        self.scratch = tempfile.TemporaryDirectory(prefix="instructd-quickstart-")
        self.home = beside.home if beside else os.path.realpath(self.scratch.name)
        self.model = beside.model if beside else tiny_model(self.home)
        self.data = self.home + ("/other data" if beside else "/data")
        self.log = self.data + "/log"
        self.port = str(free_port())

    def __enter__(self):
        os.mkdir(self.data, 0o700)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [BINARY, "--port", self.port, "--model", self.model, "--data-dir", self.data,
                 *self.flags], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        Path(self.data, "instructd.pid").write_text(f"{self.process.pid}\n")
        self.note_port(self.port)
        guard = time.monotonic() + GUARD_S
        while f":{self.port}" not in Path(self.log).read_text():
            check(self.process.poll() is None, Path(self.log).read_text())
            check(time.monotonic() < guard, "the daemon does not say that it listens")
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(GUARD_S)
        self.scratch.cleanup()

    def note_port(self, port):
        """As `up --port` does, whatever runs there later."""
        record = Path(self.home, "instructd", f"port-{port}")
        record.parent.mkdir(exist_ok=True)
        record.write_text(f"{self.data}\n")

    def down(self, *arguments):
        done = quickstart("down", *arguments, home=self.home)
        return done.returncode, done.stdout, done.stderr

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


def stopped(d):
    return 0, f"instructd on port {d.port} has stopped\n", ""


@test
def down_stops_what_up_left():
    for named in (["--port"], ["--data-dir"], ["--port", "--data-dir"]):
        with Started() as d:
            values = {"--port": d.port, "--data-dir": d.data}
            told = d.down(*(word for name in named for word in (name, values[name])))
            equal(f"exit status and output with {named}", told, stopped(d))
            equal("the daemon's exit status", d.process.wait(GUARD_S), 0)


@test
def down_alone_stops_the_only_one():
    with Started() as d:
        d.note_port(free_port())  # it ran there before
        equal("exit status and output", d.down(), stopped(d))
        equal("the daemon's exit status", d.process.wait(GUARD_S), 0)
        equal("and again", d.down(), (0, "no instructd of ours runs\n", ""))


@test
def down_alone_says_what_to_choose_from():
    with Started() as one, Started(beside=one) as two:
        code, out, err = one.down()
        equal("exit status and stdout", (code, out), (1, ""))
        for d in (one, two):
            check(f"down --port {d.port} " in err and d.data in err, f"printed {err!r}")
            equal("the daemon's exit status", d.process.poll(), None)
        equal("the second by its port", one.down("--port", two.port), stopped(two))
        equal("the first is the only one", one.down(), stopped(one))


@test
def down_of_a_port_leaves_who_has_moved_to_another():
    with Started() as d:
        port = free_port()
        d.note_port(port)
        equal("exit status and output", d.down("--port", str(port)),
              (0, f"no instructd of ours runs on port {port}\n", ""))
        equal("the daemon's exit status", d.process.poll(), None)


# Each is found before the system's own. cmake notes what it is asked for, and fails at that; where a file
# `warns` lies it builds everything once, and warns of it.
STAND_INS = {
    "apt-get": "exit 1",
    "chromium": "exit 0",
    "clang": "echo 14.0.6",
    "clang-format": "exit 0",
    "cmake": """[ "$1" = --version ] && echo "cmake version 3.25.1" && exit
echo "$*" >>"$NOTES"
[ -e warns ] || exit 1
[ "$1" = --build ] || exit 0
[ -e build/.ninja_log ] || echo "a.c:1:1: warning: of a thing"
touch build/.ninja_log""",
    "node": "exit 0",
    "npm": 'mkdir -p node_modules && echo fetched >>"$NOTES.npm"',
}


class Clone:
    """A tree that holds quickstart and what it calls of ours alone, and a home for it."""

    def __init__(self, where):
        self.where = Path(where)
        self.notes = self.where / "notes"
        for folder in ("clients/web", "cmake", "bin"):
            (self.where / folder).mkdir(parents=True)
        for ours in ("quickstart", "cmake/npm_ci"):
            shutil.copy(ROOT / ours, self.where / ours)
        self.lock = self.where / "clients/web/package-lock.json"
        self.lock.write_text("{}")
        for name, script in STAND_INS.items():
            program = self.where / "bin" / name
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)

    def run(self, *arguments, ends="the release build failed"):
        """What it said, and the options that the build was configured with."""
        self.notes.write_text("")
        done = self.call("quickstart", *arguments)
        check(ends in done.stderr, repr(done))
        return done.stdout.splitlines(), set(self.notes.read_text().split())

    def call(self, ours, *arguments):
        env = {**os.environ, "HOME": str(self.where), "NOTES": str(self.notes),
               "PATH": f"{self.where}/bin:{os.environ['PATH']}"}
        return subprocess.run([str(self.where / ours), *arguments], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=GUARD_S, env=env, check=False)

    def fetched(self):
        """How often npm was called."""
        return len(Path(f"{self.notes}.npm").read_text().splitlines())

    def up(self):
        return self.run("up", "--detach", "--port", str(free_port()), "--model", str(self.where))


@test
def each_long_part_of_up_is_announced_once():
    with tempfile.TemporaryDirectory() as where:
        clone = Clone(where)
        equal("the first time", clone.up()[0],
              ["fetching what builds the pages", "building (release): some minutes"])
        Path(where, "build", ".ninja_log").touch()
        equal("where something is built", clone.up()[0], ["building (release)"])


@test
def what_up_has_fetched_cmake_fetches_again_only_where_the_lock_has_changed():
    with tempfile.TemporaryDirectory() as where:
        clone = Clone(where)
        clone.up()
        for lock, times in (("{}", 1), ('{"a":1}', 2), ('{"a":1}', 2)):
            clone.lock.write_text(lock)
            done = clone.call("cmake/npm_ci", str(clone.lock.parent))  # as clients/web has it
            equal("exit status and stderr", (done.returncode, done.stderr), (0, ""))
            equal("fetched", clone.fetched(), times)


@test
def test_builds_with_the_flags_of_up():
    with tempfile.TemporaryDirectory() as where:
        clone = Clone(where)
        up, test_ = clone.up()[1], clone.run("test", "--quick")[1]
        equal("asked of cmake", test_ - {"-DTESTS=ON"}, up)  # which adds targets, and no flag


@test
def test_fails_where_gcc_has_warned_and_fails_again():
    with tempfile.TemporaryDirectory() as where:
        clone = Clone(where)
        Path(where, "warns").touch()
        clone.run("up", "--detach", "--port", str(free_port()), "--model", where, ends="bin/instructd")
        for _ in range(2):
            clone.run("test", "--quick", ends="a.c:1:1: warning: of a thing\nquickstart: gcc warns")


if __name__ == "__main__":
    sys.exit(main())
