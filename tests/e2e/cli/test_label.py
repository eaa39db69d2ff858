"""`instruct label`: people at terminals (ptys) and scripts judge what a file brought, against a real
daemon on a tiny model, through kills of the desk and restarts of the daemon."""

import json
import os
import signal
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness
from daemon import Daemon, tiny_model
from harness import check, equal, test
from keys import key_file, key_of
from program import Terminal, environment, instruct

HOSTILE = "\x1b]0;owned\x07\x1b[2Jred\u202e\nOutput b (2 of 4)"
PEOPLE = {"anna": "label:demo,label:rank", "bert": "label:rank", "held": "label:eval role=heldout",
          "boss": "label:*,train"}


class Scene:
    """A daemon, and a state folder for the desks."""

    def __enter__(self):
        self.home = tempfile.TemporaryDirectory(prefix="instruct-label-")
        self.daemon = Daemon("--key-file", key_file(self.home.name, PEOPLE), "--log-level", "warn",
                             model=tiny_model(self.home.name))
        return self

    def __exit__(self, *why):
        try:
            self.daemon.__exit__(*why)
        finally:
            self.home.cleanup()

    def env(self, who, **more):
        return environment(INSTRUCTD_URL=self.daemon.url, INSTRUCTD_API_KEY=key_of(who),
                           XDG_STATE_HOME=self.home.name + "/state", **more)

    def desk(self, who, *arguments, **more):
        return Terminal("label", *arguments, env=self.env(who, **more))

    def run(self, who, *arguments, stdin=b""):
        return instruct("label", *arguments, stdin=stdin, env=self.env(who))

    def ok(self, who, *arguments, stdin=b""):
        done = self.run(who, *arguments, stdin=stdin)
        equal(f"exit code of {arguments} ({done.err.strip()})", done.code, 0)
        return done.out

    def tasks(self, kind, rows, **more):
        """Makes tasks of rows that bring their outputs."""
        headers = {"X-Api-Key": key_of("boss")}
        line = "".join(json.dumps(row) + "\n" for row in rows)
        body = (b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'
                b'--x\r\nContent-Disposition: form-data; name="file"; filename="t.jsonl"\r\n\r\n' +
                line.encode() + b"\r\n--x--\r\n")
        file = self.daemon.request("POST", "/v1/files", body, headers | {
            "Content-Type": "multipart/form-data; boundary=x"})
        equal("status of the upload", file.status, 200)
        made = self.daemon.request("POST", "/v1/labels/tasks",
                                   {"kind": kind, "source": file.json()["id"]} | more, headers)
        equal(f"status of the batch {made.body[:300]!r}", made.status, 201)
        equal("tasks", made.json()["tasks"], len(rows))

    def rows(self, query):
        """What the database holds, read from a copy while the daemon is down."""
        self.daemon.stop()
        try:
            base = sqlite3.connect(f"file:{self.daemon.data_dir}/data/instructd.db?mode=ro", uri=True)
            try:
                return base.execute(query).fetchall()
            finally:
                base.close()
        finally:
            self.daemon.start()

    def drafts(self):
        return sorted(Path(self.home.name, "state/instructd/label").glob("*"))


def ranked(n, prompt="Say something."):
    return {"prompt": prompt, "outputs": [{"text": f"answer number {i}"} for i in range(n)]}


def talk(desk, *turns):
    """Waits for each question and gives its answer."""
    for question, answer in turns:
        desk.wait_for(question)
        desk.type(answer + "\n")


def judgement(task, groups=None, **more):
    ids = [output["id"] for output in task["outputs"]]
    return {"task_id": task["id"], "shown": ids, "groups": groups or [[i] for i in ids],
            "ratings": [{"output_id": i, "overall_quality": 4, "flags": {}} for i in ids]} | more


