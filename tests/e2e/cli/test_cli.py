"""`instruct` against a real daemon: the one at INSTRUCTD_URL (with the key or data directory that
the environment names), else one of its own. INSTRUCT_BIN is the client to test."""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import daemon
import harness
from harness import Skip, check, equal, test
from program import Terminal, environment, instruct, scratch_dir

POLICY = "pol_"


class Target:
    """The daemon under test and the environment that leads the client to it."""

    def __init__(self, url, **more):
        self.url = url
        self.env = environment(INSTRUCTD_URL=url, **more)

    def run(self, *arguments, stdin=b""):
        return instruct(*arguments, stdin=stdin, env=self.env)

    def ok(self, *arguments, stdin=b""):
        """stdout of a call that must succeed."""
        done = self.run(*arguments, stdin=stdin)
        equal(f"exit code of {arguments} ({done.err.strip()})", done.code, 0)
        return done.out

    def post(self, path, body):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as response:
            return json.load(response)

    def terminal(self, *arguments):
        return Terminal(*arguments, env=self.env)


def greedy(*more):
    return ("--temperature", "0", "--max-tokens", "8", *more)


@test
def models_lists_the_alias_with_its_policy(target):
    rows = [line.split("\t") for line in target.ok("models").splitlines()]
    check(rows and all(len(row) == 4 for row in rows), repr(rows))
    check(any(row[1].startswith(POLICY) and int(row[3]) > 0 for row in rows), repr(rows))
    listed = json.loads(target.ok("models", "--json"))
    equal("names", [row[0] for row in rows], [model["id"] for model in listed["data"]])


@test
def models_are_a_table_at_a_terminal(target):
    with target.terminal("models", "--no-color") as terminal:
        equal("exit code", terminal.end(), 0)
        check(terminal.shown().split()[:4] == ["ID", "POLICY", "STAGE", "MAX_MODEL_LEN"],
              terminal.shown())


@test
def complete_streams_what_the_server_returns_whole(target):
    prompt = "The capital of France is"
    whole = target.post("/v1/completions", {"prompt": prompt, "temperature": 0, "max_tokens": 8})
    text = whole["choices"][0]["text"]
    equal("streamed", target.ok("complete", prompt, *greedy()).rstrip("\n"), text.rstrip("\n"))
    equal("whole", target.ok("complete", prompt, *greedy("--no-stream")).rstrip("\n"),
          text.rstrip("\n"))
    equal("piped", target.ok("complete", "-", *greedy(), stdin=prompt.encode()).rstrip("\n"),
          text.rstrip("\n"))


@test
def complete_json_is_one_object_a_line(target):
    lines = target.ok("complete", "Once upon a time", *greedy("--json")).splitlines()
    chunks = [json.loads(line) for line in lines]
    text = "".join(c["text"] for chunk in chunks for c in chunk["choices"])
    usage = chunks[-1]["usage"]
    check(usage["completion_tokens"] <= 8, repr(usage))
    whole = json.loads(target.ok("complete", "Once upon a time", *greedy("--json", "--no-stream")))
    equal("joined stream", text, whole["choices"][0]["text"])
    equal("usage", usage["completion_tokens"], whole["usage"]["completion_tokens"])


@test
def complete_repeats_itself_with_a_seed(target):
    call = ("complete", "Dice:", "--seed", "42", "--max-tokens", "12", "--top-p", "0.95", "--top-k",
            "50", "--min-p", "0.01")
    equal("second time", target.ok(*call), target.ok(*call))


