"""The training side of the API in memory: enough for the client, scripted where a test
wants it so. A test replaces a route by setting a method of the object. Requests are kept, as in
scripted_server.py."""

import email.parser
import email.policy
import hashlib
import json
import re

from scripted_server import STREAM_HEAD, ScriptedServer, event, reply

METHODS = [
    {"type": "supervised", "plugin": "rlhf", "schema": {
        "type": "object", "description": "imitate demonstrations",
        "properties": {
            "hyperparameters": {"type": "object", "properties": {
                "n_epochs": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 16,
                             "description": "passes over the training file"},
                "learning_rate": {"type": "number", "exclusiveMinimum": 0, "maximum": 1,
                                  "default": 9.65e-6},
                "dropout": {"type": "number", "minimum": 0, "exclusiveMaximum": 1, "default": 0.2},
                "shuffle": {"type": "boolean", "default": True},
                "select_by": {"type": "string", "enum": ["rm_score", "valid_loss"],
                              "default": "rm_score"}}},
            "pretrain": {"type": "string"}, "reward_model": {"type": "string"},
            "preset": {"type": "string"}},
        "presets": {"rl_init": {"n_epochs": 2}}}},
    {"type": "ppo", "plugin": "rlhf", "schema": {
        "type": "object",
        "properties": {
            "hyperparameters": {"type": "object", "properties": {
                "kl_coef": {"type": "number", "minimum": 0, "default": 0.02}}},
            "reward_model": {"type": "string"}, "reference": {"type": "string"},
            "prompts": {"type": "string"}, "pretrain": {"type": "string"}}}},
    {"type": "noise", "plugin": "template", "schema": {
        "type": "object", "properties": {"hyperparameters": {"type": "object", "properties": {}}},
        "x-training-formats": []}},
]
OLD, NEW = "pol_00000000000000aa", "pol_00000000000000bb"


def error(status, code, message="no"):
    return reply(status, {"error": {"message": message, "type": "invalid_request_error",
                                    "param": None, "code": code}})


def listing(items, query=""):
    """A page of two, so that the client has to turn pages."""
    after = re.search(r"after=([\w-]+)", query)
    ids = [item.get("id") for item in items]
    first = ids.index(after[1]) + 1 if after else 0
    page = items[first:first + 2]
    return reply(200, {"object": "list", "data": page, "has_more": first + 2 < len(items)})


