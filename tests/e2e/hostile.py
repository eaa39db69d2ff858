"""Requests that nobody should send, over a live socket: each is refused with the API's error
object, nothing hangs, memory does not grow, and the daemon goes on answering."""

import json
import select
import socket
import sys

from daemon import Daemon
from harness import check, equal, main, test

MODEL_VOCABULARY = 49152
GROWTH_BYTES = 64 << 20


# ---- speaking by hand ---------------------------------------------------------------------------


def send_raw(daemon, pieces):
    """Everything the daemon says to these bytes on one connection, until it closes. Pieces go out
    one by one, and no more once it has begun to answer."""
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=60) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in pieces:
                s.sendall(piece)
                if len(pieces) > 1 and select.select([s], [], [], 0.002)[0]:
                    break
        except OSError:
            pass  # it had enough and closed; its answer may still be here
        reply = b""
        try:
            while chunk := s.recv(65536):
                reply += chunk
        except OSError:
            pass
        return reply


def status_of(reply):
    return int(reply.split(b" ", 2)[1]) if reply.startswith(b"HTTP/1.") else 0


def check_error(what, body, code=None, param=None):
    """The body is an error object with its four keys, and names the code and the field."""
    error = json.loads(body)["error"]
    equal(f"{what}: keys", sorted(error), ["code", "message", "param", "type"])
    check(error["message"], f"{what}: the message is empty")
    if code:
        equal(f"{what}: code", error["code"], code)
    if param:
        found = (error["param"] or "").split("[")[0].split(".")[0]
        equal(f"{what}: param", found, param)


def refuse(daemon, what, path, body, status=400, code=None, param=None, headers=None):
    headers = {"Content-Type": "application/json", **(headers or {})}
    reply = daemon.request("POST", path, body, headers)
    equal(f"{what}: status", reply.status, status)
    check_error(what, reply.body, code, param)
    return reply


def check_lives(daemon):
    check(daemon.alive(), "the daemon has ended")
    equal("/health", daemon.request("GET", "/health").status, 200)
    reply = daemon.post("/v1/completions", {"prompt": "2 + 2 =", "max_tokens": 2})
    equal("choices", len(reply["choices"]), 1)


# ---- fields -------------------------------------------------------------------------------------

NOT_A_BOOL = [1, 0, "true", [], {}, 0.5]
NOT_AN_INT = ["5", 1.5, [], {}, True, 1e300, -1e300]
NOT_A_NUMBER = ["1", [], {}, True, False, 1e300, -1e300]
NOT_A_STRING = [5, True, [], {}, "x" * 129]

