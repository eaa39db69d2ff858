"""Training, publishing and export from the command line, against a daemon in memory
(fake_daemon.py). Needs the client only."""

import hashlib
import json
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness
from fake_daemon import METHODS, NEW, OLD, FakeDaemon, listing, message, metrics
from harness import check, equal, test
from program import Terminal, instruct, scratch_dir
from scripted_server import reply

DEMOS = '{"prompt":"a","completion":"b"}\n{"prompt":"c","completion":"d"}\n'


def run(daemon, *arguments, stdin=b""):
    return instruct("--url", daemon.url, *arguments, stdin=stdin)


def ok(daemon, *arguments, stdin=b""):
    done = run(daemon, *arguments, stdin=stdin)
    equal(f"exit code of {arguments} ({done.err.strip()})", done.code, 0)
    return done.out


def demos(where, name="demos.jsonl", content=DEMOS):
    path = Path(where, name)
    path.write_text(content)
    return str(path)


# ---- train: what is sent


@test
def train_uploads_makes_the_job_and_follows_it_to_the_end():
    with scratch_dir() as where, FakeDaemon() as daemon:
        daemon.events = [message(1, "validated"), metrics(2, step=1, loss=2.5, lr=1e-5),
                         message(3, "epoch 1 of 1")]
        out = ok(daemon, "train", "supervised", "-m", "instruct", "-f", demos(where))
        lines = out.splitlines()
        equal("first lines", lines[:2], ["demos.jsonl: file-0, supervised, 2 rows",
                                         "ftjob-0: supervised from instruct"])
        check(lines[2].endswith(" validated") and lines[4].endswith(" epoch 1 of 1"), out)
        equal("figures", lines[3], "step 1  loss 2.5  lr 1e-05")
        equal("end", lines[5], f"ftjob-0 succeeded: {NEW}")
        equal("uploaded", daemon.contents["file-0"], DEMOS.encode())


@test
def the_job_carries_every_option():
    with scratch_dir() as where, FakeDaemon() as daemon:
        ok(daemon, "train", "ppo", "-m", "instruct", "-f", "file-abc", "--prompts",
           demos(where, "prompts.jsonl"), "--pretrain", demos(where, "text.jsonl"),
           "--reward-model", "http:judge", "--reference", OLD, "--set", "kl_coef=0.05", "--publish",
           "instruct", "--every", "5", "--weights", "ema", "--gate", "max_kl_ref=10", "--gate",
           "min_rm_delta=0", "--seed", "9007199254740993", "--suffix", "polite", "--no-wait")
        equal("body", daemon.sent("POST", "/v1/fine_tuning/jobs")[0].json(), {
            "model": "instruct", "training_file": "file-abc", "suffix": "polite",
            "seed": 9007199254740993,
            "method": {"type": "ppo", "ppo": {
                "hyperparameters": {"kl_coef": 0.05}, "reward_model": "http:judge",
                "reference": OLD, "prompts": "file-0", "pretrain": "file-1",
                "publish": {"alias": "instruct", "every": 5, "weights": "ema",
                            "gate": {"max_kl_ref": 10, "min_rm_delta": 0}}}}})


@test
def prompts_alone_are_the_training_file_and_one_path_is_sent_once():
    with scratch_dir() as where, FakeDaemon() as daemon:
        path = demos(where)
        ok(daemon, "train", "ppo", "-m", "instruct", "--prompts", path, "--valid", path,
           "--no-wait")
        body = daemon.sent("POST", "/v1/fine_tuning/jobs")[0].json()
        equal("files", (body["training_file"], body["validation_file"],
                        body["method"]["ppo"]["prompts"]), ("file-0",) * 3)
        equal("uploads", len(daemon.files), 1)