class FakeDaemon:
    """with FakeDaemon() as d: ...   d.events: what the SSE of a job sends; d.outcome: how it ends."""

    def __init__(self):
        self.files, self.jobs, self.contents = [], [], {}
        self.events = []        # (id, object) in order
        self.events_hang = False  # the stream stays open
        self.events_cut = None  # after how many the first connection breaks
        self.outcome = {"status": "succeeded", "fine_tuned_model": NEW}
        self.policy_files = {}
        self.alias = {"name": "instruct", "policy": OLD, "previous": None, "version": 3,
                      "in_flight": "pin", "updated_at": 1700000000, "updated_by": "admin"}
        self.file_error = None
        self.running_for = 0  # how often a job says that it is running
        self.server = ScriptedServer(self._answer)
        self.url = self.server.url

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.__exit__()

    def sent(self, method, path):
        """The requests of this method and path, in order."""
        return [r for r in self.server.requests
                if r.line.split()[0] == method and r.line.split()[1].split("?")[0] == path]

    def _answer(self, request, connection):
        method, target, _ = request.line.split()
        path, _, query = target.partition("?")
        for pattern, handler in ROUTES:
            found = re.fullmatch(pattern, f"{method} {path}")
            if found:
                script = getattr(self, handler)(request, query, *found.groups())
                return script(request, connection)
        return error(404, "not_found", f"no route {method} {path}")(request, connection)

    def list_methods(self, request, query):
        return reply(200, {"object": "list", "data": METHODS, "has_more": False})

    # ---- files

    def list_files(self, request, query):
        return listing(self.files, query)

    def add_file(self, request, query):
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
        parts = {p.get_param("name", header="content-disposition"): p for p in form.iter_parts()}
        body = parts["file"].get_payload(decode=True)
        file = {"id": f"file-{len(self.files)}", "object": "file", "bytes": len(body),
                "created_at": 1700000000, "filename": parts["file"].get_filename(),
                "purpose": parts["purpose"].get_payload(), "format": "supervised",
                "rows": body.count(b"\n"), "status": "processed", "status_details": None}
        if self.file_error:
            file.update(status="error", status_details=self.file_error, format=None)
        self.files.append(file)
        self.contents[file["id"]] = body
        return reply(200, file)

    def delete_file(self, request, query, name):
        self.files = [f for f in self.files if f["id"] != name]
        return reply(200, {"id": name, "object": "file", "deleted": True})

    # ---- jobs

    def list_jobs(self, request, query):
        return listing(self.jobs, query)

    def job_metrics(self, request, query, name):
        return reply(200, {"columns": {"step": [1, 2], "loss": [2.5, 1.25], "kl": [None, 0.5],
                                       "reward": [None, None]}})

    def job_checkpoints(self, request, query, name):
        return listing([{"id": "ftckpt-1", "step_number": 4, "fine_tuned_model_checkpoint": NEW,
                         "metrics": {"loss": 1.5}}])

    def add_job(self, request, query):
        job = {"id": f"ftjob-{len(self.jobs)}", "object": "fine_tuning.job", "status": "queued",
               "created_at": 1700000000, "fine_tuned_model": None, "error": None,
               "progress": {"done": 0, "total": 10}, **request.json()}
        self.jobs.append(job)
        return reply(200, job)

    def job(self, name):
        return next((j for j in self.jobs if j["id"] == name), None)

    def get_job(self, request, query, name):
        job = self.job(name)
        if not job:
            return error(404, "not_found", f"no job {name}")
        if self.running_for > 0:
            self.running_for -= 1
            job.update(status="running", progress={"done": 5, "total": 10})
        elif job["status"] not in ("cancelled", "paused"):
            job.update(self.outcome)
        return reply(200, job)

    def steer_job(self, request, query, name, word):
        job = self.job(name)
        if job["status"] == "succeeded":
            return error(409, "state_conflict", f"{name} has succeeded")
        job["status"] = {"cancel": "cancelled", "pause": "paused", "resume": "running"}[word]
        return reply(200, job)

    def job_events(self, request, query, name):
        if "text/event-stream" not in request.headers.get("accept", ""):
            return listing([{"id": f"ftevent-{i}", **e} for i, e in reversed(self.events)], query)
        seen = int(request.headers.get("last-event-id", 0))

        def script(_, connection):
            connection.sendall(STREAM_HEAD)
            sent = 0
            for number, item in self.events:
                if number <= seen:
                    continue
                if self.events_cut is not None and sent == self.events_cut:
                    self.events_cut = None
                    return False
                connection.sendall(f"id: {number}\n".encode() + event(item))
                sent += 1
            if self.events_hang:
                self.server.closed_by_client.wait(120)
            return False
        return script

    # ---- policies, aliases

    def get_alias(self, request, query, name):
        if name != self.alias["name"]:
            return error(404, "not_found", f"no alias {name}")
        return reply(200, self.alias, ETag=f'"{self.alias["version"]}"')

    def put_alias(self, request, query, name):
        if request.headers.get("if-none-match") == "*":
            if name == self.alias["name"]:
                return error(412, "etag_mismatch", f"{name} exists")
            self.alias = {**self.alias, "name": name, "policy": None, "version": 0}
        elif request.headers.get("if-match") != f'"{self.alias["version"]}"':
            return error(412, "etag_mismatch", f"{name} is at version {self.alias['version']}")
        return self.move(request.json()["policy"])

    def move(self, policy):
        self.alias.update(previous=self.alias["policy"], policy=policy,
                          version=self.alias["version"] + 1)
        return reply(200, self.alias)

    def rollback(self, request, query, name):
        return self.move(request.json().get("to") or self.alias["previous"])

    def get_policy(self, request, query, name):
        return reply(200, {"id": name}) if name == OLD else error(404, "not_found", f"no {name}")

    def delete_policy(self, request, query, name):
        if name != OLD:
            return error(409, "state_conflict", f"policy {name} serves as instruct")
        return reply(200, {"id": name, "object": "policy", "deleted": True})

    def list_policy_files(self, request, query, name):
        data = [{"name": n, "bytes": len(b), "sha256": hashlib.sha256(b).hexdigest()}
                for n, b in self.policy_files.items()]
        return reply(200, {"object": "list", "data": data})

    def get_policy_file(self, request, query, name, file):
        return reply(200, self.policy_files[file], "application/octet-stream")

    def rewards(self, request, query):
        body = request.json()
        answers = [item["messages"][-1]["content"] if "messages" in item else item["completion"]
                   for item in body["input"]]
        data = [{"object": "reward", "index": i, "reward": len(answer) / 8}
                for i, answer in enumerate(answers)]
        return reply(200, {"object": "list", "model": body["model"], "data": data})


JOBS = r"/v1/fine_tuning/jobs"
ROUTES = [
    (r"GET /v1/fine_tuning/methods", "list_methods"),
    (r"POST /v1/files", "add_file"),
    (r"GET /v1/files", "list_files"),
    (r"DELETE /v1/files/([\w-]+)", "delete_file"),
    (rf"POST {JOBS}", "add_job"),
    (rf"GET {JOBS}", "list_jobs"),
    (rf"GET {JOBS}/([\w-]+)", "get_job"),
    (rf"POST {JOBS}/([\w-]+)/(cancel|pause|resume)", "steer_job"),
    (rf"GET {JOBS}/([\w-]+)/events", "job_events"),
    (rf"GET {JOBS}/([\w-]+)/metrics", "job_metrics"),
    (rf"GET {JOBS}/([\w-]+)/checkpoints", "job_checkpoints"),
    (r"GET /v1/aliases/([\w-]+)", "get_alias"),
    (r"PUT /v1/aliases/([\w-]+)", "put_alias"),
    (r"POST /v1/aliases/([\w-]+)/rollback", "rollback"),
    (r"GET /v1/policies/([\w-]+)", "get_policy"),
    (r"DELETE /v1/policies/([\w-]+)", "delete_policy"),
    (r"GET /v1/policies/([\w-]+)/files", "list_policy_files"),
    (r"GET /v1/policies/([\w-]+)/files/([\w.-]+)", "get_policy_file"),
    (r"POST /v1/rewards", "rewards"),
]


def message(number, text, level="info"):
    return (number, {"object": "fine_tuning.job.event", "created_at": 1700000000, "level": level,
                     "type": "message", "message": text, "data": None})


def metrics(number, **values):
    return (number, {"object": "fine_tuning.job.event", "created_at": 1700000000, "level": "info",
                     "type": "metrics", "message": "", "data": values})
