"""Runs the `instruct` binary: plainly, or at a terminal of its own (a pty)."""

import os
import pty
import re
import select
import signal
import subprocess
import tempfile
import termios
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BINARY = os.environ.get("INSTRUCT_BIN", str(ROOT / "build/bin/instruct"))
GUARD_S = 120  # a program that says nothing for so long hangs; no test asserts a duration
OURS = ("INSTRUCTD_URL", "INSTRUCTD_API_KEY", "INSTRUCTD_DATA_DIR", "NO_COLOR")


def environment(**more):
    """The caller's environment without what steers the CLI, plus `more`."""
    env = {name: value for name, value in os.environ.items() if name not in OURS}
    env.update({"TERM": "xterm", "LC_ALL": "C.UTF-8"})
    env.update(more)
    return env


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return f"exit {self.code}, stdout {self.out!r}, stderr {self.err!r}"


def instruct(*arguments, stdin=b"", env=None):
    done = subprocess.run([BINARY, *arguments], input=stdin, capture_output=True,
                          env=env or environment(), timeout=GUARD_S, check=False)
    return Result(done.returncode, done.stdout.decode(errors="replace"),
                  done.stderr.decode(errors="replace"))


class Terminal:
    """A program at a pty. `shown` is all it wrote, without colours and cursor movements."""

    def __init__(self, *arguments, env=None, columns=200):
        self.raw = b""
        self.seen = 0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(BINARY, [BINARY, *arguments], env or environment())
        termios.tcsetwinsize(self.fd, (50, columns))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(f"  the terminal showed: {self.shown()!r}")
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(self.fd)

    def shown(self):
        text = self.raw.decode(errors="replace")
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
        return text.replace("\r", "")

    def type(self, text):
        os.write(self.fd, text.encode())

    def _read(self, guard):
        ready, _, _ = select.select([self.fd], [], [], max(0.0, guard - time.monotonic()))
        if not ready:
            raise AssertionError("the terminal stays silent")
        try:
            piece = os.read(self.fd, 65536)
        except OSError:  # the other end closed
            piece = b""
        self.raw += piece
        return bool(piece)

    def wait_for(self, wanted):
        """Reads until `wanted` is shown after everything an earlier wait_for matched; returns what
        came before it."""
        guard = time.monotonic() + GUARD_S
        while True:
            text = self.shown()
            at = text.find(wanted, self.seen)
            if at >= 0:
                before = text[self.seen:at]
                self.seen = at + len(wanted)
                return before
            if not self._read(guard):
                raise AssertionError(f"the program ended without showing {wanted!r}")

    def wait_growth(self, characters):
        """Reads until that many more characters are shown."""
        guard = time.monotonic() + GUARD_S
        while len(self.shown()) < self.seen + characters:
            if not self._read(guard):
                raise AssertionError("the program ended early")

    def end(self):
        """Reads to the end; the exit code."""
        guard = time.monotonic() + GUARD_S
        while self._read(guard):
            pass
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)


def scratch_dir():
    return tempfile.TemporaryDirectory(prefix="instruct-cli-")