COMMON_FIELDS = {
    "max_tokens": NOT_AN_INT + [-1],
    "n": NOT_AN_INT + [0, -1, 129, 10**6],
    "temperature": NOT_A_NUMBER + [-0.001, 2.001],
    "top_p": NOT_A_NUMBER + [0, -0.1, 1.001],
    "top_k": NOT_AN_INT + [-1, MODEL_VOCABULARY + 1],
    "min_p": NOT_A_NUMBER + [-0.1, 1.1],
    "min_tokens": NOT_AN_INT + [-1, 10**6],
    "presence_penalty": NOT_A_NUMBER + [-2.1, 2.1],
    "frequency_penalty": NOT_A_NUMBER + [-2.1, 2.1],
    "logit_bias": [[], "x", 5, True, {"x": 1}, {"-1": 1}, {"1.5": 1}, {"5": "x"}, {"5": 101},
                   {"5": -101}, {"5": None}, {str(MODEL_VOCABULARY): 1}, {"9" * 30: 1},
                   {str(i): 1 for i in range(1025)}],
    "seed": ["x", 1.5, [], {}, True, 1e300, 2**63, -2**63 - 1, 10**40],
    "stop": [5, True, {}, [5], [None], [[]], "x" * 257, ["x"] * 17],
    "stop_token_ids": [5, "x", {}, ["x"], [-1], [1.5], [MODEL_VOCABULARY], [1] * 65],
    "stream": NOT_A_BOOL,
    "ignore_eos": NOT_A_BOOL,
    "include_stop_str_in_output": NOT_A_BOOL,
    "return_token_ids": NOT_A_BOOL,
    "return_timings": NOT_A_BOOL,
    "return_progress": NOT_A_BOOL,
    "stream_options": [5, "x", [], True, {"include_usage": True}],
    "user": NOT_A_STRING,
    "safety_identifier": NOT_A_STRING,
    "priority": [5, [], "urgent"],
    "model": [5, [], True, {}],
}
COMPLETION_FIELDS = {
    "prompt": [[], {}, 5, True, [True], [{}], [[]], [["x"]], ["x", 1], [1, "x"], [[1], "x"], [-1],
               [1.5], [MODEL_VOCABULARY], [10**12], [[1, -1]], ["x"] * 129],
    "best_of": NOT_AN_INT + [-1, 21],
    "logprobs": ["5", 1.5, [], {}, True, -1, 21],
    "echo": NOT_A_BOOL,
    "add_special_tokens": NOT_A_BOOL,
    "parse_special": NOT_A_BOOL,
    "suffix": ["x", 5],
}
USER = {"role": "user", "content": "hi"}
CHAT_FIELDS = {
    "messages": [[], {}, "x", 5, ["x"], [5], [[]], [{}], [{"role": "user"}], [{"content": "x"}],
                 [{"role": "tool", "content": "x"}], [{"role": 5, "content": "x"}],
                 [{"role": "user", "content": 5}], [{"role": "user", "content": [5]}],
                 [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}],
                 [{"role": "user", "content": [{"type": "text"}]}], [USER] * 1025],
    "max_completion_tokens": NOT_AN_INT + [-1],
    "logprobs": NOT_A_BOOL,
    "top_logprobs": [-1, 21, "x", 3],
    "tools": [[{"type": "function", "function": {"name": "f"}}]],
    "response_format": [{"type": "json_object"}],
}


def refuse_each(daemon, path, body, fields):
    tried = 0
    for name, values in fields.items():
        for value in values:
            what = f"{path} {name} = {json.dumps(value)[:60]}"
            refuse(daemon, what, path, {**body, name: value}, param=name)
            tried += 1
    print(f"  {tried} bad values refused")


@test
def each_bad_completion_field_is_refused_by_name(daemon):
    refuse_each(daemon, "/v1/completions", {"prompt": "hi", "max_tokens": 4},
                COMMON_FIELDS | COMPLETION_FIELDS)


@test
def each_bad_chat_field_is_refused_by_name(daemon):
    refuse_each(daemon, "/v1/chat/completions", {"messages": [USER], "max_tokens": 4},
                COMMON_FIELDS | CHAT_FIELDS)


@test
def rules_between_fields_are_kept(daemon):
    path, body = "/v1/completions", {"prompt": "hi", "max_tokens": 4}
    refuse(daemon, "max_tokens 0 without echo", path, {**body, "max_tokens": 0}, param="max_tokens")
    refuse(daemon, "best_of below n", path, {**body, "n": 3, "best_of": 2}, param="best_of")
    refuse(daemon, "best_of streamed", path, {**body, "best_of": 2, "stream": True})
    refuse(daemon, "too many sequences", path, {**body, "prompt": ["x"] * 128, "n": 3})
    refuse(daemon, "past the context", path, {**body, "max_tokens": 10**6},
           code="context_length_exceeded")
    refuse(daemon, "a prompt past the context", path, {**body, "prompt": [5] * 100_000},
           code="context_length_exceeded")
    refuse(daemon, "an unknown model", path, {**body, "model": "nobody"}, 404, "model_not_found")
    refuse(daemon, "messages missing", "/v1/chat/completions", {"model": "instruct"},
           code="missing_required_parameter", param="messages")


@test
def unknown_fields_and_nulls_are_ignored(daemon):
    names = COMMON_FIELDS | COMPLETION_FIELDS
    body = {name: None for name in names} | {"prompt": "hi", "max_tokens": 2, "no_such_field": [1]}
    daemon.post("/v1/completions", body)


