#!/usr/bin/env python3
"""The README's tutorial, shortened, with the default model: demonstrations -> SFT -> rankings -> reward
model -> PPO-ptx with rolling publishes, while a client streams. `--full` runs it at full length."""

import subprocess
import sys
from pathlib import Path

from daemon import ROOT, Daemon, default_model
from harness import Skip, main, test

FULL = "--full" in sys.argv


@test
def the_tutorial_publishes_policies_and_disturbs_no_stream():
    if not Path(default_model()).exists():
        raise Skip("the default model is not in the cache")
    size = [] if FULL else ["--small"]
    with Daemon() as d:
        done = subprocess.run(
            [ROOT / "examples/teach/teach", *size, "--url", d.url, "--data-dir",
             d.data_dir + "/data", "--out", d.data_dir + "/teach"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(done.stdout)
        assert done.returncode == 0, f"exit status {done.returncode}"
        assert "streamed meanwhile:" in done.stdout and " 0 in trouble" in done.stdout


if __name__ == "__main__":
    main()