@test
def values_take_the_types_of_the_schema():
    with FakeDaemon() as daemon:
        ok(daemon, "train", "supervised", "-m", "instruct", "-f", "file-1", "--set", "n_epochs=3",
           "--set", "learning_rate=2e-5", "--set", "shuffle=false", "--set", "select_by=valid_loss",
           "--set", "dropout=auto", "--set", "n_epochs=4", "--preset", "rl_init", "--no-wait")
        sent = daemon.sent("POST", "/v1/fine_tuning/jobs")[0].json()["method"]["supervised"]
        equal("object", sent, {"preset": "rl_init", "hyperparameters": {
            "n_epochs": 4, "learning_rate": 2e-5, "shuffle": False, "select_by": "valid_loss",
            "dropout": "auto"}})


@test
def a_method_without_files_needs_none():
    with FakeDaemon() as daemon:
        ok(daemon, "train", "noise", "-m", "instruct", "--no-wait")
        equal("body", daemon.sent("POST", "/v1/fine_tuning/jobs")[0].json(),
              {"model": "instruct", "method": {"type": "noise", "noise": {}}})


# ---- train: what is refused before anything is sent


@test
def mistakes_are_answered_with_what_is_near():
    cases = [(("train", "supervise", "-m", "instruct", "-f", "file-1"), "supervise", "supervised"),
             (("train", "supervised", "-m", "instruct", "-f", "file-1", "--set", "n_epoch=3"),
              "n_epoch", "n_epochs"),
             (("train", "supervised", "-m", "instruct", "-f", "file-1", "--set", "learning_rat=1"),
              "learning_rat", "learning_rate"),
             (("train", "supervised", "-m", "instruct", "-f", "file-1", "--preset", "rlinit"),
              "rlinit", "rl_init"),
             (("train", "ppo", "-m", "instruct", "-f", "file-1", "--publish", "a", "--gate",
               "max_kl=1"), "max_kl", "max_kl_ref"),
             (("jobs", "cancle", "ftjob-1"), "cancle", "instruct jobs cancel"),
             (("files", "uplaod", "x"), "uplaod", "instruct files upload")]
    with FakeDaemon() as daemon:
        for arguments, wrong, near in cases:
            done = run(daemon, *arguments)
            equal(f"exit code of {arguments}", done.code, 2)
            check(f'"{wrong}"' in done.err and f"did you mean {near}?" in done.err, repr(done))
        check(not daemon.sent("POST", "/v1/files"), "something was uploaded")
        check(not daemon.sent("POST", "/v1/fine_tuning/jobs"), "a job was made")


@test
def a_method_that_is_not_there_is_answered_with_those_that_are():
    with FakeDaemon() as daemon:
        done = run(daemon, "train", "dpo", "-m", "instruct", "-f", "file-1")
        equal("exit code", done.code, 2)
        check('no method "dpo"' in done.err and "it has supervised, ppo, noise" in done.err,
              repr(done))
        check("did you mean" not in done.err, repr(done))


@test
def values_outside_the_schema_are_exit_2():
    cases = [("n_epochs=1.5", "a whole number"), ("n_epochs=0", "at least 1"),
             ("n_epochs=1001", "at most 1000"), ("learning_rate=0", "more than 0"),
             ("dropout=1", "less than 1"), ("shuffle=yes", "true or false"),
             ("select_by=luck", "rm_score, valid_loss"), ("learning_rate=fast", "a number"),
             ("hyperparameters=1", "no hyperparameter")]
    with FakeDaemon() as daemon:
        for pair, why in cases:
            done = run(daemon, "train", "supervised", "-m", "instruct", "-f", "file-1", "--set",
                       pair)
            check(done.code == 2 and why in done.err, f"{pair}: {done}")


