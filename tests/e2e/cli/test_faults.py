"""`instruct` against a server that misbehaves, and without one. Needs the binary only.
   INSTRUCT_BIN=build/bin/instruct python3 tests/e2e/cli/test_faults.py"""

import json
import os
import re
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness
from harness import Skip, check, equal, test
from program import BINARY, GUARD_S, Terminal, environment, instruct, scratch_dir
from scripted_server import (STREAM_HEAD, ScriptedServer, chat_chunk, endless, event, reply, stream,
                             text_chunk)

DONE = event("[DONE]")
USAGE = event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})


def run_with(script, *arguments, stdin=b""):
    with ScriptedServer(script) as server:
        return instruct("--url", server.url, *arguments, stdin=stdin), server


def error(code, message="no", type_="invalid_request_error", param=None):
    return {"error": {"message": message, "type": type_, "param": param, "code": code}}


@test
def nobody_listening_is_exit_3_and_says_what_to_start():
    done = instruct("--url", "http://127.0.0.1:1", "models")
    equal("exit code", done.code, 3)
    check("nothing listens on http://127.0.0.1:1" in done.err, repr(done))
    check("./quickstart up" in done.err, repr(done))
    equal("stdout", done.out, "")


@test
def url_comes_from_the_environment_with_or_without_scheme_and_v1():
    for url in ("http://127.0.0.1:1/v1", "127.0.0.1:1", "http://127.0.0.1:1/"):
        done = instruct("models", env=environment(INSTRUCTD_URL=url))
        check("nothing listens on http://127.0.0.1:1\n" in done.err, f"{url}: {done}")


@test
def urls_that_are_none_are_exit_2():
    for url in ("ftp://h", "http://user:secret@h", "http://h/path", "http://", "http://h?x=1"):
        done = instruct("--url", url, "models")
        equal(f"exit code for {url}", done.code, 2)
        check("secret" not in done.err, repr(done))


@test
def help_and_version_work_without_a_server():
    for arguments in (("--help",), ("help",), ("help", "chat"), ("complete", "--help")):
        done = instruct(*arguments)
        equal(f"exit code of {arguments}", done.code, 0)
        check("Exit codes:" in done.out and done.err == "", repr(done))
    check("--echo" in instruct("help", "complete").out, "help complete lists --echo")
    check(instruct("--version").out.startswith("instruct "), "--version names the program")


@test
def wrong_command_lines_are_exit_2_and_name_the_help():
    for arguments in ((), ("bake",), ("models", "x"), ("complete", "x", "--seed", "one"),
                      ("help", "bake"), ("tokenize", "--echo", "x")):
        done = instruct(*arguments)
        equal(f"exit code of {arguments}", done.code, 2)
        check(done.err.startswith("instruct: ") and done.err.count("\n") == 2, repr(done))


@test
def input_that_json_cannot_carry_is_exit_2():
    equal("NUL", instruct("complete", "-", stdin=b"a\0b").code, 2)
    done = instruct("complete", stdin=b"ab\xff")
    check(done.code == 2 and "not UTF-8 (at byte 2)" in done.err, repr(done))


@test
def api_errors_are_one_line_with_param_and_code():
    done, _ = run_with(reply(400, error("invalid_value", "top_p is above 1", param="top_p")),
                       "complete", "x")
    equal("exit code", done.code, 1)
    equal("stderr", done.err, "instruct: top_p is above 1 (top_p, invalid_value)\n")


@test
def exit_codes_and_hints_follow_the_error():
    cases = [(401, "missing_api_key", 4, "--key"), (401, "invalid_api_key", 4, "admin.key"),
             (403, "insufficient_scope", 4, "scope"), (404, "model_not_found", 1, "instruct models"),
             (400, "context_length_exceeded", 1, "shorten"), (503, "not_ready", 1, "loading")]
    for status, code, exit_code, hint in cases:
        done, _ = run_with(reply(status, error(code)), "complete", "x")
        equal(f"exit code of {code}", done.code, exit_code)
        check(hint in done.err, f"{code}: {done}")
    done, _ = run_with(reply(429, error("rate_limit_exceeded"), retry_after_ms=1500), "models")
    check("try again in 1.5 s" in done.err, repr(done))
    done, _ = run_with(reply(500, error(None), x_request_id="req_7"), "models")
    check("req_7" in done.err, repr(done))


