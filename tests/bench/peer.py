"""The peers, and where each one's Python is: an environment that has its package, made on first use."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
MODEL_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"


def cache():
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "instructd"


def default_model():
    return Path(os.environ.get("INSTRUCTD_TEST_MODEL") or cache() / MODEL_NAME)


class Peer:
    """One library from PyPI. peer_llama.py drives it by the name of its module."""

    def __init__(self, name, module, package, variable, venv, price):
        self.name, self.module, self.package = name, module, package
        self.variable = variable  # of the environment: an interpreter that has it already
        self.venv, self.price = BUILD / venv, price

    def found_in(self, python):
        try:
            done = subprocess.run([python, "-c", f"import {self.module}"], capture_output=True,
                                  check=False)
        except OSError:
            return False
        return done.returncode == 0

    def install(self):
        """None, or why it could not be installed."""
        print(f"compare: installing {self.package} into {self.venv} ({self.price})",
              file=sys.stderr, flush=True)
        log = BUILD / "log" / f"{self.venv.name}.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as out:
            for command in ([sys.executable, "-m", "venv", self.venv],
                            [self.venv / "bin/pip", "install", "-q", "--disable-pip-version-check",
                             self.package]):
                done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out,
                                      stderr=subprocess.STDOUT, check=False)
                if done.returncode != 0:
                    return f"{self.package} could not be installed; see {log}"
        return None

    def find_python(self):
        """(interpreter, None), or (None, why there is none)."""
        named = os.environ.get(self.variable)
        if named:
            if self.found_in(named):
                return named, None
            return None, f"{self.variable}={named} cannot import {self.module}"
        python = self.venv / "bin/python"
        if not self.found_in(python):
            why = self.install()
            if why:
                return None, why
        return str(python), None


LLAMA = Peer("llama.cpp", "llama_cpp", "llama-cpp-python==0.3.36", "INSTRUCTD_PEER_PYTHON", "peer",
             "compiled here: minutes")
IK_LLAMA = Peer("ik_llama.cpp", "ik_llama_cpp", "ik-llama-cpp-python==0.1.5",
                "INSTRUCTD_IK_PYTHON", "peer_ik", "a wheel for AVX2")
PEERS = {peer.name: peer for peer in (LLAMA, IK_LLAMA)}
