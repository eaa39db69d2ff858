"""The people: prompts with consent become tasks, three labelers rank them through kills of the daemon,
votes are revealed, and what nobody agreed to share is nowhere in the database files.

   python3 tests/e2e/human.py [--full] [WORD...]     --full: 50 kills, all 252 instructions"""

import hashlib
import http.client
import itertools
import json
import os
import random
import re
import resource
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import harness
from daemon import ROOT, Daemon, tiny_model
from harness import Skip, check, equal, test
from keys import key_file, key_of

LABELERS = ("anna", "bert", "cleo")
GUARD_S = 120
KILLS = 5 if "--full" not in sys.argv else 50
MODELS = ("davinci", "davinci-superni-ft", "davinci-t0-ft", "davinci-self-instruct",
          "davinci-self-instruct-and-superni-ft", "text-davinci-001", "text-davinci-002",
          "text-davinci-003")

# Three trainers, a held-out labeler, a researcher, two users of the Playground, a client of the API.
PEOPLE = {**{name: "label:demo,label:rank" for name in LABELERS},
          "held": "label:rank,label:eval", "boss": "label:*,train", "user": "playground",
          "other": "playground", "api": "infer"}


class Scene:
    """A daemon on a tiny model that can be killed and started again on the same directory."""

    def __enter__(self):
        self.home = tempfile.TemporaryDirectory(prefix="instructd-human-")
        self.flags = ("--key-file", key_file(self.home.name, PEOPLE), "--log-level", "warn")
        self.model = tiny_model(self.home.name)
        self.daemon = Daemon(*self.flags, model=self.model)
        return self

    def __exit__(self, *why):
        try:
            self.daemon.__exit__(*why)
        finally:
            self.home.cleanup()

    def ask(self, method, path, who, body=None, **headers):
        return self.daemon.request(method, path, body, {"X-Api-Key": key_of(who), **headers})

    def want(self, status, method, path, who, body=None, **headers):
        reply = self.ask(method, path, who, body, **headers)
        equal(f"{method} {path} by {who}: {reply.body[:300]!r}", reply.status, status)
        return reply.json() if reply.body else None

    def consent(self, who, choice):
        version = self.want(200, "GET", "/v1/me", who)["notice"]["version"]
        self.want(200, "PUT", "/v1/me/consent", who, {"notice_version": version, "choice": choice})

    def complete(self, who, prompt, **headers):
        self.want(200, "POST", "/v1/completions", who,
                  {"prompt": prompt, "max_tokens": 4, "temperature": 0}, **headers)

    def kill_and_restart(self):
        os.kill(self.daemon.pid, signal.SIGKILL)
        self.daemon.process.wait()
        self.daemon.start()

    def on_disk(self, text):
        """Is the text in any file of the database?"""
        files = list(Path(self.daemon.data_dir, "data").glob("instructd.db*"))
        check(files, "there is no database")
        return any(text.encode() in file.read_bytes() for file in files)


def ranking(task, name):
    ids = [output["id"] for output in task["outputs"]]
    return {"submission_id": name, "task_id": task["id"], "shown": ids,
            "ratings": [{"output_id": i, "overall_quality": 4, "flags": {"hallucination": None}}
                        for i in ids],
            "groups": [sorted(ids)[:2], *[[i] for i in sorted(ids)[2:]]],
            "elapsed_ms": {"rate": 10, "rank": 20}}


def await_task(scene, who, kind="rank"):
    """The labeler's next task, once the background has drawn its outputs."""
    guard = time.monotonic() + GUARD_S
    while time.monotonic() < guard:
        reply = scene.ask("GET", f"/v1/labels/tasks/next?kind={kind}", who)
        if reply.status == 200:
            return reply.json()
        equal("status of next", reply.status, 204)
        time.sleep(0.05)
    raise AssertionError("no task came")


@test
def what_nobody_agreed_to_share_is_nowhere_in_the_database_files():
    with Scene() as scene:
        scene.complete("user", "SECRET-before-any-choice")
        scene.consent("user", "share")
        scene.consent("other", "share")
        scene.complete("user", "SHARED-by-user")
        scene.complete("other", "SHARED-then-deleted")
        scene.complete("api", "SECRET-of-the-api")
        scene.daemon.request("POST", "/v1/completions",
                             {"prompt": "SECRET-without-a-key", "max_tokens": 2})
        scene.consent("user", "decline")
        scene.complete("user", "SECRET-after-declining")
        scene.want(200, "DELETE", "/v1/me/data", "other")
        for text in ("SECRET-before-any-choice", "SECRET-of-the-api", "SECRET-without-a-key",
                     "SECRET-after-declining", "SHARED-then-deleted"):
            check(not scene.on_disk(text), f"{text} is in the database")
        check(scene.on_disk("SHARED-by-user"), "the search finds nothing at all")