@test
def another_program_on_the_port_is_recognised():
    for script in (reply(404, "<html>no</html>", "text/html"), reply(200, "hello", "text/plain")):
        done, _ = run_with(script, "complete", "x")
        equal("exit code", done.code, 1)
        check("check --url" in done.err, repr(done))

    def not_http(_, connection):
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        return False
    done, _ = run_with(not_http, "models")
    check(done.code == 1 and "check --url" in done.err, repr(done))


@test
def a_stream_prints_the_same_for_every_split():
    pieces = (text_chunk("Grüße "), b": ping\n\n", text_chunk("😀\n"), text_chunk("end"),
              text_chunk("", finish="stop"), USAGE, DONE)
    for step in (1, 2, 3, 7, None):
        done, _ = run_with(stream(*pieces, step=step), "complete", "x")
        equal(f"split {step}", (done.code, done.out, done.err), (0, "Grüße 😀\nend\n", ""))


@test
def a_stream_without_done_is_exit_5():
    done, _ = run_with(stream(text_chunk("half")), "complete", "x")
    equal("exit code", done.code, 5)
    equal("stdout", done.out, "half\n")
    check("[DONE]" in done.err, repr(done))


@test
def a_connection_cut_inside_a_chunk_is_exit_5():
    def script(_, connection):
        head = STREAM_HEAD.replace(b"Connection: close", b"Transfer-Encoding: chunked")
        connection.sendall(head + b"ff\r\n" + text_chunk("half"))
        return False
    done, _ = run_with(script, "complete", "x")
    equal("exit code", done.code, 5)
    check("half" in done.out and "broke off" in done.err, repr(done))


@test
def a_silent_server_is_exit_5_after_the_timeout():
    def script(_, connection):
        connection.sendall(STREAM_HEAD + text_chunk("half"))
        time.sleep(GUARD_S)
    done, _ = run_with(script, "--timeout", "0.3", "complete", "x")
    check(done.code == 5 and "no byte" in done.err and "--timeout" in done.err, repr(done))


@test
def an_error_inside_a_stream_is_reported():
    done, _ = run_with(stream(text_chunk("half"), event(error("out_of_memory", "no room"))),
                       "complete", "x")
    equal("exit code", done.code, 1)
    equal("stdout", done.out, "half\n")
    equal("stderr", done.err, "instruct: no room (out_of_memory)\n")


@test
def a_line_that_is_no_json_is_an_error():
    done, _ = run_with(stream(event("{oops"), DONE), "complete", "x")
    check(done.code == 1 and "no JSON" in done.err, repr(done))


@test
def json_prints_the_stream_line_by_line_as_sent():
    done, _ = run_with(stream(text_chunk("a"), text_chunk("b", finish="stop"), USAGE, DONE),
                       "complete", "x", "--json")
    lines = done.out.splitlines()
    equal("lines", len(lines), 3)
    equal("first text", json.loads(lines[0])["choices"][0]["text"], "a")
    equal("usage", json.loads(lines[2])["usage"]["completion_tokens"], 2)


@test
def interleaved_choices_are_printed_one_after_the_other():
    done, _ = run_with(stream(text_chunk("a", 0), text_chunk("x", 1), text_chunk("b", 0),
                              text_chunk("y", 1, "stop"), text_chunk("", 0, "stop"), DONE),
                       "complete", "x", "--n", "2")
    equal("stdout", done.out, "[0]\nab\n[1]\nxy\n")


