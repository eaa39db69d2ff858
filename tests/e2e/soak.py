"""Load: 64 clients stream for a while, some vanish, some read a byte a second. Afterwards no other
request has failed, memory has stayed flat, and every KV block and file descriptor is back.

    soak.py [--seconds N] [--warmup N] [--clients N]      (the issue's own figures: --seconds 120)
"""

import argparse
import asyncio
import json
import random
import socket
import struct
import sys
import time

from daemon import Daemon
from harness import check, close

options = argparse.ArgumentParser()
options.add_argument("--seconds", type=float, default=20)
options.add_argument("--warmup", type=float, default=10, help="before memory is compared")
options.add_argument("--clients", type=int, default=64)

KV_BYTES = 96 << 20
POOL_TOKENS = KV_BYTES // 23040 - 64  # 30 layers, 3 heads of 64, keys and values in f16
RSS_SLACK_BYTES = 16 << 20
PROMPTS = ("The capital of France is", "Once upon a time there was a small dragon who",
           "Write a short poem about the sea.", "1, 2, 3, 4,", "def fibonacci(n):",
           "Explain, step by step, why the sky is blue. " * 4)


class Counts:
    def __init__(self):
        self.answered = self.tokens = self.vanished = self.refused = 0
        self.errors = []


def request_bytes(rng, max_tokens):
    prompt = rng.choice(PROMPTS)
    common = {"model": "instruct", "max_tokens": max_tokens, "stream": True, "temperature": 1,
              "seed": rng.randrange(1000)}
    if rng.random() < 0.5:
        path, body = "/v1/completions", {"prompt": prompt, **common}
    else:
        message = {"role": "user", "content": prompt}
        path, body = "/v1/chat/completions", {"messages": [message], **common}
    payload = json.dumps(body).encode()
    head = (f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(payload)}\r\nConnection: close\r\n\r\n")
    return head.encode() + payload


def small_socket(port):
    """A connection whose receive buffer is small, so that the daemon feels the slow reader."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.setblocking(False)
    try:
        s.connect(("127.0.0.1", port))
    except BlockingIOError:
        pass
    return s


async def steady_client(port, rng, counts, deadline):
    """Streams answer after answer and reads each to its [DONE]."""
    while time.monotonic() < deadline:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request_bytes(rng, rng.randrange(4, 96)))
            reply = await reader.read(-1)
            writer.close()
            if reply.startswith(b"HTTP/1.1 429"):  # told to come back: a promise, not an error
                counts.refused += 1
                await asyncio.sleep(0.2)
                continue
            check(reply.startswith(b"HTTP/1.1 200"), f"reply {reply[:300]!r}")
            check(b"data: [DONE]\n\n" in reply, f"no [DONE] after {reply[-300:]!r}")
            check(b'data: {"error"' not in reply, f"error in {reply[-300:]!r}")
            counts.answered += 1
            counts.tokens += reply.count(b"data: {")
        except Exception as error:
            counts.errors.append(f"{type(error).__name__}: {error}")
            await asyncio.sleep(0.2)


async def vanishing_client(port, rng, counts, deadline):
    """Leaves anywhere: within the request, before the answer, in the answer; often by a reset."""
    while time.monotonic() < deadline:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            request = request_bytes(rng, 512)
            whole = rng.random() < 0.8
            writer.write(request if whole else request[:rng.randrange(1, len(request))])
            await writer.drain()
            await asyncio.sleep(rng.random() * 0.5)
            if rng.random() < 0.5:
                reset = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                                           reset)
            writer.transport.abort()
            counts.vanished += 1
        except OSError:
            pass


async def slow_client(port, rng, counts, deadline):
    """Reads one byte a second of a long answer; the daemon may drop it, and it comes again."""
    loop = asyncio.get_running_loop()
    while time.monotonic() < deadline:
        s = small_socket(port)
        try:
            await asyncio.sleep(0.05)
            await loop.sock_sendall(s, request_bytes(rng, 1024))
            while time.monotonic() < deadline and await loop.sock_recv(s, 1):
                await asyncio.sleep(1)
        except OSError:
            pass
        finally:
            s.close()


async def load(daemon, clients, seconds, counts):
    deadline = time.monotonic() + seconds
    tenth = max(1, clients // 10)
    kinds = [vanishing_client] * tenth + [slow_client] * tenth
    kinds += [steady_client] * (clients - len(kinds))
    await asyncio.gather(*(kind(daemon.port, random.Random(number), counts, deadline)
                           for number, kind in enumerate(kinds)))


def touch_the_pool(daemon):
    """The KV pool costs memory as its blocks are first used, and the prefix cache keeps using new
    ones: one prompt nearly as long as the pool uses them all, so that what grows later is a leak."""
    daemon.post("/v1/completions", {"prompt": [100 + i % 40000 for i in range(POOL_TOKENS)],
                                    "max_tokens": 1})


def soak(clients, warmup, seconds):
    """Returns [(check's name, what went wrong or None)]."""
    counts = Counts()
    results = []

    def judge(name, wrong):
        results.append((name, wrong))

    with Daemon("--kv-memory", str(KV_BYTES)) as daemon:
        files = daemon.open_files()
        touch_the_pool(daemon)
        asyncio.run(load(daemon, clients, warmup, Counts()))
        daemon.wait_idle()
        before = daemon.rss_bytes()
        asyncio.run(load(daemon, clients, seconds, counts))
        try:
            daemon.wait_idle()
            judge("every_kv_block_is_back", None)
        except AssertionError as error:
            judge("every_kv_block_is_back", str(error))
        after = daemon.rss_bytes()
        print(f"  {counts.answered} answers, {counts.tokens} events in {seconds:g} s; "
              f"{counts.vanished} clients vanished, {counts.refused} told to retry; "
              f"memory {before >> 20} -> {after >> 20} MiB")
        judge("no_error_among_the_rest", "\n  ".join(counts.errors[:5]) or None)
        judge("answers_kept_coming", None if counts.answered else "no answer at all")
        judge("memory_stays_flat", None if after - before <= RSS_SLACK_BYTES else
              f"it grew by {(after - before) >> 20} MiB")
        left = daemon.open_files() - files
        judge("no_file_descriptor_is_left", None if left <= 1 else f"{left} more than before")
        reply = daemon.request("POST", "/v1/completions", {"prompt": "2 + 2 =", "max_tokens": 4})
        judge("the_next_request_is_answered", None if reply.status == 200 else
              f"status {reply.status}")
    return results


if __name__ == "__main__":
    given = options.parse_args()
    failed = 0
    results = soak(given.clients, given.warmup, given.seconds)
    for name, wrong in results:
        print(f"- {name}")
        if wrong:
            print(f"  {wrong}\n  FAILED {name}")
            failed += 1
    sys.exit(close(len(results) - failed, failed))