@test
def complete_takes_n_echo_stop_and_bias(target):
    out = target.ok("complete", "Hello", "--n", "2", "--seed", "1", "--max-tokens", "4")
    check(out.startswith("[0]\n") and "\n[1]\n" in out, repr(out))
    out = target.ok("complete", "Grüße", *greedy("--echo"))
    check(out.startswith("Grüße"), repr(out))
    free = target.ok("complete", "1 2 3 4", *greedy())
    word = free.split()[0]
    cut = target.ok("complete", "1 2 3 4", *greedy("--stop", word))
    check(word not in cut, f"{word!r} is in {cut!r}")
    first = int(target.ok("tokenize", " banana", "--ids", "--no-special-tokens").split()[0])
    biased = target.ok("complete", "I like", "--temperature", "0", "--max-tokens", "1",
                       "--logit-bias", f"{first}=100", "--json", "--no-stream")
    text = json.loads(biased)["choices"][0]["text"]
    check(text and " banana".startswith(text), repr(text))
    target.ok("complete", "x", *greedy("--presence-penalty", "1", "--frequency-penalty", "1"))


@test
def logprobs_are_printed_beside_the_text(target):
    done = target.run("complete", "The sky is", *greedy("--logprobs", "2"))
    equal("exit code", done.code, 0)
    check("log-probabilities [0]" in done.err and " |" in done.err, repr(done))
    done = target.run("chat", "Say hi", *greedy("--logprobs", "1"))
    check("log-probabilities [0]" in done.err, repr(done))


@test
def tokenize_shows_every_piece(target):
    text = "Hello world, Grüße 😀"
    ids = target.ok("tokenize", text, "--ids").split()
    lines = target.ok("tokenize", text).splitlines()
    equal("ids", [line.split("\t")[0] for line in lines[:-1]], ids)
    check(lines[-1].startswith(f"{len(ids)} token"), lines[-1])
    check(all(isinstance(json.loads(line.split("\t")[1]), str) for line in lines[:-1]), repr(lines))
    asked = json.loads(target.ok("tokenize", "--json", text))
    equal("json", [str(token) for token in asked["tokens"]], ids)
    equal("piped", target.ok("tokenize", "--ids", stdin=text.encode()).split(), ids)
    equal("text of nothing", target.ok("tokenize", "--no-special-tokens", "").splitlines()[-1],
          "0 tokens")


@test
def chat_answers_one_message_from_argument_and_pipe(target):
    answer = target.ok("chat", "Say hello.", *greedy())
    check(answer.strip(), "the answer is empty")
    equal("piped", target.ok("chat", *greedy(), stdin=b"Say hello.\n"), answer)
    equal("whole", target.ok("chat", "Say hello.", *greedy("--no-stream")), answer)
    chunks = target.ok("chat", "Say hello.", *greedy("--json")).splitlines()
    text = "".join(c["delta"].get("content") or "" for line in chunks
                   for c in json.loads(line)["choices"])
    equal("json", text.rstrip("\n"), answer.rstrip("\n"))
    target.ok("chat", "Say hello.", *greedy("--system", "You are brief."))


@test
def a_pinned_policy_can_be_asked_for(target):
    models = json.loads(target.ok("models", "--json"))["data"]
    policy = next(m["policy"] for m in models if m["policy"].startswith(POLICY))
    chunk = json.loads(target.ok("complete", "x", *greedy("--json", "-m", policy)).splitlines()[0])
    check(chunk["model"].endswith(policy), chunk["model"])


@test
def refusals_of_the_server_are_explained(target):
    done = target.run("complete", "x", "--model", "no-such-model")
    check(done.code == 1 and "model_not_found" in done.err and "instruct models" in done.err,
          repr(done))
    done = target.run("complete", "x", "--top-p", "7")
    check(done.code == 1 and "top_p" in done.err, repr(done))
    done = target.run("complete", "x", "--max-tokens", "10000000")
    check(done.code == 1 and "context_length_exceeded" in done.err, repr(done))
    done = target.run("models", "--key", "sk-inst-00000000-nobody")
    check(done.code == 4 and "invalid_api_key" in done.err, repr(done))
    done = target.run("complete", "-", stdin=b"a" * (2 << 20))
    equal("exit code of a prompt past the server's limit", done.code, 1)