@test
def options_that_are_missing_or_do_not_fit_are_exit_2():
    cases = [((), "METHOD"), (("supervised",), "--model"),
             (("supervised", "-m", "instruct"), "--file"),
             (("supervised", "-m", "instruct", "-f", "file-1", "--every", "5"), "--publish"),
             (("supervised", "-m", "instruct", "-f", "file-1", "--reference", "x"),
              "takes no --reference"),
             (("supervised", "-m", "instruct", "-f", "/nonexistent"), "No such file"),
             (("supervised", "-m", "instruct", "-f", "/"), "not a file")]
    with FakeDaemon() as daemon:
        for arguments, why in cases:
            done = run(daemon, "train", *arguments)
            check(done.code == 2 and why in done.err, f"{arguments}: {done}")


@test
def a_file_that_the_server_finds_faulty_ends_it_with_the_reason():
    with scratch_dir() as where, FakeDaemon() as daemon:
        daemon.file_error = "line 2: no completion"
        done = run(daemon, "train", "supervised", "-m", "instruct", "-f", demos(where))
        check(done.code == 1 and "demos.jsonl: line 2: no completion" in done.err, repr(done))
        check(not daemon.jobs, "a job was made")
        equal("files left", daemon.files, [])


@test
def files_of_a_job_that_is_refused_are_named_as_given_and_deleted_again():
    def no(request, query):
        return reply(400, {"error": {
            "message": f"validation_file: {request.json()['validation_file']}: expected {{prompt}}",
            "type": "invalid_request_error", "param": "validation_file", "code": "invalid_value"}})
    with scratch_dir() as where, FakeDaemon() as daemon:
        daemon.add_job = no
        valid = demos(where, "held_out.jsonl")
        done = run(daemon, "train", "supervised", "-m", "instruct", "-f", demos(where), "--valid",
                   valid)
        equal("exit code", done.code, 1)
        check(f"validation_file: {valid} (--valid): expected {{prompt}} (" in done.err, repr(done))
        check("deleted again" in done.err, repr(done))
        equal("files left", daemon.files, [])
        run(daemon, "train", "supervised", "-m", "instruct", "-f", "file-7", "--valid", "file-8")
        equal("files of the server", daemon.sent("DELETE", "/v1/files/file-7"), [])


@test
def files_of_a_job_that_may_have_been_made_stay():
    def cut(request, query):
        return lambda _, connection: False
    with scratch_dir() as where, FakeDaemon() as daemon:
        daemon.add_job = cut
        done = run(daemon, "train", "supervised", "-m", "instruct", "-f", demos(where))
        equal("exit code", done.code, 5)
        equal("files left", [file["id"] for file in daemon.files], ["file-0"])


# ---- following


@test
def a_job_that_fails_is_exit_6_with_the_reason():
    with FakeDaemon() as daemon:
        daemon.outcome = {"status": "failed", "error": {
            "code": "not_finite", "message": "loss is NaN at step 3", "param": None}}
        done = run(daemon, "train", "supervised", "-m", "instruct", "-f", "file-1")
        equal("exit code", done.code, 6)
        equal("stderr", done.err, "instruct: ftjob-0 failed: loss is NaN at step 3\n")
        daemon.outcome["error"]["message"] = "training_file file-0: line 2: no prompt"
        with scratch_dir() as where:
            path = demos(where)
            done = run(daemon, "train", "supervised", "-m", "instruct", "-f", path)
        check(f"training_file {path} (--file): line 2" in done.err, repr(done))
        daemon.outcome = {"status": "cancelled", "error": None}
        done = run(daemon, "train", "supervised", "-m", "instruct", "-f", "file-1")
        check(done.code == 6 and "ftjob-2 was cancelled" in done.err, repr(done))


@test
def a_broken_event_stream_goes_on_where_it_was():
    with FakeDaemon() as daemon:
        daemon.events = [message(n, f"event {n}") for n in range(1, 5)]
        daemon.events_cut = 2
        daemon.running_for = 2
        out = ok(daemon, "train", "supervised", "-m", "instruct", "-f", "file-1")
        seen = [line.split()[-1] for line in out.splitlines() if " event " in line]
        equal("events", seen, ["1", "2", "3", "4"])
        ids = [r.headers.get("last-event-id")
               for r in daemon.sent("GET", "/v1/fine_tuning/jobs/ftjob-0/events")]
        equal("Last-Event-ID", ids, [None, "2"])