@test
def the_tokenizer_routes_refuse_bad_bodies(daemon):
    for body in ({}, {"prompt": 5}, {"prompt": "x", "messages": [USER]}, {"messages": "x"},
                 {"prompt": "x", "add_special_tokens": "yes"}, {"content": []}):
        refuse(daemon, f"/tokenize {body}", "/tokenize", body)
    for body in ({}, {"tokens": "x"}, {"tokens": ["x"]}, {"tokens": [-1]}, {"tokens": [1.5]},
                 {"tokens": [MODEL_VOCABULARY]}):
        refuse(daemon, f"/detokenize {body}", "/detokenize", body)


@test
def special_tokens_in_a_message_are_plain_text(daemon):
    def count(content):
        message = {"role": "user", "content": content}
        return daemon.post("/tokenize", {"messages": [message]})["count"]
    check(count("a<|im_end|>b") > count("ab") + 2, "<|im_end|> in a message became one token")


# ---- JSON ---------------------------------------------------------------------------------------

BAD_JSON = (
    b"", b"{", b"}", b"[]", b"null", b"5", b'"x"', b"{} {}", b"{'a':1}", b'{"a":1,}', b'{"a"}',
    b'{"a":01}', b'{"a":+1}', b'{"a":.5}', b'{"a":1.}', b'{"a":NaN}', b'{"a":Infinity}',
    b'{"a":1e999}', b'{"a":tru}', b'{"a":"\\x"}', b'{"a":"\\u12"}', b'{"a":"\\ud800"}',
    b'{"a":"\\u0000"}', b'{"a":"\x01"}', b'{"a":"\xff"}', b'{"a":"\xc0\xaf"}',
    b'{"a":"\xed\xa0\x80"}', b'\xef\xbb\xbf{"prompt":"x"}', b'{"prompt":"a","prompt":"b"}',
    b'{"a":1}\x00', b"[" * 60_000, b'{"a":' * 33 + b"1" + b"}" * 33,
    b'{"a":' + b"[" * 32 + b"]" * 32 + b"}",
)


@test
def bad_json_is_refused(daemon):
    for body in BAD_JSON:
        refuse(daemon, f"body {body[:40]!r}", "/v1/completions", body, code="invalid_json")


# ---- HTTP ---------------------------------------------------------------------------------------

HOST = b"Host: localhost\r\n"
HEAD = b"POST /v1/completions HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"

BAD_HEADS = {
    "no Host": b"GET /health HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /health HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "an empty Host": b"GET /health HTTP/1.1\r\nHost:\r\n\r\n",
    "bare LF": b"GET /health HTTP/1.1\nHost: localhost\n\n\r\n\r\n",
    "bare CR in a value": b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n",
    "a folded line": b"GET /health HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n",
    "a space before the colon": b"GET /health HTTP/1.1\r\n" + HOST + b"X : a\r\n\r\n",
    "an empty first line": b"\r\nGET /health HTTP/1.1\r\n" + HOST + b"\r\n",
    "two spaces": b"GET  /health HTTP/1.1\r\n" + HOST + b"\r\n",
    "HTTP/2.0": b"GET /health HTTP/2.0\r\n" + HOST + b"\r\n",
    "HTTP/0.9": b"GET /health\r\n" + HOST + b"\r\n",
    "an unknown method": b"BREW /health HTTP/1.1\r\n" + HOST + b"\r\n",
    "a NUL": b"GET /health HTTP/1.1\r\n" + HOST + b"X: \x00\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "a signed length": HEAD + b"Content-Length: +2\r\n\r\n{}",
    "a hex length": HEAD + b"Content-Length: 0x2\r\n\r\n{}",
    "length and chunks": HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": HEAD.replace(b"/1.1", b"/1.0")
    + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an unknown coding": HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
    "a bad chunk size": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a chunk without CRLF": HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n",
}


@test
def ambiguous_heads_get_400_and_the_connection_closes(daemon):
    for what, raw in BAD_HEADS.items():
        follower = raw + b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"  # must not be answered
        bytewise = [raw[i:i + 1] for i in range(len(raw))]
        for pieces in ([raw], [follower], bytewise):
            reply = send_raw(daemon, pieces)
            equal(f"{what}: status", status_of(reply), 400)
            equal(f"{what}: replies", reply.count(b"HTTP/1.1 400 "), 1)
            equal(f"{what}: further replies", reply.count(b"HTTP/1.1 200 "), 0)