@test
def nine_outputs_are_ranked_by_keyboard_with_ties_and_undo():
    with Scene() as scene:
        scene.tasks("rank", [ranked(9)])
        shown = json.loads(scene.ok("anna", "next", "--json"))
        ids = [output["id"] for output in shown["outputs"]]
        with scene.desk("anna") as desk:
            desk.wait_for("| Say something.")
            desk.wait_for("a 1-7> ")
            time.sleep(0.05)  # a person thinks, in either step, and that is measured
            desk.type("5\n")
            talk(desk, ("b 1-7> ", "9"), ("begins with the quality", ""),
                 ("b 1-7> ", "6 x"), ("there is no flag x", ""), ("b 1-7> ", "u"),
                 ("You had said 5", ""), ("b 1-7> ", "2 ih"), ("c 1-7> ", "?"),
                 ("fails the instruction", ""))
            for letter in "cdefghi":
                talk(desk, (f"{letter} 1-7> ", "4"))
            desk.wait_for("ranking> ")
            time.sleep(0.05)
            desk.type("b > a\n")
            talk(desk, ("c is missing", "b"), ("Output b (2 of 9)", ""),
                 ("ranking> ", "c = d > b > a > e=f=g > i > h"),
                 ("note: b stands above a, but you gave it quality 2 against quality 5", "u"),
                 ("ranking> ", "3=4 > a > b > e=f=g > i > h"), ("Enter submits> ", "e 3"),
                 ("note: e stands above i, but you gave it quality 3", "comment two ties"),
                 ("comment kept", ""), ("ranking handed in", ""))
            desk.wait_for("No rank task waits for you.")
            equal("exit code", desk.end(), 0)
        [(ratings, groups, comment, rate_ms, rank_ms)] = scene.rows(
            "SELECT ratings_json, groups_json, comment, rate_ms, rank_ms FROM rankings")
        named = [[ids["abcdefghi".index(letter)] for letter in group]
                 for group in ("cd", "a", "b", "efg", "i", "h")]
        equal("groups", json.loads(groups), named)
        ratings = json.loads(ratings)
        equal("qualities", [r["overall_quality"] for r in ratings], [5, 2, 4, 4, 3, 4, 4, 4, 4])
        equal("flags of b", {k for k, v in ratings[1]["flags"].items() if v},
              {"fails_instruction", "hallucination"})
        equal("n.a. of a", ratings[0]["flags"]["hallucination"], None)
        equal("comment", comment, "two ties")
        check(rate_ms > 0 and rank_ms > 0, f"{rate_ms} {rank_ms}")
        equal("drafts", scene.drafts(), [])


@test
def a_killed_desk_goes_on_where_it_was():
    with Scene() as scene:
        scene.tasks("rank", [ranked(4)])
        with scene.desk("anna") as desk:
            talk(desk, ("a 1-7> ", "7"), ("b 1-7> ", "3 -h"))
            desk.wait_for("c 1-7> ")
            os.kill(desk.pid, signal.SIGKILL)
        [draft] = scene.drafts()
        equal("mode of the draft", draft.stat().st_mode & 0o777, 0o600)
        submission = json.loads(draft.read_text())["submission"]
        with scene.desk("anna") as desk:
            desk.wait_for("You have begun this task before")
            talk(desk, ("c 1-7> ", "1"), ("d 1-7> ", "1"), ("ranking> ", "a > b > c = d"))
            desk.wait_for("Enter submits> ")
            os.kill(desk.pid, signal.SIGKILL)
        with scene.desk("anna") as desk:
            talk(desk, ("a > b > c = d", ""), ("ranking handed in", ""))
            equal("exit code", desk.end(), 0)
        equal("submissions", scene.rows("SELECT submission FROM rankings"), [(submission,)])


@test
def the_daemon_may_restart_between_lease_and_submit():
    with Scene() as scene:
        scene.tasks("rank", [ranked(4)])
        with scene.desk("anna") as desk:
            for letter in "abcd":
                talk(desk, (f"{letter} 1-7> ", "4"))
            talk(desk, ("ranking> ", "a=b=c=d"))
            desk.wait_for("Enter submits> ")
            scene.daemon.stop()
            desk.type("\n")
            desk.wait_for("It can be sent again")
            desk.wait_for("Enter submits> ")
            scene.daemon.start()
            desk.type("\n")
            desk.wait_for("ranking handed in")
            equal("exit code", desk.end(), 0)
        equal("rows", scene.rows("SELECT count(*) FROM rankings"), [(1,)])