@test
def no_acknowledged_label_is_lost_when_the_daemon_is_killed():
    with Scene() as scene:
        scene.consent("user", "share")
        for i in range(4):
            scene.complete("user", f"prompt number {i}")
        made = scene.want(201, "POST", "/v1/labels/tasks", "boss",
                          {"kind": "rank", "source": "captured", "overlap": 3, "max_tokens": 4})
        equal("tasks", made["tasks"], 4)
        acknowledged = {}
        for turn in range(4):
            for who in LABELERS:
                task = await_task(scene, who)
                body = ranking(task, f"{who}-{turn}")
                done = scene.want(201, "POST", "/v1/labels/rankings", who, body)
                acknowledged[who, turn] = (body, done["id"])
            scene.kill_and_restart()
        equal("labels", len(acknowledged), 12)
        for (who, _), (body, label) in acknowledged.items():
            equal("a repeated submission", scene.want(200, "POST", "/v1/labels/rankings", who,
                                                      body)["id"], label)
            scene.want(409, "POST", "/v1/labels/rankings", who, body | {"submission_id": "again"})
        figures = scene.want(200, "GET", "/v1/labels/agreement", "boss")
        equal("agreement of labelers who all rank by id", figures["overall"]["agreement"], 1)
        equal("labelers", [row["labeler"] for row in figures["labelers"]], list(LABELERS))


class Writer(threading.Thread):
    """A labeler who submits one demonstration after the other until the daemon is gone."""

    def __init__(self, scene, who, turn):
        super().__init__()
        self.scene, self.who, self.turn = scene, who, turn
        self.acknowledged, self.wrong = {}, []
        self.first = threading.Event()

    def body(self, i):
        return {"submission_id": f"{self.turn}-{i}", "prompt_kind": "plain", "category": "chat",
                "source": "written", "prompt": f"{self.who} {self.turn} {i}?", "completion": "Yes."}

    def run(self):
        for i in itertools.count():
            body = self.body(i)
            try:
                reply = self.scene.ask("POST", "/v1/labels/demonstrations", self.who, body)
                label = reply.json()
            except (OSError, http.client.HTTPException, ValueError):
                return  # killed before its answer was whole: nothing was promised
            if reply.status != 201:
                self.wrong.append((reply.status, label))
                return
            self.acknowledged[i] = label["id"]
            self.first.set()


@test
def what_was_acknowledged_before_a_kill_in_the_midst_of_submits_is_there():
    draw = random.Random(4)
    with Scene() as scene:
        for turn in range(KILLS):
            writers = [Writer(scene, who, turn) for who in LABELERS]
            for writer in writers:
                writer.start()
            for writer in writers:
                check(writer.first.wait(GUARD_S), f"{writer.who} gets no answer")
            time.sleep(draw.uniform(0, 0.3))
            os.kill(scene.daemon.pid, signal.SIGKILL)
            for writer in writers:
                writer.join()
            scene.daemon.process.wait()
            scene.daemon.start()
            for writer in writers:
                equal("refusals", writer.wrong, [])
                for i, label in writer.acknowledged.items():
                    equal("a repeated submission", scene.want(
                        200, "POST", "/v1/labels/demonstrations", writer.who,
                        writer.body(i))["id"], label)