@test
def json_prints_files_job_events_and_the_job_at_last():
    with scratch_dir() as where, FakeDaemon() as daemon:
        daemon.events = [metrics(1, step=1, loss=2.5)]
        out = ok(daemon, "train", "supervised", "-m", "instruct", "-f", demos(where), "--json")
        objects = [json.loads(line) for line in out.splitlines()]
        equal("kinds", [o["object"] for o in objects],
              ["file", "fine_tuning.job", "fine_tuning.job.event", "fine_tuning.job"])
        equal("status", objects[-1]["status"], "succeeded")


@test
def a_terminal_shows_a_bar_with_figures():
    with FakeDaemon() as daemon:
        daemon.events = [metrics(1, step=5, loss=1.25, kl=0.5, lr=1e-5, tokens_per_second=1234),
                         message(2, "half way")]
        daemon.running_for = 1
        with Terminal("--url", daemon.url, "train", "supervised", "-m", "instruct", "-f",
                      "file-1") as terminal:
            equal("exit code", terminal.end(), 0)
            shown = terminal.shown()
        check("50%  [########        ]  5/10  loss 1.25  kl 0.5  lr 1e-05  1234 tokens/s" in shown,
              shown)
        check("half way\n" in shown and f"ftjob-0 succeeded: {NEW}" in shown, shown)
        check("step 5" not in shown, "figures are printed as lines too")


@test
def a_narrow_terminal_cuts_the_bar():
    with FakeDaemon() as daemon:
        daemon.events = [metrics(1, step=5, loss=1.25, kl=0.5, lr=1e-5, tokens_per_second=1234)]
        daemon.running_for = 1
        with Terminal("--url", daemon.url, "train", "supervised", "-m", "instruct", "-f", "file-1",
                      columns=40) as terminal:
            equal("exit code", terminal.end(), 0)
            drawn = [line for line in terminal.shown().split("\n")[-2:] if "[" in line]
        check(all("tokens/s" not in line for line in drawn), repr(drawn))


@test
def ctrl_c_leaves_the_job_running_and_says_how_to_come_back():
    with FakeDaemon() as daemon:
        daemon.events = [message(1, "training")]
        daemon.events_hang = True
        daemon.running_for = 1000
        with Terminal("--url", daemon.url, "train", "supervised", "-m", "instruct", "-f",
                      "file-1") as terminal:
            terminal.wait_for("training")
            terminal.type("\x03")
            equal("exit code", terminal.end(), 130)
            shown = terminal.shown()
        check("instruct jobs events ftjob-0 --follow" in shown, shown)
        check("instruct jobs cancel ftjob-0" in shown, shown)
        check(not daemon.sent("POST", "/v1/fine_tuning/jobs/ftjob-0/cancel"), "it was cancelled")


@test
def a_model_that_is_not_there_is_noticed_before_any_upload():
    with FakeDaemon() as daemon, scratch_dir() as where:
        demos = Path(where, "demos.jsonl")
        demos.write_text("{}\n")
        for name, kind in (("nosuch", "alias"), ("pol_0123456789abcdef", "policy")):
            done = run(daemon, "train", "supervised", "-m", name, "-f", str(demos))
            equal(f"exit code of {name}", done.code, 2)
            check(f'--model: the server has no {kind} "{name}"' in done.err, repr(done))
        equal("uploads", daemon.sent("POST", "/v1/files"), [])


@test
def what_a_method_needs_is_named_by_its_option():
    with FakeDaemon() as daemon, scratch_dir() as where:
        prompts = Path(where, "prompts.jsonl")
        prompts.write_text("{}\n")
        ppo = {**METHODS[1], "schema": {**METHODS[1]["schema"], "required": ["reward_model"]}}
        daemon.list_methods = lambda request, query: listing([ppo])
        done = run(daemon, "train", "ppo", "-m", "instruct", "--prompts", str(prompts))
        equal("exit code", done.code, 2)
        check("ppo needs --reward-model" in done.err, repr(done))
        equal("uploads", daemon.sent("POST", "/v1/files"), [])


