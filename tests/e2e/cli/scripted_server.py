"""A server that does what a test tells it, byte by byte: the failures a sound daemon never shows."""

import json
import socket
import threading
import time


class ScriptedServer:
    """script(request, connection) answers each request; request has .line, .headers, .body. The
    requests are kept. A script that returns False has ended its connection."""

    def __init__(self, script, port=0):
        self.script = script
        self.requests = []
        self.closed_by_client = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            reader = connection.makefile("rb")
            try:
                while (request := read_request(reader)) is not None:
                    self.requests.append(request)
                    if self.script(request, connection) is False:
                        return
            except (BrokenPipeError, ConnectionResetError):
                self.closed_by_client.set()


class Request:
    def __init__(self, line, headers, body):
        self.line, self.headers, self.body = line, headers, body

    def json(self):
        return json.loads(self.body)


def read_request(reader):
    line = reader.readline().decode().strip()
    if not line:
        return None
    headers = {}
    while header := reader.readline().decode().strip():
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    return Request(line, headers, reader.read(int(headers.get("content-length", 0))))


def reply(status, body, content_type="application/json", **headers):
    """A whole reply as a script."""
    if not isinstance(body, (str, bytes)):
        body = json.dumps(body)
    body = body if isinstance(body, bytes) else body.encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    head += "".join(f"{n.replace('_', '-')}: {v}\r\n" for n, v in headers.items())

    def script(_, connection):
        connection.sendall(head.encode() + b"\r\n" + body)
    return script


STREAM_HEAD = (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n"
               b"x-instructd-policy: pol_0123456789abcdef\r\n\r\n")


def event(data):
    if not isinstance(data, str):
        data = json.dumps(data, ensure_ascii=False)
    return f"data: {data}\n\n".encode()


def chat_chunk(text, index=0, finish=None):
    return event({"choices": [{"index": index, "delta": {"content": text},
                               "finish_reason": finish}], "usage": None})


def text_chunk(text, index=0, finish=None):
    return event({"choices": [{"index": index, "text": text, "logprobs": None,
                               "finish_reason": finish}], "usage": None})


def stream(*pieces, step=None):
    """A stream as a script, in writes of `step` bytes; its end closes the connection."""
    data = b"".join(pieces)

    def script(_, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(STREAM_HEAD)
        for i in range(0, len(data), step or len(data)):
            connection.sendall(data[i:i + (step or len(data))])
            if step:
                time.sleep(0.0002)  # so that the pieces arrive as pieces
        return False
    return script


def endless(chunk):
    """A stream that goes on until the client leaves."""
    def script(_, connection):
        connection.sendall(STREAM_HEAD)
        while True:
            connection.sendall(chunk)
            time.sleep(0.01)
    return script
