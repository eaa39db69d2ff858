"""Publishing under load: an alias moves again and again while clients stream from it. No answer is
cut off, each comes from one policy from its first token to its last, and each, replayed under that
policy, has the log-probs that were sent. Then the same with in_flight "recompute": answers move with
the alias, and each of their policy_spans replays under its own policy.

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
    """spans: [(policy, first token, end)], which cover the tokens."""

    def __init__(self, spans, prompt, tokens, logprobs):
        self.spans, self.prompt, self.tokens, self.logprobs = spans, prompt, tokens, logprobs


class Run:
    """What the clients saw."""

    def __init__(self, recompute):
        self.recompute = recompute  # answers may have several spans
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
    told = [c["policy_spans"] for c in choices if "policy_spans" in c]
    if len(told) != run.recompute:
        run.mixed.append(f"policy_spans came {len(told)} times")
        return
    starts = [(s["policy"], s["from"]) for s in told[0]] if told else [(policy, 0)]
    ends = [start for _, start in starts[1:]] + [len(tokens)]
    spans = [(p, start, end) for (p, start), end in zip(starts, ends)]
    run.answers.append(Answer(spans, prompt, tokens, logprobs))


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

def move(daemon, policy, **more):
    """Points the alias at the policy with the version that it has now."""
    key = {"X-Api-Key": daemon.admin_key()}
    now = daemon.request("GET", "/v1/aliases/instruct")
    moved = daemon.request("PUT", "/v1/aliases/instruct", {"policy": policy, **more},
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


async def load(daemon, ids, times, streams, recompute):
    run = Run(recompute)
    clients = [client(daemon.port, run, seed) for seed in range(streams)]
    await asyncio.gather(publish(daemon, run, ids, times), *clients)
    return run


# ---- replaying ----

def replay_batch(daemon, policy, spans):
    """The largest difference between the log-probs that were sent and those of a replay."""
    reply = daemon.post("/v1/completions",
                        {"model": f"instruct@{policy}", "echo": True, "logprobs": 0,
                         "max_tokens": 0, "prompt": [a.prompt + a.tokens[:end] for a, _, end in spans]})
    worst = 0.0
    for (answer, start, end), choice in zip(spans, reply["choices"]):
        again = choice["logprobs"]["token_logprobs"][len(answer.prompt) + start:]
        sent = answer.logprobs[start:end]
        check(len(again) == len(sent), f"{len(again)} of {len(sent)}")
        worst = max([worst] + [abs(a - b) for a, b in zip(again, sent)])
    return worst


def replay(daemon, answers, full):
    by_policy = {}
    for answer in answers:
        for policy, start, end in answer.spans:
            by_policy.setdefault(policy, []).append((answer, start, end))
    worst = 0.0
    for policy, spans in sorted(by_policy.items()):
        move(daemon, policy)  # a policy must be in memory to be pinned
        spans = spans if full else spans[:REPLAYS_A_POLICY]
        for at in range(0, len(spans), 32):
            worst = max(worst, replay_batch(daemon, policy, spans[at:at + 32]))
    return worst


def publish_under_load(daemon, ids, times, streams, full, recompute):
    """One line of what happened, and what was wrong with it."""
    move(daemon, ids[0], in_flight="recompute" if recompute else "pin")
    run = asyncio.run(load(daemon, ids, times, streams, recompute))
    daemon.wait_idle()
    worst = replay(daemon, run.answers, full)
    policies = Counter(policy for a in run.answers for policy, _, _ in a.spans)
    moved = sum(len(a.spans) > 1 for a in run.answers)
    print(f"  {'recompute' if recompute else 'pin'}: {times} publishes under {streams} streams: "
          f"{len(run.answers)} answers of {len(policies)} policies, {moved} moved, "
          f"{len(run.aborted)} aborted, {len(run.mixed)} mixed, log-probs differ by {worst:.2g} at "
          "most")
    failures = run.aborted[:5] + run.mixed[:5]
    if len(policies) < 2 or not worst <= LOGPROB_TOLERANCE or (moved > 0) != recompute:
        failures.append(f"{len(policies)} policies, {moved} moved, log-probs differ by {worst}")
    return failures


def main():
    given = options.parse_args()
    times = given.publishes or (200 if given.full else 25)
    passed = failed = 0
    with tempfile.TemporaryDirectory() as directory:
        model, ids = make_model(directory), []
        with Daemon("--kv-memory", "64MiB", model=model, prepare=publish_some(model, ids)) as daemon:
            ids.append(daemon.request("GET", "/v1/aliases/instruct").json()["policy"])
            for recompute in (False, True):
                failures = publish_under_load(daemon, ids, times, given.streams, given.full, recompute)
                for failure in failures:
                    print(f"  {failure}")
                failed += bool(failures)
                passed += not failures
    return close(passed, failed)


if __name__ == "__main__":
    sys.exit(main())