# ---- jobs, files, methods


@test
def jobs_are_listed_over_pages_and_shown():
    with FakeDaemon() as daemon:
        for _ in range(5):
            ok(daemon, "train", "noise", "-m", "instruct", "--no-wait")
        rows = [line.split("\t") for line in ok(daemon, "jobs").splitlines()]
        equal("ids", [row[0] for row in rows], [f"ftjob-{i}" for i in range(5)])
        equal("row", rows[0][1:5], ["noise", "instruct", "queued", "-"])
        shown = ok(daemon, "jobs", "show", "ftjob-0")
        check("method.type\tnoise\n" in shown and "progress.total\t10\n" in shown, shown)
        equal("json", json.loads(ok(daemon, "jobs", "show", "ftjob-0", "--json"))["id"], "ftjob-0")


@test
def jobs_are_steered_and_a_wrong_state_is_an_error():
    with FakeDaemon() as daemon:
        ok(daemon, "train", "noise", "-m", "instruct", "--no-wait")
        equal("pause", ok(daemon, "jobs", "pause", "ftjob-0"), "ftjob-0: paused\n")
        equal("resume", ok(daemon, "jobs", "resume", "ftjob-0"), "ftjob-0: running\n")
        equal("cancel", ok(daemon, "jobs", "cancel", "ftjob-0"), "ftjob-0: cancelled\n")
        daemon.steer_job = lambda request, query, name, word: reply(200, {"status": "running"})
        equal("not yet", [ok(daemon, "jobs", word, "ftjob-0") for word in ("pause", "cancel")],
              ["ftjob-0: pausing\n", "ftjob-0: cancelling\n"])
        del daemon.steer_job
        daemon.jobs[0]["status"] = "succeeded"
        done = run(daemon, "jobs", "cancel", "ftjob-0")
        check(done.code == 1 and "has succeeded" in done.err, repr(done))
        equal("unknown job", run(daemon, "jobs", "show", "ftjob-9").code, 1)
        for arguments in (("jobs", "show"), ("jobs", "show", "a/b"), ("jobs", "list", "x"),
                          ("jobs", "show", "ftjob-0", "ftjob-1")):
            equal(f"exit code of {arguments}", run(daemon, *arguments).code, 2)
        done = run(daemon, "jobs", "ftjob-0")
        check(done.code == 2 and "instruct jobs show ftjob-0" in done.err, repr(done))


@test
def what_a_job_told_is_printed_from_the_oldest_on():
    with FakeDaemon() as daemon:
        daemon.events = [message(1, "first"), message(2, "second", "warn"), message(3, "third")]
        ok(daemon, "train", "noise", "-m", "instruct", "--no-wait")
        lines = ok(daemon, "jobs", "events", "ftjob-0").splitlines()
        equal("events", [line.split(" ", 1)[1] for line in lines],
              ["first", "warn: second", "third"])
        followed = ok(daemon, "jobs", "events", "ftjob-0", "--follow").splitlines()
        equal("followed", followed[:-1], lines)


@test
def metrics_are_a_table_of_the_columns_that_have_numbers():
    with FakeDaemon() as daemon:
        ok(daemon, "train", "noise", "-m", "instruct", "--no-wait")
        equal("table", ok(daemon, "jobs", "metrics", "ftjob-0", "--since", "7"),
              "step\tloss\tkl\n1\t2.5\t-\n2\t1.25\t0.5\n")
        check(daemon.server.requests[-1].line.split()[1].endswith("metrics?since=7"), "since")
        equal("checkpoints", ok(daemon, "jobs", "checkpoints", "ftjob-0"),
              f'ftckpt-1\t4\t{NEW}\t{{"loss":1.5}}\n')


