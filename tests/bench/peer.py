"""Where the peer's Python is: an environment that has llama-cpp-python, made on first use."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
PACKAGE = "llama-cpp-python==0.3.36"
MODEL_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"


def cache():
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "instructd"


def default_model():
    return Path(os.environ.get("INSTRUCTD_TEST_MODEL") or cache() / MODEL_NAME)


def has_peer(python):
    try:
        done = subprocess.run([python, "-c", "import llama_cpp"], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def build_venv(venv):
    """The package is compiled for this machine as it is installed, which takes minutes."""
    print(f"compare: installing {PACKAGE} into {venv} (compiled here: minutes)", file=sys.stderr,
          flush=True)
    log = BUILD / "log" / "peer.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as out:
        for command in ([sys.executable, "-m", "venv", venv],
                        [venv / "bin/pip", "install", "-q", "--disable-pip-version-check",
                         PACKAGE]):
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out,
                                  stderr=subprocess.STDOUT, check=False)
            if done.returncode != 0:
                return f"{PACKAGE} could not be installed; see {log}"
    return None


def find_python():
    """(interpreter, None), or (None, why there is none)."""
    named = os.environ.get("INSTRUCTD_PEER_PYTHON")
    if named:
        if has_peer(named):
            return named, None
        return None, f"INSTRUCTD_PEER_PYTHON={named} cannot import llama_cpp"
    venv = BUILD / "peer"
    python = venv / "bin/python"
    if not has_peer(python):
        why = build_venv(venv)
        if why:
            return None, why
    return str(python), None
