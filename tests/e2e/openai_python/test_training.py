"""InstructGPT's three steps through the official openai client for Python, on a tiny model: from
demonstrations, rankings and prompts to an alias that moves while the daemon serves."""

import http.server
import json
import sys
import tempfile
import threading
import time

from pathlib import Path

import openai
from openai import OpenAI

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from daemon import Daemon, tiny_model  # noqa: E402
from harness import check, equal, main, test  # noqa: E402

GUARD_S = 300
SFT = {"n_epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "dropout": 0}
RM = {"n_epochs": 2, "batch_size": 8, "learning_rate": 1e-3}
PPO = {"episodes": 32, "batch_size": 8, "minibatch_size": 4, "max_response_tokens": 8,
       "learning_rate": 1e-4}


class Judge(http.server.BaseHTTPRequestHandler):
    """A reward endpoint that likes short completions; the first question it does not answer."""

    asked = []

    def do_POST(self):
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Judge.asked.append(question)
        if len(Judge.asked) == 1:
            self.send_error(503)
            return
        reply = json.dumps({"scores": [-len(c) for c in question["completions"]]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *arguments):
        pass


class Target:
    """What one step leaves for the next: `policy`, `reward_model`."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.client = OpenAI(base_url=daemon.url + "/v1", api_key=daemon.admin_key(), max_retries=0,
                             timeout=GUARD_S)
        self.demonstrations = self.upload("demos.jsonl", (
            {"messages": [{"role": "user", "content": f"say {n}"},
                          {"role": "assistant", "content": f"{n * 7 % 10}"}]} for n in range(32)))
        self.rankings = self.upload("rankings.jsonl", (
            {"prompt": f"say {n}:", "chosen": f" {n}", "rejected": f" {n} and more words"}
            for n in range(32)))
        self.prompts = self.upload("prompts.jsonl", ({"prompt": f"say {n}:"} for n in range(16)))
        self.policy = self.reward_model = None

    def upload(self, name, rows):
        text = "".join(json.dumps(row) + "\n" for row in rows).encode()
        file = self.client.files.create(file=(name, text), purpose="fine-tune")
        equal("status", file.status, "processed")
        return file.id

    def train(self, kind, file, hyperparameters, **more):
        """The job, once it has succeeded."""
        jobs = self.client.fine_tuning.jobs
        job = jobs.create(model=self.policy or "instruct", training_file=file, seed=1, method={
            "type": kind, kind: {"hyperparameters": hyperparameters, **more}})
        guard = time.monotonic() + GUARD_S
        while job.status not in ("succeeded", "failed", "cancelled"):
            check(time.monotonic() < guard, f"the job is still {job.status}")
            time.sleep(0.05)
            job = jobs.retrieve(job.id)
        equal("error", job.error, None)
        equal("status", job.status, "succeeded")
        return job

    def get(self, path):
        reply = self.daemon.request("GET", path, headers={"X-Api-Key": self.daemon.admin_key()})
        equal(f"status of {path}", reply.status, 200)
        return reply.json()

    def columns(self, job):
        return self.get(f"/v1/fine_tuning/jobs/{job.id}/metrics")["columns"]


@test
def a_file_must_have_the_format_of_the_method(target):
    for kind, file in (("supervised", target.rankings), ("reward_model", target.demonstrations),
                       ("pretrain", target.prompts)):
        try:
            target.train(kind, file, {})
        except openai.BadRequestError as error:
            equal("param", error.param, "training_file")
            check("expected a file of format " + kind in error.message, error.message)
        else:
            raise AssertionError(f"{kind} took {file}")


@test
def demonstrations_make_a_policy_that_its_name_serves(target):
    job = target.train("supervised", target.demonstrations, SFT)
    target.policy = job.fine_tuned_model
    loss = target.columns(job)["loss"]
    check(loss[-1] < loss[0], f"loss went {loss}")
    check(job.trained_tokens > 0, "no tokens were counted")
    answer = target.client.chat.completions.create(
        model=target.policy, messages=[{"role": "user", "content": "say 1"}], max_tokens=4)
    equal("model", answer.model, target.policy)
    points = list(target.client.fine_tuning.jobs.checkpoints.list(job.id))
    check(target.policy in [point.fine_tuned_model_checkpoint for point in points], repr(points))
    lineage = target.get(f"/v1/policies/{target.policy}")["lineage"]
    equal("made by", lineage["job"], job.id)


@test
def rankings_make_a_reward_model(target):
    job = target.train("reward_model", target.rankings, RM)
    target.reward_model = job.fine_tuned_model
    columns = target.columns(job)
    check(0 <= columns["rm_accuracy"][-1] <= 1, repr(columns))
    scores = target.daemon.post("/v1/rewards", {
        "model": target.reward_model, "input": [{"prompt": "say 1:", "completion": " 1"}]},
        {"X-Api-Key": target.daemon.admin_key()})
    equal("scores", len(scores["data"]), 1)


@test
def ppo_moves_the_alias_while_it_serves(target):
    before = target.get("/v1/aliases/instruct")
    job = target.train("ppo", target.prompts, PPO, reward_model=target.reward_model,
                       reference=target.policy,
                       publish={"alias": "instruct", "every": 2,
                                "gate": {"min_rm_delta": -100, "max_kl_ref": 100,
                                         "max_lm_loss_rise": 100}})
    after = target.get("/v1/aliases/instruct")
    check(after["version"] > before["version"], "the alias has not moved")
    equal("points at the result", after["policy"], job.fine_tuned_model)
    columns = target.columns(job)
    equal("iterations", columns["step"], [1, 2, 3, 4])
    equal("kl of the first", columns["kl"][0], 0)
    # rounding alone where the sampler computes in f32
    check(columns["sampler_mismatch"][0] < 1e-4, repr(columns["sampler_mismatch"]))
    answer = target.client.completions.create(model="instruct", prompt="say 1:", max_tokens=2)
    equal("model", answer.model, f"instruct@{job.fine_tuned_model}")
    gauge = target.daemon.metrics()["train_step"]
    equal("gauge", gauge, 4)


@test
def a_reward_may_come_from_an_endpoint_of_the_configuration(target):
    job = target.train("ppo", target.prompts, {**PPO, "episodes": 8}, reward_model="http:judge")
    check(len(Judge.asked) > 1, "the judge was not asked")
    asked = [question for question in Judge.asked if question["prompt"].startswith("say ")]
    equal("prompts", len(asked), len(Judge.asked))
    check(target.columns(job)["rm_score"][0] <= 0, "not the judge's scores")


@test
def a_job_may_compute_in_bf16(target):
    bf16 = {"compute": "bf16"}
    job = target.train("supervised", target.demonstrations, {**SFT, **bf16})
    equal("compute", job.to_dict()["hyperparameters"]["compute"], "bf16")
    loss = target.columns(job)["loss"]
    check(loss[-1] < loss[0], f"loss went {loss}")
    columns = target.columns(target.train("ppo", target.prompts, {**PPO, **bf16, "minibatch_size": 8},
                                          reward_model=target.reward_model))
    equal("kl of the first", columns["kl"][0], 0)
    equal("first ratios", columns["ratio_mean"], [1, 1, 1, 1])
    try:
        target.train("supervised", target.demonstrations, {**SFT, "compute": "fp16"})
    except openai.BadRequestError as error:
        equal("param", error.param, "method.supervised.hyperparameters.compute")
        check("f32" in error.message and "bf16" in error.message, error.message)
    else:
        raise AssertionError("fp16 was taken")


@test
def rollouts_drawn_while_the_policy_learns_are_the_same_every_time(target):
    jobs = [target.train("ppo", target.prompts, {**PPO, "max_staleness": 1},
                         reward_model=target.reward_model) for _ in range(2)]
    first, again = (target.columns(job) for job in jobs)
    equal("staleness", first["staleness"], [0, 1, 1, 1])
    for name in ("rm_score", "kl", "loss", "value_loss", "sampler_mismatch", "is_weight_mean"):
        equal(name, again[name], first[name])


@test
def a_policy_that_lies_on_disk_alone_is_trained_into_a_new_name(target):
    """The gate of a name that does not exist yet draws from the job's own model."""
    target.daemon.stop()
    target.daemon.start()
    check(not target.get(f"/v1/policies/{target.policy}")["resident"], "it was loaded at the start")
    job = target.train("ppo", target.prompts, {**PPO, "episodes": 8},
                       reward_model=target.reward_model,
                       publish={"alias": "fresh", "gate": {"min_rm_delta": -100, "max_kl_ref": 100,
                                                           "max_lm_loss_rise": 100}})
    equal("points at the result", target.get("/v1/aliases/fresh")["policy"], job.fine_tuned_model)


if __name__ == "__main__":
    judge = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Judge)
    threading.Thread(target=judge.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as where:
        with Daemon("--kv-memory", "64MiB", "--reward",
                    f"judge=http://127.0.0.1:{judge.server_port}/score",
                    model=tiny_model(where)) as started:
            status = main(Target(started))
    sys.exit(status)
