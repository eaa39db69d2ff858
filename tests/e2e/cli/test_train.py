"""The training commands against a real daemon with a tiny model made by `instruct model new`: from a
file of demonstrations to a policy that serves, and out again as model files."""

import json
import os
import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import daemon
import harness
from harness import Skip, check, equal, test
from program import Terminal, environment, instruct

QUICK = ("--set", "n_epochs=2", "--set", "batch_size=8", "--set", "learning_rate=1e-3", "--set",
         "dropout=0", "--seed", "1")


class Target:
    """A daemon that serves a tiny model, and data to teach it."""

    def __init__(self, where):
        self.where = Path(where)
        self.model = self.where / "model"
        done = instruct("model", "new", "--arch", "llama", "--layers", "2", "--dim", "32", "--heads",
                        "2", "--context", "128", "--seed", "3", "--out", str(self.model))
        equal("model new", (done.code, done.err), (0, ""))
        self.base = done.out.strip()
        self.daemon = daemon.Daemon("--kv-memory", "64MiB", model=str(self.model))
        self.url = self.daemon.url
        self.env = environment(INSTRUCTD_URL=self.url, INSTRUCTD_API_KEY=self.daemon.admin_key())
        draw = random.Random(5)
        self.demos = self._write("demos.jsonl", (
            {"prompt": f"say {n}:", "completion": f" {n * 7 % 10}"}
            for n in (draw.randrange(100) for _ in range(48))))
        self.rankings = self._write("rankings.jsonl", (
            {"prompt": f"say {n}:", "chosen": f" {n}", "rejected": f" {n} and more words"}
            for n in range(32)))

    def _write(self, name, rows):
        path = self.where / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return str(path)

    def run(self, *arguments, stdin=b""):
        return instruct(*arguments, stdin=stdin, env=self.env)

    def ok(self, *arguments, stdin=b""):
        """stdout of a call that must succeed."""
        done = self.run(*arguments, stdin=stdin)
        equal(f"exit code of {arguments} ({done.err.strip()})", done.code, 0)
        return done.out

    def json(self, *arguments):
        return [json.loads(line) for line in self.ok(*arguments, "--json").splitlines()]

    def train(self, *more):
        """Waits for a supervised job; its object at the end."""
        return self.json("train", "supervised", "-m", "instruct", "-f", self.demos, *QUICK,
                         *more)[-1]

    def serving(self):
        return self.json("aliases", "show", "instruct")[0]["policy"]


@test
def methods_are_those_of_the_plugin(target):
    rows = [line.split("\t") for line in target.ok("methods").splitlines()]
    check("supervised" in [row[0] for row in rows], repr(rows))
    check("imitate demonstrations" in [row[2] for row in rows], repr(rows))
    check("n_epochs\t16\t" in target.ok("methods", "supervised"), "n_epochs with its default")


@test
def a_bad_row_is_named_with_its_line(target):
    path = target.where / "bad.jsonl"
    path.write_text('{"prompt":"a","completion":"b"}\n{"prompt":"a"}\n')
    done = target.run("train", "supervised", "-m", "instruct", "-f", str(path))
    check(done.code == 1 and done.err.count("line 2") == 1, repr(done))


@test
def a_job_learns_and_its_policy_is_published(target):
    before = target.serving()
    job = target.train("--publish", "instruct")
    policy = job["fine_tuned_model"]
    equal("status", job["status"], "succeeded")
    equal("alias", target.serving(), policy)
    check(policy != before, "nothing was published")
    shown = target.json("policies", "show", policy)[0]
    equal("parent", shown["lineage"]["parent"], before)
    check(policy in target.ok("policies"), "it is in the list")
    metrics = target.json("jobs", "metrics", job["id"])[0]["columns"]
    check(metrics["loss"][-1] < metrics["loss"][0], f"loss went {metrics['loss']}")
    lines = target.ok("jobs", "metrics", job["id"]).splitlines()
    equal("rows", len(lines), len(metrics["step"]) + 1)
    check(job["id"] in target.ok("jobs"), "it is in the list")
    check(target.ok("jobs", "events", job["id"]), "it told something")


@test
def rollback_and_publish_move_the_alias(target):
    first = target.serving()
    job = target.train("--seed", "2")
    policy = job["fine_tuned_model"]
    equal("not published by itself", target.serving(), first)
    target.ok("publish", policy, "--reason", "by hand")
    equal("published", target.serving(), policy)
    target.ok("rollback", "--reason", "and back")
    equal("rolled back", target.serving(), first)
    history = target.ok("aliases", "history", "instruct")
    check("by hand" in history and "and back" in history, history)


@test
def a_seed_gives_the_same_policy(target):
    equal("second time", target.train("--seed", "9")["fine_tuned_model"],
          target.train("--seed", "9")["fine_tuned_model"])


