"""What people typed becomes files that training jobs take: the cap, one part a user, personal data,
opting out and deleting; and rankings of people, imported from Open-Assistant's trees by the command
line, train a reward model. A tiny random model serves."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import harness
from daemon import BINARY, ROOT, Daemon, tiny_model
from harness import Skip, check, equal, test
from keys import key_file, key_of

GUARD_S = 600  # a job that has not ended by then hangs
PREFIX = "Please summarise the following letter for a child of six, in two sentences: "
SECRET = "a word of an api client that is nowhere kept"
USERS = ["anna", "bert", "cleo", "dora"]
CLI = str(Path(BINARY).parent / "instruct")


def ask(daemon, user, prompt):
    reply = daemon.request("POST", "/v1/completions", {"prompt": prompt, "max_tokens": 1},
                           {"X-Api-Key": key_of(user)})
    equal(f"status of a prompt by {user}", reply.status, 200)


def choose(daemon, user, choice):
    headers = {"X-Api-Key": key_of(user)}
    version = daemon.request("GET", "/v1/me", headers=headers).json()["notice"]["version"]
    reply = daemon.request("PUT", "/v1/me/consent", {"notice_version": version, "choice": choice},
                           headers)
    equal(f"status of {user}'s choice", reply.status, 200)


def build(daemon, **request):
    request = {"name": "prompts", "kind": "ppo", "fractions": {"train": 1}, **request}
    reply = daemon.request("POST", "/v1/datasets", request, {"X-Api-Key": daemon.admin_key()})
    check(reply.status in (200, 201), f"{request} answered {reply.status}: {reply.body[:300]!r}")
    return reply.json()


def get(daemon, path):
    reply = daemon.request("GET", path, headers={"X-Api-Key": daemon.admin_key()})
    equal(f"status of {path}", reply.status, 200)
    return reply


def rows(daemon, dataset, split="train"):
    body = get(daemon, f"/v1/datasets/{dataset['id']}/export?split={split}").body
    return [json.loads(line) for line in body.splitlines()]


def prompts(daemon, dataset, split="train"):
    return [row["prompt"] for row in rows(daemon, dataset, split)]


def stage(dataset, name):
    return next(s for s in dataset["manifest"]["stages"] if s["stage"] == name)


def instruct(daemon, *arguments):
    return subprocess.run([CLI, *arguments, "--url", daemon.url, "--key", daemon.admin_key()],
                          check=True, stdout=subprocess.PIPE, text=True).stdout


def shared(name):
    path = Path(os.environ.get("INSTRUCTD_SHARED", ROOT.parent / "shared"), name)
    if not path.exists():
        raise Skip(f"{path} is absent")
    return str(path)


@test
def of_201_prompts_of_a_user_200_are_taken(daemon):
    choose(daemon, "anna", "share")
    for i in range(201):
        ask(daemon, "anna", f"<anna> wants {i}")
    dataset = build(daemon)
    cap = stage(dataset, "cap")
    equal("rows before and behind the cap", (cap["in"], cap["out"]), (201, 200))
    equal("rows", dataset["counts"]["train"], 200)


@test
def of_prompts_with_a_long_common_prefix_the_oldest_stays(daemon):
    choose(daemon, "bert", "share")
    choose(daemon, "cleo", "share")
    ask(daemon, "bert", PREFIX + "<bert> is well")
    ask(daemon, "cleo", PREFIX + "<cleo> is ill")
    found = [p for p in prompts(daemon, build(daemon)) if p.startswith(PREFIX)]
    equal("prompts of the prefix", found, [PREFIX + "<bert> is well"])


@test
def api_traffic_and_those_who_decline_are_nowhere(daemon):
    choose(daemon, "dora", "decline")
    ask(daemon, "robot", SECRET)
    ask(daemon, "dora", "<dora> keeps this to herself")
    text = json.dumps(prompts(daemon, build(daemon)))
    check(SECRET not in text and "<dora>" not in text, "a row that nobody gave")
    for path in Path(daemon.data_dir, "data").glob("instructd.db*"):
        content = path.read_bytes()
        check(SECRET.encode() not in content, f"API traffic in {path.name}")
        check(b"<dora>" not in content, f"a declined prompt in {path.name}")


@test
def personal_data_is_kept_out_of_the_training_file(daemon):
    ask(daemon, "cleo", "write to <cleo> at cleo@mail.org, please")
    dataset = build(daemon)
    check(not any("@" in p for p in prompts(daemon, dataset)), "an address in the training file")
    equal("what was found", stage(dataset, "pii")["kinds"], {"email": 1})
    held = build(daemon, fractions={"test": 1})
    check(any("@" in p for p in prompts(daemon, held, "test")), "other files keep it")


@test
def a_user_is_in_one_part_only(daemon):
    dataset = build(daemon, fractions={"train": 0.5, "valid": 0.25, "test": 0.25}, salt="s")
    seen = {}
    for part in ("train", "valid", "test"):
        for prompt in prompts(daemon, dataset, part):
            seen.setdefault(prompt.split("<")[1].split(">")[0], set()).add(part)
    check(len(seen) >= 2, f"several users, found {seen}")
    check(all(len(parts) == 1 for parts in seen.values()), f"users are disjoint, found {seen}")


@test
def the_same_rows_give_the_same_set(daemon):
    equal("the id", build(daemon)["id"], build(daemon)["id"])


@test
def opting_out_and_deleting_are_honoured_by_the_next_set(daemon):
    before = build(daemon)
    choose(daemon, "bert", "decline")
    reply = daemon.request("DELETE", "/v1/me/data", headers={"X-Api-Key": key_of("anna")})
    equal("status of the deletion", reply.status, 200)
    after = build(daemon)
    text = json.dumps(prompts(daemon, after))
    check("<anna>" not in text and "<bert>" not in text, "a row that was taken back")
    check("<cleo>" in text, "others' rows stay")
    consent = stage(after, "consent")
    check(consent["kinds"]["declined"] >= 1 and consent["kinds"]["erased"] == 201, str(consent))
    equal("rows that went in", consent["out"], consent["in"] - sum(consent["kinds"].values()))
    equal("the earlier set is stale", get(daemon, f"/v1/datasets/{before['id']}").json()["stale"],
          True)
    equal("the later one", after["stale"], False)


@test
def imported_rankings_train_a_reward_model(daemon):
    source = shared("data/labelled/oasst_en_99_trees.jsonl")
    dataset = json.loads(instruct(daemon, "data", "import", source, "--kind", "rm", "--name",
                                  "oasst", "--fractions", "0.8,0.1,0.1", "--json"))
    fit = stage(dataset, "fit")
    equal("prompters' messages, and groups", (fit["in"], fit["out"]), (477, 209))
    consent = stage(dataset, "consent")
    equal("a file's rows are nobody's to keep back", (consent["in"], consent["out"]), (477, 477))
    whole = json.loads(instruct(daemon, "data", "import", source, "--kind", "rm", "--name", "whole",
                                "--fractions", "0,0,1", "--json"))["manifest"]["files"]["test"]
    equal("groups and pairs", (whole["rows"], whole["pairs"]), (209, 745))
    counts = dataset["counts"]
    check(counts["train"] > 100 and counts["valid"] > 0 and counts["test"] > 0, f"found {counts}")
    with tempfile.TemporaryDirectory() as where:
        pairs = Path(where, "pairs.jsonl")
        instruct(daemon, "data", "export", dataset["id"], "--format", "openai_dpo", "--out",
                 str(pairs))
        equal("pairs", len(pairs.read_text().splitlines()),
              dataset["manifest"]["files"]["train"]["pairs"])
    job = daemon.request("POST", "/v1/fine_tuning/jobs", {
        "model": "instruct", "training_file": dataset["files"]["train"],
        "validation_file": dataset["files"]["valid"],
        "method": {"type": "reward_model", "reward_model": {"hyperparameters": {
            "n_epochs": 1, "batch_size": 16, "max_prompt_tokens": 32,
            "max_response_tokens": 32}}}}, {"X-Api-Key": daemon.admin_key()}).json()
    guard = time.monotonic() + GUARD_S
    while job.get("status") not in ("succeeded", "failed", "cancelled"):
        check("id" in job and time.monotonic() < guard, f"a job that ends, found {job}")
        time.sleep(0.2)
        job = get(daemon, f"/v1/fine_tuning/jobs/{job['id']}").json()
    equal(f"status ({job['error']})", job["status"], "succeeded")
    policy = get(daemon, f"/v1/policies/{job['fine_tuned_model']}").json()
    equal("stage", policy["stage"], "rm")


def main():
    with tempfile.TemporaryDirectory() as where:
        model = tiny_model(where)
        with Daemon("--key-file", key_file(where, {**{user: "playground" for user in USERS}, "robot": "infer"}), model=model) as daemon:
            return harness.main(daemon)


if __name__ == "__main__":
    sys.exit(main())