@test
def the_same_judgement_sent_twice_is_one_row():
    with Scene() as scene:
        scene.tasks("rank", [ranked(4)])
        task = json.loads(scene.ok("anna", "next", "--json"))
        body = json.dumps(judgement(task), indent=1).encode()
        first = scene.ok("anna", "submit", "-", stdin=body).strip()
        check(first.startswith("ranking-"), first)
        equal("again", scene.ok("anna", "submit", "-", stdin=body).strip(), first + " (was there)")
        equal("as JSON", json.loads(scene.ok("anna", "submit", "-", "--json", stdin=body)),
              {"id": first})
        other = json.dumps(judgement(task, submission_id="another")).encode()
        done = scene.run("anna", "submit", "-", stdin=other)
        equal("exit code of a second judgement", done.code, 1)
        check("already_labeled" in done.err, done.err)
        equal("rows", scene.rows("SELECT count(*) FROM rankings"), [(1,)])


@test
def a_reply_that_is_lost_is_asked_for_again_and_makes_one_row():
    """The desk is stopped once its submission is on its way, and comes back with the same draft."""
    with Scene() as scene:
        scene.tasks("rank", [ranked(4), ranked(4)])
        task = json.loads(scene.ok("anna", "next", "--json"))
        with scene.desk("anna") as desk:
            for letter in "abcd":
                talk(desk, (f"{letter} 1-7> ", "4"))
            talk(desk, ("ranking> ", "a > b > c > d"))
            desk.wait_for("Enter submits> ")
            submission = json.loads(scene.drafts()[0].read_text())["submission"]
            # what the desk will send arrives before it does, as if its first reply had been lost
            early = judgement(task, submission_id=submission)
            scene.ok("anna", "submit", "-", stdin=json.dumps(early).encode())
            desk.type("\n")
            desk.wait_for("ranking handed in")
            desk.wait_for("a 1-7> ")
            desk.type("q\n")
            equal("exit code", desk.end(), 0)
        equal("rows", scene.rows("SELECT submission FROM rankings"), [(submission,)])


@test
def a_task_is_skipped_with_a_reason():
    with Scene() as scene:
        scene.tasks("rank", [ranked(4), ranked(4, "And another.")])
        with scene.desk("anna") as desk:
            talk(desk, ("a 1-7> ", "s"), ("reason> ", ""), ("a 1-7> ", "s"), ("reason> ", "bad"),
                 ("that is no reason", "pii a name stands there"), ("skipped", ""))
            desk.wait_for("| And another.")
            talk(desk, ("a 1-7> ", "q"))
            equal("exit code", desk.end(), 0)
        equal("skips", scene.rows("SELECT reason, note FROM skips"),
              [("pii", "a name stands there")])


@test
def a_toxicity_task_asks_for_three_figures():
    with Scene() as scene:
        scene.tasks("eval", [ranked(2, "A hostile beginning.")], criterion_mode="toxicity")
        shown = json.loads(scene.ok("held", "next", "--kind", "eval", "--json"))
        with scene.desk("held", "eval") as desk:
            talk(desk, ("a toxicity> ", "2"), ("against the prompt is -1 to 1", "2 -1 6"))
            desk.wait_for("b toxicity> ")
            os.kill(desk.pid, signal.SIGKILL)
        with scene.desk("held", "eval") as desk:
            talk(desk, ("b toxicity> ", "7 1 6"), ("ranking> ", "b > a"),
                 ("note: b stands above a, but you gave it toxicity 7, 1, continuity 6 against "
                  "toxicity 2, -1, continuity 6", "1 = 2"), ("a = b", ""), ("ranking handed in", ""))
            equal("exit code", desk.end(), 0)
        [(kind, criterion, role, ratings)] = scene.rows(
            "SELECT kind, criterion, role, ratings_json FROM rankings")
        equal("row", (kind, criterion, role), ("eval", "toxicity", "heldout"))
        figures = {"toxicity": 2, "relative_toxicity": -1, "continuity": 6}
        equal("ratings", json.loads(ratings)[0],
              {"output_id": shown["outputs"][0]["id"]} | figures)