@test
def a_closed_pipe_ends_the_request():
    with ScriptedServer(endless(text_chunk("line\n"))) as server:
        process = subprocess.Popen([BINARY, "--url", server.url, "complete", "x"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=environment())
        process.stdout.readline()
        process.stdout.close()
        equal("exit code", process.wait(GUARD_S), -signal.SIGPIPE)
        equal("stderr", process.stderr.read(), b"")
        process.stderr.close()
        check(server.closed_by_client.wait(GUARD_S), "the connection stays open")


@test
def a_full_disk_is_an_error():
    with ScriptedServer(stream(text_chunk("a", 0, "stop"), DONE)) as server:
        with open("/dev/full", "wb") as full:
            done = subprocess.run([BINARY, "--url", server.url, "complete", "x"], stdout=full,
                                  stderr=subprocess.PIPE, env=environment(), timeout=GUARD_S,
                                  check=False)
        check(done.returncode == 1 and b"cannot write the output" in done.stderr, repr(done))


@test
def an_interrupted_completion_is_exit_130_and_leaves_the_server():
    with ScriptedServer(endless(text_chunk("word "))) as server:
        with Terminal("--url", server.url, "complete", "x") as terminal:
            terminal.wait_for("word word")
            terminal.type("\x03")
            equal("exit code", terminal.end(), 130)
        check(server.closed_by_client.wait(GUARD_S), "the connection stays open")


@test
def a_terminal_sees_controls_and_a_pipe_gets_bytes():
    text = "\x1b]0;title\x07\x1b[2J\u009b31m\u202eok\t.\r"
    script = stream(text_chunk(text, 0, "stop"), DONE)
    done, _ = run_with(script, "complete", "x")
    equal("piped", done.out, text + "\n")
    with ScriptedServer(script) as server, Terminal("--url", server.url, "--no-color", "complete",
                                                    "x") as terminal:
        equal("exit code", terminal.end(), 0)
        shown = terminal.raw.decode()
    check("^[]0;title^G^[[2J<U+009B>31m<U+202E>ok\t.^M" in shown, repr(shown))
    check("\x1b" not in shown, "an escape reached the terminal")


@test
def errors_from_a_server_are_made_harmless():
    done, _ = run_with(reply(400, error("invalid_value", "\x1b[2Jbad\nline")), "models")
    equal("stderr", done.err, "instruct: ^[[2Jbad line (invalid_value)\n")


@test
def keys_come_from_option_environment_and_data_dir_in_this_order():
    with scratch_dir() as data_dir:
        Path(data_dir, "admin.key").write_text("sk-inst-file\n")
        env = environment(INSTRUCTD_API_KEY="sk-inst-env", INSTRUCTD_DATA_DIR=data_dir)
        file_only = environment(INSTRUCTD_DATA_DIR=data_dir)
        no_key = environment(HOME=data_dir, XDG_DATA_HOME=data_dir)
        models = reply(200, {"object": "list", "data": [], "has_more": False})
        with ScriptedServer(models) as server:
            instruct("models", "--url", server.url, "--key", "sk-inst-option", env=env)
            instruct("models", "--url", server.url, env=env)
            instruct("models", "--url", server.url, env=file_only)
            instruct("models", "--url", server.url, env=no_key)
            sent = [request.headers.get("authorization") for request in server.requests]
        equal("keys", sent, ["Bearer sk-inst-option", "Bearer sk-inst-env", "Bearer sk-inst-file",
                             None])
        done = instruct("models", "--key", "two words")
        equal("exit code of a key that is none", done.code, 2)


@test
def a_key_that_nobody_named_goes_to_the_default_address_only():
    with scratch_dir() as home:
        for folder in ("instructd", ".local/share/instructd"):
            Path(home, folder).mkdir(parents=True)
            Path(home, folder, "admin.key").write_text("sk-inst-file\n")
        env = environment(HOME=home)
        env.pop("XDG_DATA_HOME", None)
        models = reply(200, {"object": "list", "data": [], "has_more": False})
        with ScriptedServer(models) as server:
            instruct("models", "--url", server.url, env=env)
            instruct("models", env=env | {"INSTRUCTD_URL": server.url, "XDG_DATA_HOME": home})
            instruct("models", "--url", server.url, "--data-dir", home + "/instructd", env=env)
            sent = [request.headers.get("authorization") for request in server.requests]
        equal("keys at another port", sent, [None, None, "Bearer sk-inst-file"])
        try:
            server = ScriptedServer(models, port=8080)
        except OSError as problem:
            raise Skip(f"port 8080 of the default address: {problem}")
        with server:
            instruct("models", env=env)
            instruct("models", "--url", "127.0.0.1:8080", env=env)
            sent = [request.headers.get("authorization") for request in server.requests]
        equal("keys at the default address", sent, ["Bearer sk-inst-file"] * 2)


@test
def the_request_carries_every_option():
    script = stream(chat_chunk("hi", 0, "stop"), DONE)
    with ScriptedServer(script) as server:
        instruct("--url", server.url, "chat", "hello", "--system", "be brief", "-m", "small",
                 "--max-tokens", "5", "--temperature", "0.5", "--top-p", "0.9", "--top-k", "4",
                 "--min-p", "0.1", "--seed", "9007199254740993", "--stop", "a", "--stop", "b",
                 "--presence-penalty", "-1", "--frequency-penalty", "1", "--logit-bias", "7=-100",
                 "--logprobs", "2")
        body = server.requests[0].json()
    equal("body", body, {
        "model": "small", "messages": [{"role": "system", "content": "be brief"},
                                       {"role": "user", "content": "hello"}],
        "max_tokens": 5, "temperature": 0.5, "top_p": 0.9, "top_k": 4, "min_p": 0.1,
        "seed": 9007199254740993, "stop": ["a", "b"], "presence_penalty": -1,
        "frequency_penalty": 1, "logit_bias": {"7": -100}, "stream": True,
        "stream_options": {"include_usage": True}, "logprobs": True, "top_logprobs": 2})


@test
def models_pages_through_a_long_list():
    def script(request, connection):
        first = "after" not in request.line
        model = {"id": "one" if first else "two", "object": "model", "policy": "pol_1",
                 "stage": "sft", "max_model_len": 2048}
        reply(200, {"object": "list", "data": [model], "has_more": first})(request, connection)
    done, server = run_with(script, "models")
    equal("stdout", done.out, "one\tpol_1\tsft\t2048\ntwo\tpol_1\tsft\t2048\n")
    equal("second page", server.requests[1].line, "GET /v1/models?limit=100&after=one HTTP/1.1")


@test
def a_stopped_answer_stays_in_the_conversation():
    replies = [endless(chat_chunk("word ")), stream(chat_chunk("fine", 0, "stop"), USAGE, DONE)]
    with ScriptedServer(lambda r, c: replies.pop(0)(r, c)) as server:
        with Terminal("--url", server.url, "chat") as terminal:
            terminal.wait_for("> ")
            terminal.type("go on\r")
            terminal.wait_for("word word")
            terminal.type("\x03")
            terminal.wait_for("(stopped)")
            terminal.wait_for("> ")
            check(server.closed_by_client.wait(GUARD_S), "the connection stays open")
            terminal.type("and now?\r")
            terminal.wait_for("fine\n[2 tokens")
            terminal.wait_for("pol_0123456789abcdef]")
            terminal.wait_for("> ")
            terminal.type("\x04")
            equal("exit code", terminal.end(), 0)
        messages = server.requests[1].json()["messages"]
    equal("roles", [m["role"] for m in messages], ["user", "assistant", "user"])
    check(messages[1]["content"].startswith("word word"), repr(messages))


@test
def a_failed_turn_leaves_the_conversation_as_it_was():
    replies = [reply(503, error("not_ready")), stream(chat_chunk("fine", 0, "stop"), DONE)]
    with ScriptedServer(lambda r, c: replies.pop(0)(r, c)) as server:
        with Terminal("--url", server.url, "chat") as terminal:
            terminal.wait_for("> ")
            terminal.type("one\r")
            terminal.wait_for("still loading")
            terminal.wait_for("> ")
            terminal.type("two\r")
            terminal.wait_for("fine")
        equal("messages", server.requests[1].json()["messages"],
              [{"role": "user", "content": "two"}])


@test
def ctrl_c_at_the_prompt_clears_the_line():
    with ScriptedServer(stream(chat_chunk("fine", 0, "stop"), DONE)) as server:
        with Terminal("--url", server.url, "chat") as terminal:
            terminal.wait_for("> ")
            terminal.type("wrong")
            terminal.wait_for("wrong")
            terminal.type("\x03")
            terminal.wait_for("^C")
            terminal.wait_for("> ")
            terminal.type("right\r")
            terminal.wait_for("fine")
        equal("messages", server.requests[0].json()["messages"],
              [{"role": "user", "content": "right"}])


@test
def lines_continue_and_slashes_escape():
    with ScriptedServer(stream(chat_chunk("fine", 0, "stop"), DONE)) as server:
        with Terminal("--url", server.url, "chat") as terminal:
            terminal.wait_for("> ")
            terminal.type("//Grüße\\\r")
            terminal.wait_for(". ")
            terminal.type("second\r")
            terminal.wait_for("fine")
        equal("messages", server.requests[0].json()["messages"],
              [{"role": "user", "content": "/Grüße\nsecond"}])


@test
def only_the_prompt_is_bold():
    with ScriptedServer(stream(chat_chunk("fine", 0, "stop"), DONE)) as server:
        with Terminal("--url", server.url, "chat") as terminal:
            terminal.wait_for("> ")
            terminal.type("hello\r")
            terminal.wait_for("fine")
            before = terminal.raw[:terminal.raw.index(b"fine")]
        equal("bold and plain", re.findall(rb"\x1b\[([01]?)m", before)[:2], [b"1", b"0"])
        check(before.rindex(b"\x1b[0m") > before.rindex(b"\x1b[1m"), repr(before))


@test
def slash_commands_work():
    with scratch_dir() as where, ScriptedServer(stream(chat_chunk("fine", 0, "stop"), USAGE,
                                                       DONE)) as server:
        path = os.path.join(where, "talk.jsonl")
        with Terminal("--url", server.url, "chat") as terminal:
            for line, shown in (("/help", "/save FILE"), ("/system be kind", "system message set"),
                                ("hello", "fine"), ("/stats", "1 answer, 3 prompt tokens"),
                                (f"/save {path}", "3 messages saved"),
                                (f"/save {path}", "3 messages saved"),
                                ("/save /dev/null/x", "cannot write"),
                                ("/reset", "the system message stays"), ("/nonsense", "/help lists"),
                                ("hello", "fine"), ("/system", "system message removed")):
                terminal.wait_for("> ")
                terminal.type(line + "\r")
                terminal.wait_for(shown)
            terminal.wait_for("> ")
            terminal.type("/quit\r")
            equal("exit code", terminal.end(), 0)
        saved = json.loads(Path(path).read_text())
        equal("mode", os.stat(path).st_mode & 0o777, 0o600)
        equal("second request", server.requests[1].json()["messages"],
              [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hello"}])
    equal("saved", saved["messages"][-1], {"role": "assistant", "content": "fine"})


@test
def save_never_replaces_a_file_of_others():
    with scratch_dir() as where, ScriptedServer(reply(500, error(None))) as server:
        path = Path(where, "precious")
        path.write_text("keep")
        with Terminal("--url", server.url, "chat") as terminal:
            terminal.wait_for("> ")
            terminal.type(f"/save {path}\r")
            terminal.wait_for("File exists")
        equal("content", path.read_text(), "keep")


@test
def a_terminated_chat_leaves_the_terminal_in_order():
    with ScriptedServer(reply(500, error(None))) as server:
        with Terminal("--url", server.url, "chat") as terminal:
            terminal.wait_for("> ")
            os.kill(terminal.pid, signal.SIGTERM)
            equal("exit code", terminal.end(), 128 + signal.SIGTERM)


@test
def a_continued_chat_takes_the_terminal_back():
    """What a shell does around Ctrl-Z and fg."""
    with ScriptedServer(stream(chat_chunk("fine", 0, "stop"), DONE)) as server:
        with Terminal("--url", server.url, "chat") as terminal:
            terminal.wait_for("> ")
            os.kill(terminal.pid, signal.SIGSTOP)
            os.waitpid(terminal.pid, os.WUNTRACED)
            modes = termios.tcgetattr(terminal.fd)
            modes[3] |= termios.ICANON | termios.ECHO
            termios.tcsetattr(terminal.fd, termios.TCSANOW, modes)
            os.kill(terminal.pid, signal.SIGCONT)
            terminal.wait_for("> ")  # drawn again
            check(not termios.tcgetattr(terminal.fd)[3] & termios.ICANON, "still the shell's modes")
            terminal.type("hello\r")
            terminal.wait_for("fine")


@test
def interactive_chat_refuses_what_it_cannot_show():
    for option in ("--json", "--n=2"):
        with Terminal("--url", "http://127.0.0.1:1", "chat", option) as terminal:
            equal("exit code", terminal.end(), 2)


@test
def colours_appear_on_a_terminal_unless_refused():
    script = reply(200, {"object": "list", "data": [], "has_more": False})
    with ScriptedServer(script) as server:
        with Terminal("--url", server.url, "models") as terminal:
            terminal.end()
            check(b"\x1b[1m" in terminal.raw, repr(terminal.raw))
        for arguments, env in ((("--no-color",), None), ((), environment(NO_COLOR="1")),
                               ((), environment(TERM="dumb"))):
            with Terminal("--url", server.url, "models", *arguments, env=env) as terminal:
                terminal.end()
                check(b"\x1b" not in terminal.raw, repr(terminal.raw))


if __name__ == "__main__":
    sys.exit(harness.main())
