"""Runs test_openai.mjs against a daemon of its own."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from daemon import Daemon  # noqa: E402

with Daemon() as daemon:
    status = subprocess.run(["node", "test_openai.mjs", daemon.url + "/v1"], cwd=HERE).returncode
sys.exit(status)