@test
def a_conversation_remembers_and_reports(target):
    with scratch_dir() as where, target.terminal("chat", "--max-tokens", "12") as terminal:
        path = os.path.join(where, "talk.jsonl")
        for line in ("My name is Ada.", "What is my name?"):
            terminal.wait_for("> ")
            terminal.type(line + "\r")
            terminal.wait_for(" token")
            terminal.wait_for("first after")
            terminal.wait_for(POLICY)
        terminal.wait_for("> ")
        terminal.type("/stats\r")
        terminal.wait_for("2 answers")
        terminal.wait_for("> ")
        terminal.type(f"/save {path}\r")
        terminal.wait_for("4 messages saved")
        terminal.wait_for("> ")
        terminal.type("\x04")
        equal("exit code", terminal.end(), 0)
        roles = [m["role"] for m in json.loads(Path(path).read_text())["messages"]]
    equal("roles", roles, ["user", "assistant"] * 2)


@test
def ctrl_c_stops_the_answer_and_the_engine_but_not_the_program(target):
    running_before = running_requests(target)
    with target.terminal("chat", "--max-tokens", "1500", "--logit-bias", f"{end_token(target)}=-100",
                         "--no-color") as terminal:
        terminal.wait_for("> ")
        terminal.type("Write a very long story about a mountain.\r")
        terminal.wait_for("mountain.\n")
        terminal.wait_growth(40)
        terminal.type("\x03")
        terminal.wait_for("(stopped)")
        terminal.wait_for(POLICY)
        terminal.wait_for("> ")
        wait_until(lambda: (running_requests(target) or 0) <= (running_before or 0),
                   "the engine goes on")
        terminal.type("/stats\r")
        terminal.wait_for("1 answer,")
        terminal.wait_for("> ")
        terminal.type("Say hi.\r")  # the connection that was cut is replaced
        terminal.wait_growth(4)
        terminal.type("\x03")
        terminal.wait_for("> ")
        terminal.type("\x04")
        equal("exit code", terminal.end(), 0)


@test
def ctrl_c_ends_a_completion_with_130(target):
    with target.terminal("complete", "Once upon a time", "--max-tokens", "1500", "--logit-bias",
                         f"{end_token(target)}=-100") as terminal:
        terminal.wait_growth(40)
        terminal.type("\x03")
        equal("exit code", terminal.end(), 130)


def end_token(target):
    """The id of the token that ends an answer, so that a long one can be forced."""
    with urllib.request.urlopen(target.url + "/tokenizer_info", timeout=60) as response:
        name = json.load(response)["eos_token"]
    if not name:
        raise Skip("the model has no end token")
    return target.ok("tokenize", name, "--ids", "--no-special-tokens").split()[-1]


def running_requests(target):
    """The gauge of /metrics, or None where it cannot be read."""
    try:
        with urllib.request.urlopen(target.url + "/metrics", timeout=60) as response:
            for line in response.read().decode().splitlines():
                if line.startswith("instructd_num_requests_running "):
                    return float(line.split()[1])
    except urllib.error.URLError:
        pass
    return None


def wait_until(condition, message, tries=600):
    for _ in range(tries):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(message)


def run():
    url = os.environ.get("INSTRUCTD_URL")
    if url:
        kept = {name: os.environ[name] for name in ("INSTRUCTD_API_KEY", "INSTRUCTD_DATA_DIR")
                if name in os.environ}
        return harness.main(Target(url.rstrip("/"), **kept))
    if not os.path.exists(daemon.BINARY) or not os.path.exists(daemon.default_model()):
        print("  skipped: neither INSTRUCTD_URL nor an instructd with its model is here")
        return harness.close(0, 0, 1)
    with daemon.Daemon() as own:
        return harness.main(Target(own.url, INSTRUCTD_DATA_DIR=own.data_dir + "/data"))


if __name__ == "__main__":
    sys.exit(run())
