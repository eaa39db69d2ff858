"""Publishing under load: an alias moves again and again while clients stream from it. No answer is
cut off, each comes from one policy from its first token to its last, and each, replayed under that
policy, has the log-probs that were sent.

    publish_live.py [--full] [--publishes N] [--streams N]      (the issue's own figures: --full)
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from daemon import ROOT, Daemon
from harness import check, close

options = argparse.ArgumentParser()
options.add_argument("--full", action="store_true", help="200 publishes, every answer replayed")
options.add_argument("--publishes", type=int)
options.add_argument("--streams", type=int, default=32)

POLICIES = 2  # beside the base model: the three that an alias keeps on disk
CONTEXT, MAX_PROMPT, MAX_TOKENS = 256, 40, 64
REPLAYS_A_POLICY = 60  # without --full
LOGPROB_TOLERANCE = 1e-5


class Answer:
    def __init__(self, policy, prompt, tokens, logprobs):
        self.policy, self.prompt, self.tokens, self.logprobs = policy, prompt, tokens, logprobs


class Run:
    """What the clients saw."""

    def __init__(self):
        self.answers = []
        self.aborted = []
        self.mixed = []
        self.stop = False


def make_model(directory):
    path = directory + "/tiny"
    subprocess.run([str(ROOT / "build/bin/instruct"), "model", "new", "--arch", "llama", "--layers",
                    "2", "--dim", "64", "--heads", "4", "--context", str(CONTEXT), "--out", path],
                   check=True, stdout=subprocess.DEVNULL)
    return path


def publish_some(model, ids):
    """A prepare function for Daemon: puts policies into its data directory."""
    def prepare(data_dir):
        made = subprocess.run([str(ROOT / "build/bin/publish-policies"), data_dir, model,
                               str(POLICIES), "0.02"], check=True, stdout=subprocess.PIPE, text=True)
        ids.extend(made.stdout.split())
    return prepare


# ---- clients ----

def request_bytes(prompt, rng):
    body = json.dumps({"model": "instruct", "prompt": prompt, "stream": True, "temperature": 1,
                       "seed": rng.randrange(1 << 30), "logprobs": 0, "ignore_eos": True,
                       "max_tokens": rng.randrange(8, MAX_TOKENS), "return_token_ids": True}).encode()
    return (b"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)) + body


def read_reply(raw):
    """(policy of the head, events) of a whole streamed reply; raises if it is not whole."""
    head, _, body = raw.partition(b"\r\n\r\n")
    check(head.startswith(b"HTTP/1.1 200"), f"{raw[:300]!r}")
    check(b"data: [DONE]\n\n" in body, f"no [DONE] after {body[-300:]!r}")
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    events = [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: {")]
    check(all("error" not in e for e in events), f"an error among the events: {events[-1]}")
    return fields[b"x-instructd-policy"].decode(), events


def take(run, raw, prompt):
    try:
        policy, events = read_reply(raw)
    except (AssertionError, ValueError, KeyError) as why:
        run.aborted.append(str(why))
        return
    models = {e["model"] for e in events}
    if models != {f"instruct@{policy}"}:
        run.mixed.append(f"{policy}: {models}")
    choices = [c for e in events for c in e["choices"]]
    tokens = [t for c in choices for t in c.get("token_ids") or []]
    logprobs = [p for c in choices if c["logprobs"] for p in c["logprobs"]["token_logprobs"]]
    if len(tokens) != len(logprobs) or not tokens:
        run.aborted.append(f"{len(tokens)} tokens with {len(logprobs)} log-probs")
    run.answers.append(Answer(policy, prompt, tokens, logprobs))


async def client(port, run, seed):
    rng = random.Random(seed)
    while not run.stop:
        prompt = [rng.randrange(256) for _ in range(rng.randrange(1, MAX_PROMPT))]
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request_bytes(prompt, rng))
            raw = await reader.read(-1)
            writer.close()
        except OSError as why:
            run.aborted.append(f"{why}")
            continue
        take(run, raw, prompt)


# ---- publishing ----

def move(daemon, policy):
    """Points the alias at the policy with the version that it has now."""
    key = {"X-Api-Key": daemon.admin_key()}
    now = daemon.request("GET", "/v1/aliases/instruct")
    moved = daemon.request("PUT", "/v1/aliases/instruct", {"policy": policy},
                           {"If-Match": now.headers["etag"], **key})
    check(moved.status == 200, f"PUT answered {moved.status}: {moved.body!r}")
    version = moved.json()["version"]
    check(version == now.json()["version"] + 1, f"version {version} after {now.body!r}")


def roll_back(daemon):
    key = {"X-Api-Key": daemon.admin_key()}
    reply = daemon.request("POST", "/v1/aliases/instruct/rollback", None, key)
    check(reply.status == 200, f"rollback answered {reply.status}: {reply.body!r}")


async def publish(daemon, run, ids, times):
    """Moves the alias, every fifth time back; waits for some answers in between."""
    rng = random.Random(1)
    for i in range(times):
        step = roll_back if i % 5 == 4 else lambda d: move(d, ids[rng.randrange(len(ids))])
        await asyncio.to_thread(step, daemon)
        wanted = len(run.answers) + rng.randrange(0, 12)
        while len(run.answers) < wanted and not run.aborted:
            await asyncio.sleep(0.005)
    run.stop = True


async def load(daemon, ids, times, streams):
    run = Run()
    clients = [client(daemon.port, run, seed) for seed in range(streams)]
    await asyncio.gather(publish(daemon, run, ids, times), *clients)
    return run


# ---- replaying ----

def replay_batch(daemon, policy, answers):
    """The largest difference between the log-probs that were sent and those of a replay."""
    reply = daemon.post("/v1/completions",
                        {"model": f"instruct@{policy}", "echo": True, "logprobs": 0,
                         "max_tokens": 0, "prompt": [a.prompt + a.tokens for a in answers]})
    worst = 0.0
    for answer, choice in zip(answers, reply["choices"]):
        again = choice["logprobs"]["token_logprobs"][len(answer.prompt):]
        check(len(again) == len(answer.logprobs), f"{len(again)} of {len(answer.logprobs)}")
        worst = max([worst] + [abs(a - b) for a, b in zip(again, answer.logprobs)])
    return worst


def replay(daemon, answers, full):
    worst = 0.0
    for policy in sorted({a.policy for a in answers}):
        mine = [a for a in answers if a.policy == policy]
        move(daemon, policy)  # a policy must be in memory to be pinned
        mine = mine if full else mine[:REPLAYS_A_POLICY]
        for at in range(0, len(mine), 32):
            worst = max(worst, replay_batch(daemon, policy, mine[at:at + 32]))
    return worst


def main():
    given = options.parse_args()
    times = given.publishes or (200 if given.full else 25)
    failures = []
    with tempfile.TemporaryDirectory() as directory:
        model, ids = make_model(directory), []
        with Daemon("--kv-memory", "64MiB", model=model, prepare=publish_some(model, ids)) as daemon:
            ids.append(daemon.request("GET", "/v1/aliases/instruct").json()["policy"])
            run = asyncio.run(load(daemon, ids, times, given.streams))
            daemon.wait_idle()
            worst = replay(daemon, run.answers, given.full)
            used = Counter(a.policy for a in run.answers)
            print(f"  {times} publishes under {given.streams} streams: {len(run.answers)} answers of "
                  f"{len(used)} policies, {len(run.aborted)} aborted, {len(run.mixed)} mixed, "
                  f"log-probs differ by {worst:.2g} at most")
            for what in (run.aborted, run.mixed):
                failures += what[:5]
            if len(used) < 2 or worst > LOGPROB_TOLERANCE or worst != worst:
                failures.append(f"{len(used)} policies answered; log-probs differ by {worst}")
    for failure in failures:
        print(f"  {failure}")
    return close(int(not failures), int(bool(failures)))


if __name__ == "__main__":
    sys.exit(main())