@test
def an_export_serves_elsewhere(target):
    policy = target.serving()
    prompt = {"prompt": "say 12:", "temperature": 0, "max_tokens": 8, "return_token_ids": True}
    want = target.daemon.post("/v1/completions", prompt)["choices"][0]["token_ids"]
    for form in ("hf", "gguf"):
        out = target.where / f"export-{form}"
        target.ok("export", policy, "--format", form, "--out", str(out))
        with daemon.Daemon("--kv-memory", "64MiB", model=str(out)) as other:
            got = other.post("/v1/completions", prompt)["choices"][0]["token_ids"]
            equal(f"tokens of {form}", got, want)
    listed = json.loads((target.where / "export-hf" / "manifest.json").read_text())
    check(listed["format"].startswith("instructd-policy/"), repr(listed["format"]))


@test
def a_reward_model_scores(target):
    methods = target.ok("methods")
    if "reward_model\t" not in methods:
        raise Skip("the plugin has no reward_model yet")
    job = target.json("train", "reward_model", "-m", "instruct", "-f", target.rankings, "--set",
                      "batch_size=8", "--set", "learning_rate=1e-3", "--set", "n_epochs=4")[-1]
    equal("status", job["status"], "succeeded")
    pair = "".join(json.dumps({"prompt": "say 5:", "completion": c}) + "\n"
                   for c in (" 5", " 5 and more words"))
    scores = target.ok("rewards", "-m", job["fine_tuned_model"], stdin=pair.encode()).split()
    equal("scores", len(scores), 2)
    check(float(scores[0]) > float(scores[1]), f"the chosen kind scores {scores}")
    chat = [{"role": "user", "content": "say 5:"}, {"role": "assistant", "content": " 5"}]
    lines = (json.dumps({"messages": chat}), json.dumps({"prompt": chat[:1], "completion": " 5"}))
    equal("a chat, as messages and as arguments",
          target.ok("rewards", "-m", job["fine_tuned_model"], stdin="\n".join(lines).encode()),
          2 * target.ok("rewards", "-m", job["fine_tuned_model"], "say 5:", " 5"))
    for version in (1, 2):
        out = target.ok("publish", job["fine_tuned_model"], "--alias", "reward", "--create")
        check(out.endswith(f", version {version}\n"), out)
    shown = target.json("policies", "show", "reward")[0]
    equal("policy of the alias", shown["id"], job["fine_tuned_model"])


@test
def a_job_for_an_alias_of_the_other_kind_is_refused_before_it_is_made(target):
    jobs = target.ok("jobs")
    for method, data, alias, kinds in (
            ("reward_model", target.rankings, ["instruct"], ("scores", "writes")),
            ("supervised", target.demos, ["reward", "--create"], ("writes", "scores"))):
        done = target.run("train", method, "-m", "instruct", "-f", data, "--publish", *alias)
        why = (f"method.{method}.publish.alias: expected an alias for a model that {kinds[0]}, as "
               f'the method\'s does, found "{alias[0]}", which is for one that {kinds[1]}')
        check(done.code == 1 and why in done.err, repr(done))
    equal("jobs", target.ok("jobs"), jobs)


@test
def a_job_goes_on_when_its_terminal_leaves_and_can_be_cancelled(target):
    with Terminal("train", "supervised", "-m", "instruct", "-f", target.demos, *QUICK, "--set",
                  "n_epochs=1000", env=target.env) as terminal:
        terminal.wait_for(": supervised from instruct")
        job = terminal.shown().split(": supervised")[0].split()[-1]
        terminal.type("\x03")
        equal("exit code", terminal.end(), 130)
    check(target.json("jobs", "show", job)[0]["status"] in ("validating_files", "queued", "running"),
          "it went on")
    target.ok("jobs", "cancel", job)
    done = target.run("jobs", "events", job, "--follow")
    check(done.code == 6 and "cancelled" in done.err, repr(done))


@test
def files_of_jobs_are_listed_and_deleted(target):
    rows = [line.split("\t") for line in target.ok("files").splitlines()]
    check(any(row[1] == "demos.jsonl" and row[3] == "48" for row in rows), repr(rows))
    target.ok("files", "delete", *[row[0] for row in rows])
    equal("left", target.ok("files"), "")


def main():
    with tempfile.TemporaryDirectory(prefix="instruct-train-") as where:
        target = Target(where)
        with target.daemon:
            return harness.main(target)


if __name__ == "__main__":
    if not os.access(daemon.BINARY, os.X_OK):
        print(f"there is no {daemon.BINARY}")
        sys.exit(harness.close(0, 0, 1))
    sys.exit(main())
