"""Runs test_openai.mjs, or with the word `jobs` test_jobs.mjs, against a daemon of its own."""

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from daemon import BINARY, Daemon, tiny_model  # noqa: E402


def run(program, *arguments):
    return subprocess.run(["node", program, *arguments], cwd=HERE).returncode


def run_jobs():
    plugins = str(Path(BINARY).parents[1] / "tests/plugins")
    with tempfile.TemporaryDirectory() as where:
        with Daemon("--plugin-dir", plugins, "--kv-memory", "64MiB",
                    model=tiny_model(where)) as daemon:
            return run("test_jobs.mjs", daemon.url + "/v1", daemon.admin_key())


def run_openai():
    with Daemon() as daemon:
        return run("test_openai.mjs", daemon.url + "/v1")


sys.exit(run_jobs() if "jobs" in sys.argv[1:] else run_openai())
