"""`instruct data` against a real daemon: what people gave becomes sets, files come in and go out in
every format, and whatever is wrong is told by name."""

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import daemon
import harness
from harness import check, equal, test
from keys import key_file, key_of
from program import environment, instruct

PEOPLE = ("anna", "bert", "cleo")
RANKED = {"task_id": "task-1", "prompt": "Name a river.",
          "outputs": [{"id": i, "policy": None, "text": text}
                      for i, text in (("a", "Rhine"), ("b", "no"), ("c", "The Nile."), ("d", "Ebro"))],
          "groups": [["c"], ["a", "d"], ["b"]],
          "labels": [{"output_id": "b", "overall_quality": 1, "flags": {"hallucination": None}}],
          "labeler": "lena", "role": "trainer", "guideline_version": 1}
ALL_TRAIN = ("--fractions", "1,0,0")


class Target:
    """A daemon on a tiny model, three users of its Playground, and a folder for files."""

    def __init__(self, where):
        self.where = Path(where)
        keys = key_file(where, {who: "playground" for who in PEOPLE})
        self.daemon = daemon.Daemon("--key-file", keys, model=daemon.tiny_model(where))
        self.env = environment(INSTRUCTD_URL=self.daemon.url,
                               INSTRUCTD_API_KEY=self.daemon.admin_key())

    def run(self, *arguments):
        return instruct(*arguments, env=self.env)

    def ok(self, *arguments):
        done = self.run("data", *arguments)
        equal(f"exit code of {arguments} ({done.err.strip()})", done.code, 0)
        return done.out

    def file(self, name, *lines):
        path = self.where / name
        path.write_text("".join(
            (line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
        return str(path)

    def imported(self, name, *lines, kind="rm", more=ALL_TRAIN):
        return self.ok("import", self.file(name, *lines), "--kind", kind, *more).split(":")[0]

    def fails(self, code, wanted, *arguments):
        done = self.run("data", *arguments)
        equal(f"exit code of {arguments}: {done}", done.code, code)
        check(wanted in done.err, f"{arguments}: expected '{wanted}' in {done.err!r}")
        equal("nothing on standard output", done.out, "")

    def person(self, who, method, path, body=None):
        reply = self.daemon.request(method, path, body, {"X-Api-Key": key_of(who)})
        equal(f"{method} {path} by {who}", reply.status, 200)
        return reply.json()

    def choose(self, who, choice):
        version = self.person(who, "GET", "/v1/me")["notice"]["version"]
        self.person(who, "PUT", "/v1/me/consent", {"notice_version": version, "choice": choice})

    def types(self, who, prompt):
        self.person(who, "POST", "/v1/completions", {"prompt": prompt, "max_tokens": 1})


@test
def a_build_tells_what_each_stage_left_out_and_why(target):
    for who in PEOPLE:
        target.choose(who, "share")
    for prompt in ("what is a river", "what is a lake", "mail jo@mail.org", "is 8.8.8.8 up"):
        target.types("anna", prompt)
    target.types("bert", "bert's own question")
    target.types("cleo", "cleo's own question")
    target.choose("bert", "decline")
    target.person("cleo", "DELETE", "/v1/me/data")
    lines = target.ok("build", "--kind", "ppo", "--name", "asked", "--cap", "3",
                      *ALL_TRAIN).splitlines()
    check(lines[0].startswith("ds_") and lines[0].endswith(": ppo"), lines[0])
    equal("consent", lines[1], "  consent 6 -> 4 rows  declined 1, erased 1")
    equal("cap", lines[2], "  cap     4 -> 3 rows")
    check(lines[3].startswith("  pii     3 -> ") and ("email 1" in lines[3] or "ip 1" in lines[3]),
          lines[3])
    check(lines[4].startswith("  train   ") and " rows  file-" in lines[4], lines[4])
    equal("lines", len(lines), 5)


@test
def a_set_without_rows_says_so_stage_by_stage(target):
    done = target.run("data", "build", "--kind", "rm", "--name", "none")
    equal("exit code", done.code, 6)
    lines = done.out.splitlines()
    check(lines[0].endswith(": rm"), repr(done))
    equal("up to the last row", lines[1:], ["  consent 0 -> 0 rows"])
    check("no row is left: there are no rankings yet\n" in done.err, repr(done))


@test
def a_set_whose_rows_all_went_is_no_success_either(target):
    prompts = target.file("prompts.jsonl", {"prompt": "mail jo@mail.org"})
    done = target.run("data", "import", prompts, "--kind", "ppo", "--json", *ALL_TRAIN)
    equal("exit code", done.code, 6)
    check("no row is left: the stages left them all out\n" in done.err, repr(done))
    equal("the set is told all the same", json.loads(done.out)["counts"]["train"], 0)


@test
def sets_are_listed_shown_and_exported(target):
    built = target.imported("river.jsonl", RANKED)
    row = next(line.split("\t") for line in target.ok("list").splitlines() if built in line)
    equal("columns", row[1:6], ["river", "rm", "1", "0", "0"])
    shown = json.loads(target.ok("show", built, "--json"))
    equal("shown", (shown["id"], shown["counts"]["train"], shown["stale"]), (built, 1, False))
    listed = json.loads(target.ok("list", "--json"))
    check(built in [each["id"] for each in listed["data"]], str(listed)[:300])
    out = target.where / "pairs.jsonl"
    target.ok("export", built, "--format", "trl_reward", "--out", str(out))
    pairs = [json.loads(line) for line in out.read_text().splitlines()]
    equal("pairs", {(p["chosen"], p["rejected"]) for p in pairs}, {
        ("The Nile.", "Rhine"), ("The Nile.", "Ebro"), ("The Nile.", "no"), ("Rhine", "no"),
        ("Ebro", "no")})
    equal("to standard output", target.ok("export", built, "--format", "trl_reward"),
          out.read_text())
    equal("an empty part", target.ok("export", built, "--split", "valid"), "")


@test
def our_own_rows_come_back_as_they_went_in(target):
    built = target.imported("own.jsonl", RANKED)
    equal("the row", json.loads(target.ok("export", built)), RANKED)


@test
def what_goes_out_in_a_format_comes_in_again(target):
    first = target.imported("ranked.jsonl", RANKED)
    formats = {"rm": ("trl_reward", "openai_dpo", "axolotl_rm", "axolotl_kway", "oasst"),
               "sft": ("trl_sft", "openai_sft", "trl_unpaired"), "ppo": ("trl_prompts",)}
    for kind, names in formats.items():
        for name in names:
            text = target.ok("export", first, "--format", name)
            again = target.ok("import", target.file(name + ".jsonl", text.rstrip("\n")), "--kind",
                              kind, "--format", name, *ALL_TRAIN).split(":")[0]
            back = target.ok("export", again, "--format", name)
            wanted = text.splitlines()
            if name == "trl_unpaired":  # rejected answers are nothing to learn to write
                wanted = [line for line in wanted if json.loads(line)["label"]]
            if name == "oasst":  # a message that had no id is called after its file
                back, wanted = (json.loads(t)["prompt"]["replies"] for t in (back, text))
                equal("oasst", [(r["text"], r["rank"]) for r in back],
                      [(r["text"], r["rank"]) for r in wanted])
            elif kind != "rm":
                check(back.splitlines()[0] in wanted, f"{name}: {back!r} of {wanted!r}")
            else:
                equal(name, back.splitlines()[0], wanted[0])


@test
def rows_that_a_format_cannot_say_are_counted(target):
    turns = {**RANKED, "prompt": [{"role": "user", "content": "a"},
                                  {"role": "assistant", "content": "b"},
                                  {"role": "user", "content": "c"}]}
    built = target.imported("turns.jsonl", RANKED, turns)
    done = target.run("data", "export", built, "--format", "axolotl_kway")
    equal("exit code", done.code, 0)
    equal("lines", len(done.out.splitlines()), 1)
    check("1 row cannot be said in this format" in done.err, done.err)


@test
def a_line_that_cannot_be_read_is_named_by_its_number(target):
    good = {"prompt": "p", "chosen": "c", "rejected": "r"}
    broken = target.file("broken.jsonl", good, good, '{"prompt":"p","chosen":')
    wrong = target.file("wrong.jsonl", good, {"prompt": "p", "chosen": 3, "rejected": "r"})
    target.fails(1, "line 3", "import", broken, "--kind", "rm", "--format", "trl_reward")
    target.fails(1, "line 2", "import", wrong, "--kind", "rm", "--format", "trl_reward")
    tree = target.file("tree.jsonl", {"message_tree_id": "t", "prompt": {
        "role": "prompter", "text": "p", "replies": 7}})
    target.fails(1, "line 1", "import", tree, "--kind", "rm", "--format", "oasst")


@test
def mistakes_are_named_and_leave_nothing(target):
    path = target.file("fine.jsonl", RANKED)
    before = target.ok("list")
    target.fails(2, "--kind", "build")
    target.fails(2, "--kind", "import", path)
    target.fails(1, "kind", "build", "--kind", "dpo")
    target.fails(2, "TRAIN,VALID,TEST", "build", "--kind", "ppo", "--fractions", "half")
    target.fails(1, "expected a sum of 1", "build", "--kind", "ppo", "--fractions", "0.5,0,0")
    target.fails(1, "'csv' is not a format", "import", path, "--kind", "rm", "--format", "csv")
    target.fails(2, "absent.jsonl", "import", str(target.where / "absent.jsonl"), "--kind", "rm")
    target.fails(1, "no data set", "show", "ds_0123456789abcdef")
    target.fails(1, "no data set", "export", "ds_0123456789abcdef")
    target.fails(2, "needs a data set", "show")
    target.fails(2, "has no action", "sell")
    equal("the list", target.ok("list"), before)


@test
def an_export_replaces_nothing_and_leaves_nothing_half_written(target):
    built = target.imported("kept.jsonl", RANKED)
    kept = target.where / "kept.out"
    kept.write_text("mine")
    target.fails(2, "cannot make", "export", built, "--out", str(kept))
    equal("the file that was there", kept.read_text(), "mine")
    new = target.where / "new.out"
    target.fails(1, "'xml' is not a format", "export", built, "--format", "xml", "--out", str(new))
    target.fails(1, "train, valid or test", "export", built, "--split", "dev", "--out", str(new))
    check(not new.exists(), "a file of a failed export stays")


def main():
    with tempfile.TemporaryDirectory(prefix="instruct-data-") as where:
        target = Target(where)
        with target.daemon:
            return harness.main(target)


if __name__ == "__main__":
    sys.exit(main())