@test
def files_are_uploaded_listed_and_deleted():
    with scratch_dir() as where, FakeDaemon() as daemon:
        paths = [demos(where, f"{name}.jsonl") for name in "abc"]
        equal("uploaded", ok(daemon, "files", "upload", *paths),
              "".join(f"{n}.jsonl: file-{i}, supervised, 2 rows\n" for i, n in enumerate("abc")))
        equal("purpose", daemon.files[0]["purpose"], "fine-tune")
        rows = [line.split("\t") for line in ok(daemon, "files").splitlines()]
        equal("rows", [row[:6] for row in rows], [
            [f"file-{i}", f"{n}.jsonl", "supervised", "2", str(len(DEMOS)), "processed"]
            for i, n in enumerate("abc")])
        equal("deleted", ok(daemon, "files", "delete", "file-0", "file-2"),
              "file-0 deleted\nfile-2 deleted\n")
        equal("left", [f["id"] for f in daemon.files], ["file-1"])


@test
def methods_are_listed_and_explained():
    with FakeDaemon() as daemon:
        rows = [line.split("\t") for line in ok(daemon, "methods").splitlines()]
        equal("methods", [row[0] for row in rows], ["supervised", "ppo", "noise"])
        equal("description", rows[0][2], "imitate demonstrations")
        shown = ok(daemon, "methods", "supervised")
        check("n_epochs\t16\tinteger, >= 1, <= 1000\tpasses over the training file\n" in shown,
              shown)
        check("select_by\trm_score\tstring: rm_score, valid_loss\t-\n" in shown, shown)
        check('--preset rl_init\t{"n_epochs":2}\n' in shown, shown)
        equal("json", json.loads(ok(daemon, "methods", "ppo", "--json"))["type"], "ppo")
        daemon.list_methods = lambda request, query: listing([])
        done = run(daemon, "methods")
        equal("none", (done.code, done.out, done.err),
              (0, "", "no methods: the server has loaded no plugin\n"))


# ---- aliases


@test
def publish_moves_the_alias_it_has_seen():
    with FakeDaemon() as daemon:
        equal("out", ok(daemon, "publish", NEW, "--reason", "better"),
              f"instruct: {OLD} -> {NEW}, version 4\n")
        sent = daemon.sent("PUT", "/v1/aliases/instruct")[0]
        equal("condition", sent.headers["if-match"], '"3"')
        equal("body", sent.json(), {"policy": NEW, "reason": "better"})


@test
def an_alias_that_somebody_else_moved_is_left_alone():
    with FakeDaemon() as daemon:
        def moved_after(request, query, name):
            script = FakeDaemon.get_alias(daemon, request, query, name)
            daemon.alias["version"] += 1
            return script
        daemon.get_alias = moved_after
        done = run(daemon, "publish", NEW)
        check(done.code == 1 and "somebody moved the alias" in done.err, repr(done))
        equal("policy", daemon.alias["policy"], OLD)


@test
def an_alias_is_made_only_when_asked():
    with FakeDaemon() as daemon:
        done = run(daemon, "publish", NEW, "--alias", "canary")
        check(done.code == 1 and "--create" in done.err, repr(done))
        for _ in range(2):  # made, then moved: --create is for an alias that may be missing
            ok(daemon, "publish", NEW, "--alias", "canary", "--create")
        sent = daemon.sent("PUT", "/v1/aliases/canary")
        equal("conditions", [(r.headers.get("if-none-match"), r.headers.get("if-match"))
                             for r in sent], [("*", None), (None, '"1"')])


