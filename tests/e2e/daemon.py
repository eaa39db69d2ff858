"""Starts an instructd of its own for a test: a free port, a temporary data directory, the default
model from the user's cache. INSTRUCTD_BIN and INSTRUCTD_TEST_MODEL choose others."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = os.environ.get("INSTRUCTD_BIN", str(ROOT / "build/bin/instructd"))
START_GUARD_S = 300  # a daemon that is not ready by then hangs (sanitized builds load slowly)


def default_model():
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return os.environ.get("INSTRUCTD_TEST_MODEL",
                          cache + "/instructd/SmolLM2-135M-Instruct.Q4_1.gguf")


def tiny_model(where):
    """A small random model of `instruct model new`, in a directory below `where`."""
    path = str(Path(where, "model"))
    subprocess.run([str(Path(BINARY).parent / "instruct"), "model", "new", "--arch", "llama", "--layers",
                    "2", "--dim", "32", "--heads", "2", "--context", "128", "--seed", "3", "--out",
                    path], check=True, stdout=subprocess.DEVNULL)
    return path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Daemon:
    """with Daemon() as d: ...   The block ends with the daemon stopped and its directory removed.
    prepare(path) fills the data directory before the daemon starts over it."""

    def __init__(self, *flags, model=None, prepare=None):
        self.data_dir = tempfile.mkdtemp(prefix="instructd-e2e-")
        if prepare:
            prepare(self.data_dir + "/data")
        self.log_path = self.data_dir + "/log.txt"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.command = [BINARY, "--port", str(self.port), "--model", model or default_model(),
                        "--data-dir", self.data_dir + "/data", *flags]
        self.start()

    def start(self):
        """Also after a stop or a crash: over the same data directory, on the same port."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, start_new_session=True)
        self.pid = self.process.pid
        self._wait_ready()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(self.log_tail())
        status = self.stop()
        shutil.rmtree(self.data_dir, ignore_errors=True)
        if kind is None and status != 0:
            raise RuntimeError(f"instructd ended with status {status}")

    def _wait_ready(self):
        guard = time.monotonic() + START_GUARD_S
        while time.monotonic() < guard:
            if self.process.poll() is not None:
                break
            try:
                if self.request("GET", "/ready").status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        tail = self.log_tail()
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.data_dir, ignore_errors=True)
        raise RuntimeError(f"instructd did not become ready:\n{tail}")

    def log_tail(self, lines=20):
        with open(self.log_path, errors="replace") as log:
            return "".join(log.readlines()[-lines:])

    def alive(self):
        return self.process.poll() is None

    def kill(self):
        """SIGKILL, without a chance to write anything."""
        self.process.kill()
        self.process.wait()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self, guard_s=60):
        """SIGTERM, then the exit status; a daemon that never ends is killed: status -9."""
        if self.alive():
            self.terminate()
        try:
            return self.process.wait(guard_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def request(self, method, path, body=None, headers=None):
        """One request on a connection of its own; a dict is sent as JSON. See Reply."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def post(self, path, body, headers=None):
        """The parsed JSON of a 200 reply."""
        reply = self.request("POST", path, body, headers)
        if reply.status != 200:
            raise AssertionError(f"{path} answered {reply.status}: {reply.body[:500]!r}")
        return reply.json()

    def admin_key(self):
        return Path(self.data_dir, "data/admin.key").read_text().strip()

    def metrics(self):
        """{"num_requests_running": 0.0, 'http_requests_total{route="/x",code="200"}': 1.0, ...}"""
        reply = self.request("GET", "/metrics", headers={"X-Api-Key": self.admin_key()})
        if reply.status != 200:
            raise AssertionError(f"/metrics answered {reply.status}")
        found = re.findall(r"^instructd_(\S+) (\S+)$", reply.body.decode(), re.MULTILINE)
        return {name: float(value) for name, value in found}

    def metric_sum(self, name):
        """The sum over all labels of a metric."""
        return sum(v for k, v in self.metrics().items() if k == name or k.startswith(name + "{"))

    def wait_idle(self, guard_s=60):
        """Returns once no request runs or waits and every KV block is back."""
        names = ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc")
        guard = time.monotonic() + guard_s
        while True:
            metrics = self.metrics()
            busy = {name: metrics[name] for name in names if metrics[name] != 0}
            if not busy:
                return
            if time.monotonic() > guard:
                raise AssertionError(f"the daemon does not become idle: {busy}")
            time.sleep(0.02)

    def rss_bytes(self):
        fields = Path(f"/proc/{self.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")

    def open_files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class Reply:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body

    def json(self):
        return json.loads(self.body)


def stream_events(response):
    """The JSON events of an SSE response object that reads lines; stops at [DONE], which must
    come."""
    while True:
        line = response.readline()
        if not line:
            raise AssertionError("the stream ended without [DONE]")
        if line == b"data: [DONE]\n":
            return
        if line.startswith(b"data: "):
            yield json.loads(line[6:])
