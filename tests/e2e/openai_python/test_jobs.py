"""Training jobs through the official openai client for Python. The plugin is tests/plugins/
echo_steps.c, whose hyperparameters say what happens, so that each state lasts as long as a test
needs it."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import openai
from openai import OpenAI

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from daemon import BINARY, Daemon, tiny_model  # noqa: E402
from harness import check, equal, main, test  # noqa: E402

PLUGINS = str(Path(BINARY).parents[1] / "tests/plugins")
GUARD_S = 120


class Target:
    def __init__(self, daemon, lines=b"step\nstep\n", model=None):
        self.daemon, self.model = daemon, model
        self.client = OpenAI(base_url=daemon.url + "/v1", api_key=daemon.admin_key(), max_retries=0,
                             timeout=GUARD_S)
        self.jobs = self.client.fine_tuning.jobs
        self.file = self.client.files.create(file=("lines.txt", lines), purpose="fine-tune").id

    def create(self, *, deed="none", numbers=None, **fields):
        method = {"type": "echo_steps",
                  "echo_steps": {"hyperparameters": numbers or {}, "deed": deed}}
        return self.jobs.create(**{"model": "instruct", "training_file": self.file,
                                   "method": method, **fields})

    def await_status(self, job_id, *wanted):
        """The job, once its status is one of these."""
        guard = time.monotonic() + GUARD_S
        while time.monotonic() < guard:
            job = self.jobs.retrieve(job_id)
            if job.status in wanted:
                return job
            time.sleep(0.01)
        raise AssertionError(f"the job is {job.status}, expected {wanted}: {job.error}")

    def await_step(self, job_id, step):
        while self.jobs.retrieve(job_id).progress["done"] < step:
            time.sleep(0.01)


def refused(kind, call, *, code, param=None):
    try:
        call()
    except kind as error:
        equal("code", error.code, code)
        equal("param", error.param, param)
        return str(error)
    raise AssertionError(f"expected {kind.__name__}, but the request was answered")


LONG = {"n_steps": 1000000, "step_ms": 5}


@test
def a_job_is_created_followed_and_found_again(target):
    job = target.create(numbers={"n_steps": 4, "step_ms": "auto"}, seed=11, suffix="mine",
                        metadata={"team": "a"})
    equal("object", job.object, "fine_tuning.job")
    equal("status", job.status, "validating_files")
    equal("trained_tokens", job.trained_tokens, None)
    equal("finished_at", job.finished_at, None)
    equal("model", job.model, "instruct")
    equal("training_file", job.training_file, target.file)
    equal("seed, metadata", (job.seed, job.metadata), (11, {"team": "a"}))
    equal("result_files", job.result_files, [])
    equal("integrations", job.integrations, None)
    equal("method", job.method.type, "echo_steps")
    equal("defaults filled in", job.to_dict()["hyperparameters"],
          {"n_steps": 4, "step_ms": 0, "at_step": 1})

    job = target.await_status(job.id, "succeeded", "failed")
    equal("error", job.error, None)
    equal("trained_tokens", job.trained_tokens, 40)
    check(job.finished_at >= job.created_at, "finished before it was created")
    check(job.id in [other.id for other in target.jobs.list()], "it is not in the list")


@test
def its_events_are_listed_newest_first(target):
    job = target.create(numbers={"n_steps": 2})
    target.await_status(job.id, "succeeded")
    last_words = "The job has successfully completed"  # they follow the last status
    while target.jobs.list_events(job.id, limit=1).data[0].message != last_words:
        time.sleep(0.01)
    events = list(target.jobs.list_events(job.id, limit=2))  # pages of two
    messages = [event.message for event in events]
    equal("first", messages[-1], f"Created fine-tuning job: {job.id}")
    equal("objects", {event.object for event in events}, {"fine_tuning.job.event"})
    check("Files validated, moving job to queued state" in messages, repr(messages))
    metrics = [event for event in events if event.type == "metrics"]
    equal("metrics", [event.data["step"] for event in metrics], [2, 1])
    equal("data", metrics[0].data, {"step": 2, "loss": 0.5, "reward": 2, "unknown": None})
    equal("ids differ", len({event.id for event in events}), len(events))


@test
def lists_come_in_pages(target):
    made = [target.create(numbers={"n_steps": 0}).id for _ in range(3)]
    for job_id in made:
        target.await_status(job_id, "succeeded")
    page = target.jobs.list(limit=1)
    check(page.has_more, "there is more")
    found = [job.id for job in page]  # the client asks for page after page
    equal("newest first", found[:3], made[::-1])
    equal("after", target.jobs.list(limit=1, after=made[2]).data[0].id, made[1])
    equal("checkpoints", list(target.jobs.checkpoints.list(made[0])), [])


@test
def the_old_hyperparameters_field_belongs_to_supervised(target):
    """No plugin here offers `supervised`: the refusal shows where the numbers went."""
    refused(openai.BadRequestError,
            lambda: target.jobs.create(model="instruct", training_file=target.file,
                                       hyperparameters={"n_epochs": 2}),
            code="invalid_value", param="method.type")


@test
def a_running_job_is_cancelled_and_then_over(target):
    job = target.create(numbers=LONG)
    target.await_status(job.id, "running")
    equal("status", target.jobs.cancel(job.id).status, "cancelled")
    for call in (target.jobs.cancel, target.jobs.pause, target.jobs.resume):
        message = refused(openai.ConflictError, lambda: call(job.id), code="state_conflict")
        check("cancelled" in message, message)
    equal("still", target.jobs.retrieve(job.id).status, "cancelled")


@test
def a_job_is_paused_and_goes_on_where_it_was(target):
    job = target.create(numbers={"n_steps": 150, "step_ms": 5})
    target.await_status(job.id, "running")
    target.await_step(job.id, 5)
    target.jobs.pause(job.id)
    target.await_status(job.id, "paused")
    check(target.jobs.resume(job.id).status in ("queued", "running"), "not queued again")
    target.await_status(job.id, "succeeded")
    reply = target.daemon.request("GET", f"/v1/fine_tuning/jobs/{job.id}/metrics",
                                  headers={"X-Api-Key": target.daemon.admin_key()}).json()
    equal("steps", reply["columns"]["step"], list(range(1, 151)))
    tail = target.daemon.request("GET", f"/v1/fine_tuning/jobs/{job.id}/metrics?since=148",
                                 headers={"X-Api-Key": target.daemon.admin_key()}).json()
    equal("since", tail["columns"]["step"], [149, 150])


@test
def a_second_job_waits_for_the_first(target):
    first = target.create(numbers=LONG)
    second = target.create(numbers={"n_steps": 1})
    target.await_status(first.id, "running")
    target.await_status(second.id, "queued")
    refused(openai.ConflictError, lambda: target.client.files.delete(target.file),
            code="state_conflict")
    target.jobs.cancel(first.id)
    target.await_status(second.id, "succeeded")


@test
def what_is_wrong_is_a_typed_error_that_names_the_field(target):
    bad = openai.BadRequestError
    path = "method.echo_steps.hyperparameters."
    refused(bad, lambda: target.create(numbers={"n_steps": -1}), code="invalid_value",
            param=path + "n_steps")
    refused(bad, lambda: target.create(numbers={"steps": 1}), code="unknown_parameter",
            param=path + "steps")
    refused(bad, lambda: target.create(deed="dance"), code="invalid_value",
            param="method.echo_steps.deed")
    refused(bad, lambda: target.create(extra_body={"colour": 1}), code="unknown_parameter",
            param="colour")
    refused(bad, lambda: target.create(training_file="file-none"), code="invalid_value",
            param="training_file")
    refused(bad, lambda: target.create(integrations=[{"type": "wandb", "wandb": {"project": "p"}}]),
            code="unsupported_parameter", param="integrations")
    refused(openai.NotFoundError, lambda: target.create(model="nobody"), code="model_not_found",
            param="model")
    for call in (target.jobs.retrieve, target.jobs.cancel, target.jobs.list_events,
                 target.jobs.checkpoints.list):
        refused(openai.NotFoundError, lambda: call("ftjob-none"), code="not_found")


@test
def a_file_of_another_format_is_refused_before_any_compute(target):
    other = target.client.files.create(file=("x.jsonl", b"stop\n"), purpose="fine-tune")
    equal("status", other.status, "error")
    message = refused(openai.BadRequestError, lambda: target.create(training_file=other.id),
                      code="invalid_value", param="training_file")
    check("line 1" in message, message)


@test
def jobs_that_fail_say_why(target):
    job = target.await_status(target.create(deed="refuse").id, "failed")
    equal("error", (job.error.code, job.error.param, job.error.message),
          ("invalid_value", "training_file", 'line 1: expected "step", found "step\nstep\n"'))
    job = target.await_status(target.create(deed="fail", numbers={"at_step": 2}).id, "failed")
    equal("error", (job.error.code, job.error.param, job.error.message),
          ("not_finite", None, "step 2: the loss is not finite"))


@test
def jobs_need_the_scope_to_train(target):
    stranger = OpenAI(base_url=target.daemon.url + "/v1", api_key="none", max_retries=0)
    refused(openai.AuthenticationError, lambda: stranger.fine_tuning.jobs.list(),
            code="missing_api_key")


@test
def a_stop_lets_the_job_go_on_at_the_next_start(target):
    job = target.create(numbers={"n_steps": 400, "step_ms": 5})
    target.await_step(job.id, 3)
    equal("exit status", target.daemon.stop(), 0)
    target.daemon.start()
    check(target.jobs.retrieve(job.id).status in ("running", "succeeded"), "it does not go on")
    target.await_status(job.id, "succeeded")


@test
def a_kill_lets_the_job_go_on_at_the_next_start(target):
    job = target.create(numbers={"n_steps": 400, "step_ms": 5})
    target.await_step(job.id, 3)
    target.daemon.kill()
    target.daemon.start()
    target.await_status(job.id, "succeeded")


def crash_and_start_again(target, serves):
    """The service manager's part is the test's. Seconds until it answered again."""
    job = target.create(deed="crash", numbers={"n_steps": 6, "at_step": 2})
    target.daemon.process.wait(GUARD_S)
    equal("ended by", target.daemon.process.returncode, -signal.SIGSEGV)
    begun = time.monotonic()
    target.daemon.start()
    answer = target.client.completions.create(model="instruct", prompt="a", max_tokens=1)
    took = time.monotonic() - begun
    equal("serving", answer.model, f"instruct@{serves}")
    target.await_status(job.id, "succeeded")
    return took


@test
def a_plugin_that_crashes_takes_the_daemon_down_and_what_was_published_serves_again(target):
    """INSTRUCTD_TEST_LONG=1: 100 times."""
    rounds = 100 if os.environ.get("INSTRUCTD_TEST_LONG") == "1" else 3
    published = []

    def publish(data_dir):
        tool = Path(BINARY).parent / "publish-policies"
        published.append(subprocess.run([str(tool), data_dir, target.model, "1"], check=True,
                                        stdout=subprocess.PIPE, text=True).stdout.strip())

    with Daemon("--plugin-dir", PLUGINS, "--kv-memory", "64MiB", model=target.model,
                prepare=publish) as daemon:
        moved = daemon.request("PUT", "/v1/aliases/instruct", {"policy": published[0]},
                               {"If-Match": "*", "X-Api-Key": daemon.admin_key()})
        equal("moved", moved.status, 200)
        own = Target(daemon, model=target.model)
        slowest = max(crash_and_start_again(own, published[0]) for _ in range(rounds))
    print(f"  {rounds} crashes, at most {slowest:.2f} s until it answered again")


@test
def the_template_is_a_plugin_that_works(target):
    folder = str(Path(BINARY).parents[1] / "lib/plugins/template")
    with Daemon("--plugin-dir", folder, "--kv-memory", "64MiB", model=target.model) as daemon:
        other = Target(daemon, b"one\nthree\nfive\n", target.model)
        job = other.jobs.create(model="instruct", training_file=other.file, method={
            "type": "template", "template": {"hyperparameters": {"n_epochs": 2, "step_lines": 2}}})
        job = other.await_status(job.id, "succeeded", "failed")
        equal("error", job.error, None)
        # lines of 4, 6 and 5 bytes, two a step: 10, 5 + 4, 6 + 5
        losses = [event.data["loss"] for event in other.jobs.list_events(job.id)
                  if event.type == "metrics"]
        equal("losses", losses[::-1], [5, 19 / 4, 5])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as where:
        model = tiny_model(where)
        with Daemon("--plugin-dir", PLUGINS, "--kv-memory", "64MiB", model=model) as started:
            status = main(Target(started, model=model))
    sys.exit(status)