@test
def a_job_publishes_to_an_alias_that_is_there_unless_told_to_make_it():
    with scratch_dir() as where, FakeDaemon() as daemon:
        command = ("train", "ppo", "-m", "instruct", "-f", demos(where), "--publish", "nosuch",
                   "--no-wait")
        done = run(daemon, *command)
        check(done.code == 1 and "nosuch" in done.err and "--create" in done.err, repr(done))
        check(not daemon.files and not daemon.jobs, "something was sent")
        ok(daemon, *command, "--create")
        equal("alias", daemon.jobs[0]["method"]["ppo"]["publish"], {"alias": "nosuch"})


@test
def policies_are_deleted_up_to_the_first_that_is_in_use():
    with FakeDaemon() as daemon:
        equal("told", ok(daemon, "policies", "delete", OLD), f"{OLD} deleted\n")
        done = run(daemon, "policies", "delete", OLD, NEW, OLD)
        equal("status", done.code, 1)
        equal("told", done.out, f"{OLD} deleted\n")
        check("serves as instruct" in done.err, done.err)


@test
def an_alias_shows_its_policy():
    with FakeDaemon() as daemon:
        for name in ("instruct", OLD):
            equal(name, ok(daemon, "policies", "show", name), f"id\t{OLD}\n")


@test
def rollback_goes_back_or_to_a_policy():
    with FakeDaemon() as daemon:
        ok(daemon, "publish", NEW)
        equal("back", ok(daemon, "rollback"), f"instruct: {NEW} -> {OLD}, version 5\n")
        equal("to", ok(daemon, "rollback", "--to", NEW), f"instruct: {OLD} -> {NEW}, version 6\n")


# ---- export, rewards


def new_model(where, name="model"):
    """{file: bytes} of a tiny policy, and its id."""
    out = Path(where, name)
    done = instruct("model", "new", "--arch", "llama", "--layers", "1", "--dim", "32", "--heads",
                    "2", "--context", "32", "--out", str(out))
    equal("model new", (done.code, done.err), (0, ""))
    return {path.name: path.read_bytes() for path in out.iterdir()}, done.out.strip()


def digests(files):
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


@test
def an_export_is_the_policy_byte_by_byte():
    with scratch_dir() as where, FakeDaemon() as daemon:
        daemon.policy_files, policy = new_model(where)
        out = Path(where, "out")
        equal("stdout", ok(daemon, "export", policy, "--out", str(out)), f"{out}: {policy}\n")
        equal("files", digests({path.name: path.read_bytes() for path in out.iterdir()}),
              digests(daemon.policy_files))
        equal("left over", sorted(p.name for p in Path(where).iterdir()), ["model", "out"])


@test
def an_export_of_an_alias_is_its_policy():
    with scratch_dir() as where, FakeDaemon() as daemon:
        daemon.policy_files, daemon.alias["policy"] = new_model(where)
        out = ok(daemon, "export", "instruct", "--out", str(Path(where, "out")))
        check(out.endswith(f": {daemon.alias['policy']}\n"), out)


@test
def a_gguf_export_is_a_gguf_file_and_nothing_else():
    with scratch_dir() as where, FakeDaemon() as daemon:
        daemon.policy_files, policy = new_model(where)
        for type_ in ("f32", "f16", "bf16"):
            out = Path(where, f"{type_}.gguf")
            ok(daemon, "export", policy, "--format", "gguf", "--type", type_, "--out", str(out))
            equal("magic", out.read_bytes()[:4], b"GGUF")
        equal("left over", sorted(p.name for p in Path(where).iterdir()),
              ["bf16.gguf", "f16.gguf", "f32.gguf", "model"])


@test
def a_gguf_base_is_exported_as_it_is_or_as_a_directory():
    with scratch_dir() as where, FakeDaemon() as daemon:
        daemon.policy_files, policy = new_model(where)
        base = Path(where, "base.gguf")
        ok(daemon, "export", policy, "--format", "gguf", "--out", str(base))
        daemon.policy_files = {"base.gguf": base.read_bytes()}
        again, directory = Path(where, "again.gguf"), Path(where, "directory")
        ok(daemon, "export", OLD, "--format", "gguf", "--out", str(again))
        equal("digest", digests({"base.gguf": again.read_bytes()}), digests(daemon.policy_files))
        ok(daemon, "export", OLD, "--out", str(directory))
        check(Path(directory, "model.safetensors").is_file(), "no model.safetensors")