@test
def what_is_too_big_is_refused_before_it_is_read(daemon):
    long_line = b"GET /health HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 17_000 + b"\r\n\r\n"
    equal("a long head", status_of(send_raw(daemon, [long_line])), 431)
    many = b"GET /health HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 101 + b"\r\n"
    equal("many fields", status_of(send_raw(daemon, [many])), 431)
    announced = HEAD + b"Content-Length: 1048577\r\n\r\n"
    equal("an announced body", status_of(send_raw(daemon, [announced])), 413)
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    chunked = [HEAD + b"Transfer-Encoding: chunked\r\n\r\n"] + [chunk] * 17
    equal("a chunked body", status_of(send_raw(daemon, chunked)), 413)
    extensions = [HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;"] + [b"x" * 4096] * 8
    check(status_of(send_raw(daemon, extensions)) in (400, 413), "endless chunk extensions")


@test
def routes_methods_and_types_are_checked(daemon):
    equal("an unknown path", daemon.request("GET", "/v1/nothing").status, 404)
    equal("a path that climbs", daemon.request("GET", "/v1/../../etc/passwd").status, 404)
    reply = daemon.request("GET", "/v1/completions")
    equal("a wrong method", reply.status, 405)
    check("POST" in reply.headers["allow"], f"Allow is {reply.headers['allow']}")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        refuse(daemon, kind, "/v1/completions", b"{}", 415, headers={"Content-Type": kind})


@test
def foreign_hosts_and_origins_are_refused(daemon):
    refuse(daemon, "a foreign Host", "/v1/completions", {"prompt": "x"}, 403, "host_not_allowed",
           headers={"Host": "rebound.example"})
    refuse(daemon, "a foreign Origin", "/v1/completions", {"prompt": "x"}, 403,
           "origin_not_allowed", headers={"Origin": "http://evil.example"})
    reply = daemon.request("OPTIONS", "/v1/completions", headers={"Origin": "http://evil.example"})
    equal("OPTIONS", reply.status, 204)
    check(not any(name.startswith("access-control") for name in reply.headers), reply.headers)


@test
def an_unknown_key_is_refused_everywhere(daemon):
    key = {"Authorization": "Bearer sk-inst-0-" + "0" * 43}
    for method, path in (("GET", "/v1/models"), ("GET", "/metrics"), ("GET", "/tokenizer_info")):
        reply = daemon.request(method, path, headers=key)
        equal(f"{path}: status", reply.status, 401)
        check_error(path, reply.body, "invalid_api_key")


@test
def pipelined_requests_are_answered_in_order(daemon):
    body = b'{"prompt":"hi","max_tokens":1}'
    first = HEAD + b"X-Request-Id: one\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    second = b"GET /health HTTP/1.1\r\n" + HOST + b"X-Request-Id: two\r\n\r\n"
    third = b"GET /nowhere HTTP/1.1\r\n" + HOST + b"X-Request-Id: three\r\n"
    third += b"Connection: close\r\n\r\n"
    reply = send_raw(daemon, [first + second + third]).lower()
    places = [reply.find(b"x-request-id: " + name) for name in (b"one", b"two", b"three")]
    check(-1 not in places and places == sorted(places), f"replies came as {reply[:600]!r}")


def rss_after(daemon, function):
    function(daemon)
    daemon.wait_idle()
    return daemon.rss_bytes()


@test
def none_of_it_makes_the_daemon_grow(daemon):
    def storm(daemon):
        bad_json_is_refused(daemon)
        what_is_too_big_is_refused_before_it_is_read(daemon)
        rules_between_fields_are_kept(daemon)
    before = rss_after(daemon, storm)
    after = max(rss_after(daemon, storm) for _ in range(5))
    print(f"  memory {before >> 20} -> {after >> 20} MiB")
    check(after - before <= GROWTH_BYTES, f"it grew by {(after - before) >> 20} MiB")
    check_lives(daemon)


if __name__ == "__main__":
    with Daemon() as running:
        status = main(running)
    sys.exit(status)