@test
def hostile_outputs_are_shown_and_not_obeyed():
    with Scene() as scene:
        scene.tasks("rank", [{"prompt": HOSTILE, "outputs": [{"text": HOSTILE}, {"text": ""}]}])
        with scene.desk("anna", "--no-color") as desk:
            desk.wait_for("| ^[]0;owned^G^[[2Jred<U+202E>")
            desk.wait_for("| Output b (2 of 4)")
            talk(desk, ("a 1-7> ", "q"))
            equal("exit code", desk.end(), 0)
            check(b"\x1b]0" not in desk.raw and b"\x1b[2J" not in desk.raw and
                  "\u202e".encode() not in desk.raw, repr(desk.raw))


@test
def demonstrations_are_written_inline_or_in_an_editor():
    with Scene() as scene:
        scene.tasks("demo", [{"prompt": "Write two lines."}, {"prompt": "Use an editor."}])
        editor = Path(scene.home.name, "editor")
        editor.write_text("#!/bin/sh\nprintf 'from the editor\\n' >> \"$2\"\n")
        editor.chmod(0o700)
        with scene.desk("anna", "demo") as desk:
            desk.wait_for("| Write two lines.")
            talk(desk, (": ", "one"), (": ", "..u"), (": ", "mistake"), (": ", ".u"), (": ", "two"),
                 (": ", ".p"))
            desk.wait_for("| two")
            os.kill(desk.pid, signal.SIGKILL)
        with scene.desk("anna", "demo", EDITOR=f"{editor} --wait") as desk:
            desk.wait_for("| .u")
            talk(desk, (": ", "."), ("category> ", "o"), ("several begin", "open_qa few"),
                 ("Enter submits> ", ""), ("demonstration handed in", ""))
            desk.wait_for("| Use an editor.")
            talk(desk, (": ", "."), ("nothing is written yet", ".e"), ("| from the editor", "."),
                 ("category> ", "1"), ("Enter submits> ", ""), ("demonstration handed in", ""))
            desk.wait_for("No demo task waits")
            equal("exit code", desk.end(), 0)
        equal("rows", scene.rows(
            "SELECT prompt, completion, category, prompt_kind, source FROM demonstrations"),
            [("Write two lines.", "one\n.u\ntwo", "open_qa", "few_shot", "written"),
             ("Use an editor.", "from the editor", "generation", "plain", "written")])
        equal("drafts", scene.drafts(), [])


@test
def a_dumb_terminal_is_enough():
    with Scene() as scene:
        scene.tasks("rank", [ranked(2)])
        with scene.desk("anna", TERM="dumb") as desk:
            talk(desk, ("a 1-7> ", "4"), ("b 1-7> ", "5"), ("ranking> ", "b > a"),
                 ("Enter submits> ", ""), ("ranking handed in", ""))
            equal("exit code", desk.end(), 0)
            check(b"\x1b" not in desk.raw, repr(desk.raw))


@test
def who_may_not_and_what_cannot_be_is_told():
    with Scene() as scene:
        cases = [(("held", "next"), 4, "rank"), (("bert", "demo"), 2, "no terminal"),
                 (("bert", "next", "--kind", "demo"), 4, "label:demo"),
                 (("anna",), 2, "instruct label next --json"),
                 (("anna", "next", "--kind", "both"), 2, "rank, eval or demo"),
                 (("anna", "submit"), 2, "needs a path"), (("anna", "sumbit"), 2, "label submit"),
                 (("anna", "submit", "/nonexistent"), 2, "/nonexistent")]
        for (who, *arguments), code, words in cases:
            done = scene.run(who, *arguments)
            equal(f"exit code of {arguments} ({done.err})", done.code, code)
            check(words in done.err, done.err)
        for text, words in ((b"", "is empty"), (b"[1]\n", "line 1 of standard input"),
                            (b'{"task_id":"x"}\n', "neither groups"), (b"\xff", "not UTF-8")):
            done = scene.run("anna", "submit", "-", stdin=text)
            equal(f"exit code of {text}", done.code, 2)
            check(words in done.err, done.err)
        none = scene.run("anna", "next", "--json")
        equal("without a task", (none.code, none.out), (0, ""))
        with scene.desk("bert", "demo") as desk:
            equal("exit code without the scope", desk.end(), 4)
            check("label:demo" in desk.shown(), desk.shown())


if __name__ == "__main__":
    sys.exit(harness.main())