@test
def a_damaged_download_is_refused_and_leaves_nothing():
    with scratch_dir() as where, FakeDaemon() as daemon:
        daemon.policy_files, policy = new_model(where)

        def damaged(request, query, name, file):
            body = bytearray(daemon.policy_files[file])
            body[-1] ^= file == "model.safetensors"
            return reply(200, bytes(body), "application/octet-stream")
        daemon.get_policy_file = damaged
        done = run(daemon, "export", policy, "--out", str(Path(where, "out")))
        check(done.code == 5 and "model.safetensors came damaged" in done.err, repr(done))
        equal("left over", sorted(p.name for p in Path(where).iterdir()), ["model"])


@test
def names_of_files_that_lead_elsewhere_are_refused():
    for name in ("../evil", ".bashrc", "a/b", "-rf", ""):
        with scratch_dir() as where, FakeDaemon() as daemon:
            daemon.policy_files = {name: b"x"}
            done = run(daemon, "export", OLD, "--out", str(Path(where, "out")))
            check(done.code == 1 and "that is none" in done.err, f"{name}: {done}")
            equal("left over", list(Path(where).iterdir()), [])


@test
def another_policy_than_the_one_asked_for_is_refused():
    with scratch_dir() as where, FakeDaemon() as daemon:
        daemon.policy_files, policy = new_model(where)
        done = run(daemon, "export", OLD, "--out", str(Path(where, "out")))
        check(done.code == 1 and f"sent {policy} for {OLD}" in done.err, repr(done))
        equal("left over", sorted(p.name for p in Path(where).iterdir()), ["model"])


@test
def an_export_never_replaces_anything():
    with scratch_dir() as where, FakeDaemon() as daemon:
        done = run(daemon, "export", OLD, "--out", where)
        check(done.code == 2 and "exists" in done.err, repr(done))
        for more, why in (((), "--out"), (("--out", where + "/x", "--format", "zip"), "--format"),
                          (("--out", where + "/x", "--type", "f16"), "--type")):
            done = run(daemon, "export", OLD, *more)
            check(done.code == 2 and why in done.err, repr(done))


@test
def rewards_are_one_number_a_line():
    with FakeDaemon() as daemon:
        equal("pair", ok(daemon, "rewards", "Hi", "Hello!", "-m", "reward"), "0.75\n")
        chat = [{"role": "user", "content": "Hi"}]
        answered = {"messages": [*chat, {"role": "assistant", "content": "Hello!"}]}
        line = json.dumps({"prompt": chat, "completion": "Hello!"}).encode()
        equal("chat", ok(daemon, "rewards", "-m", "reward", stdin=line), "0.75\n")
        equal("sent", [r.json()["input"] for r in daemon.sent("POST", "/v1/rewards")],
              [[answered], [answered]])
        items = [{"prompt": "p", "completion": "x" * (i % 9), "extra": 1} for i in range(130)]
        lines = "".join(json.dumps(item) + "\n" for item in items).encode()
        out = ok(daemon, "rewards", "-m", "reward", stdin=lines + b"\n")
        equal("scores", [float(x) for x in out.split()], [i % 9 / 8 for i in range(130)])
        sizes = [len(r.json()["input"]) for r in daemon.sent("POST", "/v1/rewards")]
        equal("batches", sizes, [1, 1, 64, 64, 2])
        done = run(daemon, "rewards", "-m", "reward", stdin=b'{"prompt":"p"}\n')
        check(done.code == 2 and "line 1" in done.err, repr(done))
        equal("without a model", run(daemon, "rewards", "a", "b").code, 2)


if __name__ == "__main__":
    sys.exit(harness.main())