@test
def a_disk_that_takes_nothing_refuses_labels_and_stops_nobody():
    with Scene() as scene:
        kept, refused = (Writer(scene, "anna", turn).body(0) for turn in ("before", "full"))
        label = scene.want(201, "POST", "/v1/labels/demonstrations", "anna", kept)["id"]
        _, most = resource.prlimit(scene.daemon.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(scene.daemon.pid, resource.RLIMIT_FSIZE, (0, most))
        told = scene.want(503, "POST", "/v1/labels/demonstrations", "anna", refused)
        equal("type", told["error"]["type"], "unavailable_error")
        equal("a repeated one", scene.want(200, "POST", "/v1/labels/demonstrations", "anna",
                                           kept)["id"], label)
        scene.want(503, "PUT", "/v1/me/consent", "user", {"notice_version": 1, "choice": "share"})
        equal("no choice", scene.want(200, "GET", "/v1/me", "user")["notice"]["choice"], None)
        scene.complete("api", "who is there")
        resource.prlimit(scene.daemon.pid, resource.RLIMIT_FSIZE, (most, most))
        label = scene.want(201, "POST", "/v1/labels/demonstrations", "anna", refused)["id"]
        scene.consent("user", "share")
        scene.kill_and_restart()
        equal("behind a kill", scene.want(200, "POST", "/v1/labels/demonstrations", "anna",
                                          refused)["id"], label)


@test
def outputs_come_in_another_order_for_each_labeler_and_tell_no_policy():
    with Scene() as scene:
        scene.consent("user", "share")
        scene.complete("user", "one prompt")
        scene.want(201, "POST", "/v1/labels/tasks", "boss",
                   {"kind": "rank", "source": "captured", "k": 9, "overlap": 3, "max_tokens": 4})
        tasks = [await_task(scene, who) for who in LABELERS]
        orders = {tuple(output["id"] for output in task["outputs"]) for task in tasks}
        check(len(orders) > 1, "all see the same order")
        equal("outputs", {len(order) for order in orders}, {9})
        check("pol_" not in str(tasks), "a policy shows")
        equal("the same task again", await_task(scene, LABELERS[0]), tasks[0] | {
            "lease_expires_at": await_task(scene, LABELERS[0])["lease_expires_at"]})


@test
def a_vote_reveals_both_policies_and_locks():
    with Scene() as scene:
        for name in ("left", "right"):
            scene.complete("user", "which is better", **{"X-Request-Id": name})
        vote = {"left": {"request_id": "left"}, "right": {"request_id": "right"}, "vote": "a",
                "blind": True, "shown_left": "a"}
        told = scene.want(201, "POST", "/v1/votes", "user", vote)
        check(re.fullmatch(r"pol_[0-9a-f]{16}", told["left"]["policy"]), str(told))
        equal("alias", told["right"]["alias"], "instruct")
        scene.want(409, "POST", "/v1/votes", "user", vote)
        scene.want(404, "POST", "/v1/votes", "other", vote)


@test
def a_heldout_labeler_gets_eval_tasks_alone():
    with Scene() as scene:
        scene.consent("user", "share")
        scene.complete("user", "judge me")
        scene.want(201, "POST", "/v1/labels/tasks", "boss",
                   {"kind": "eval", "source": "captured", "max_tokens": 4})
        scene.want(403, "GET", "/v1/labels/tasks/next?kind=rank", "held")
        task = await_task(scene, "held", "eval")
        equal("criterion", task["criterion_mode"], "truthful_harmless_first")
        scene.want(201, "POST", "/v1/labels/rankings", "held", ranking(task, "e1"))
        scene.want(403, "POST", "/v1/labels/demonstrations", "held",
                   {"submission_id": "d1", "prompt_kind": "plain", "prompt": "a",
                    "category": "chat", "completion": "b", "source": "written"})


@test
def toxicity_judgements_are_kept_apart_and_train_nothing():
    with Scene() as scene:
        scene.consent("user", "share")
        scene.complete("user", "a hostile beginning")
        batch = {"kind": "eval", "source": "captured", "max_tokens": 4}
        scene.want(201, "POST", "/v1/labels/tasks", "boss", batch | {"criterion_mode": "toxicity"})
        task = await_task(scene, "held", "eval")
        equal("criterion", task["criterion_mode"], "toxicity")
        body = ranking(task, "x1")
        told = scene.want(400, "POST", "/v1/labels/rankings", "held", body)
        equal("the field that is wrong", told["error"]["param"], "ratings[0].overall_quality")
        body["ratings"] = [{"output_id": output["id"], "toxicity": 2, "relative_toxicity": -1,
                            "continuity": 5} for output in task["outputs"]]
        label = scene.want(201, "POST", "/v1/labels/rankings", "held", body)["id"]
        scene.kill_and_restart()
        equal("repeated", scene.want(200, "POST", "/v1/labels/rankings", "held", body)["id"], label)
        equal("the same prompt as a general task", scene.want(
            201, "POST", "/v1/labels/tasks", "boss", batch)["tasks"], 1)
        sets = {kind: scene.want(201, "POST", "/v1/datasets", "boss",
                                 {"name": kind, "kind": kind})["counts"]
                for kind in ("rm", "eval", "toxicity")}
        none = {"train": 0, "valid": 0, "test": 0}
        equal("data sets", sets, {"rm": none, "eval": none, "toxicity": none | {"test": 1}})


@test
def what_was_done_is_told_as_a_chain_that_anybody_can_check():
    with Scene() as scene:
        scene.consent("user", "share")
        scene.complete("user", "a prompt that the audit does not hold")
        scene.want(201, "POST", "/v1/labels/tasks", "boss",
                   {"kind": "demo", "source": "captured"})
        scene.want(201, "POST", "/v1/datasets", "boss", {"name": "p", "kind": "ppo"})
        scene.kill_and_restart()
        scene.want(200, "DELETE", "/v1/me/data", "user")
        scene.want(403, "GET", "/v1/audit", "boss")
        text = scene.daemon.request("GET", "/v1/audit?limit=100", headers={
            "X-Api-Key": scene.daemon.admin_key()}).body.decode()
        check("a prompt that" not in text, "text in the audit")
        rows = json.loads(text)["data"][::-1]
        prev = "0" * 64
        for i, row in enumerate(rows):
            told = {name: row[name] for name in ("seq", "at", "actor", "event", "object")}
            line = json.dumps(told, separators=(",", ":"), ensure_ascii=False)
            prev = hashlib.sha256((prev + line).encode()).hexdigest()
            equal(f"hash of row {i + 1}", (row["seq"], row["hash"]), (i + 1, prev))
        acts = [(row["actor"], row["event"]) for row in rows]
        wanted = [("user", "consent.share"), ("boss", "tasks.made"), ("boss", "dataset.built"),
                  ("user", "data.deleted")]
        equal("what people did", [act for act in acts if act in wanted], wanted)
        check(scene.on_disk("data.deleted"), "the search finds nothing at all")


def eight_models_answers(n):
    """Lines of tasks: an instruction, and what each of the models answered."""
    folder = Path(os.environ.get("INSTRUCTD_SHARED", ROOT.parent / "shared"),
                  "data/labelled/self_instruct_predictions")
    if not folder.exists():
        raise Skip(f"{folder} is absent")
    answers = [[json.loads(line) for line in
                (folder / f"{model}_predictions.jsonl").read_text().splitlines()]
               for model in MODELS]
    for of_all in list(zip(*answers))[:n]:
        outputs = [{"id": model, "policy": model, "text": answer["response"]}
                   for model, answer in zip(MODELS, of_all)]
        yield json.dumps({"prompt": of_all[0]["prompt"], "outputs": outputs,
                          "groups": [list(MODELS)]}) + "\n"


def upload(scene, name, text):
    """As multipart/form-data; the file's id."""
    bound = "----of-the-form"
    body = (f'--{bound}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'
            f'--{bound}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            f'\r\n{text}\r\n--{bound}--\r\n').encode()
    return scene.want(200, "POST", "/v1/files", "boss", body,
                      **{"Content-Type": f"multipart/form-data; boundary={bound}"})["id"]


@test
def eight_models_answers_are_ranked_by_a_held_out_labeler_and_exported_only():
    """Their authors ask that nothing be trained on them; evaluation is what they are for."""
    with Scene() as scene:
        n = 252 if "--full" in sys.argv else 12
        lines = list(eight_models_answers(n))
        file = upload(scene, "answers.jsonl", "".join(lines))
        made = scene.want(201, "POST", "/v1/labels/tasks", "boss",
                          {"kind": "eval", "source": file, "limit": n})
        equal("tasks", made["tasks"], n)
        for i in range(n):
            task = await_task(scene, "held", "eval")
            equal("outputs", len(task["outputs"]), len(MODELS))
            check(not any(model in output["id"] for output in task["outputs"] for model in MODELS),
                  "a card tells its model")
            scene.want(201, "POST", "/v1/labels/rankings", "held", ranking(task, f"e{i}"))
        built = scene.want(201, "POST", "/v1/datasets", "boss", {"name": "eight", "kind": "eval"})
        equal("rows", built["counts"], {"train": 0, "valid": 0, "test": n})
        export = scene.ask("GET", f"/v1/datasets/{built['id']}/export", "boss")
        rows = [json.loads(line) for line in export.body.splitlines()]
        equal("instructions", {row["prompt"] for row in rows},
              {json.loads(line)["prompt"] for line in lines})
        equal("models", {o["policy"] for row in rows for o in row["outputs"]}, set(MODELS))
        pairs = scene.ask("GET", f"/v1/datasets/{built['id']}/export?format=trl_reward", "boss")
        equal("pairs of eight answers, two of them tied", len(pairs.body.splitlines()), n * 27)
        for kind in ("sft", "rm", "ppo"):
            counts = scene.want(201, "POST", "/v1/datasets", "boss",
                                {"name": kind, "kind": kind})["counts"]
            equal(f"rows to train on, {kind}", sum(counts.values()), 0)
        train = {"model": "instruct", "training_file": built["files"]["test"],
                 "method": {"type": "reward_model"}}
        job = scene.want(200, "POST", "/v1/fine_tuning/jobs", "boss", train)
        guard = time.monotonic() + GUARD_S
        while job["status"] not in ("succeeded", "failed", "cancelled"):
            check(time.monotonic() < guard, f"a job that ends, found {job}")
            time.sleep(0.05)
            job = scene.want(200, "GET", f"/v1/fine_tuning/jobs/{job['id']}", "boss")
        equal("a job that would train on them", (job["status"], job["error"]["param"]),
              ("failed", "training_file"))
        check("held-out" in job["error"]["message"], str(job["error"]))


if __name__ == "__main__":
    sys.exit(harness.main())
