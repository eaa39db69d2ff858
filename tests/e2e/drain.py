"""SIGTERM while streams run: new requests are refused, every stream ends well, exit status 0.

    drain.py [--rounds N] [--streams N] [--tokens N]
"""

import argparse
import http.client
import json
import sys
import threading
import time

from daemon import Daemon, stream_events
from harness import close

options = argparse.ArgumentParser()
options.add_argument("--rounds", type=int, default=2)
options.add_argument("--streams", type=int, default=60)  # below the limit of 64 a key
options.add_argument("--tokens", type=int, default=48)


class Stream(threading.Thread):
    """One streamed completion; `started` is set at its first event, and `error` tells what went
    wrong."""

    def __init__(self, daemon, number, tokens):
        super().__init__()
        self.daemon_port, self.number, self.tokens = daemon.port, number, tokens
        self.started = threading.Event()
        self.error = None
        self.end = None

    def run(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.daemon_port, timeout=120)
            body = {"prompt": f"Story number {self.number}:", "max_tokens": self.tokens,
                    "ignore_eos": True, "stream": True, "temperature": 1, "seed": self.number}
            connection.request("POST", "/v1/completions", json.dumps(body),
                               {"Content-Type": "application/json"})
            for event in stream_events(connection.getresponse()):
                if "error" in event:
                    raise AssertionError(f"the stream failed: {event['error']}")
                self.started.set()
                self.end = event["choices"][0]["finish_reason"]
            if self.end != "length":
                raise AssertionError(f"finish_reason is {self.end!r}, expected 'length'")
        except Exception as error:
            self.error = error
        finally:
            self.started.set()


def refused_while_draining(daemon):
    """A new connection is soon turned away, or answered 503: the signal and the question race."""
    for _ in range(100):
        try:
            if daemon.request("GET", "/ready").status == 503:
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def drain(streams, tokens):
    """Starts streams, sends SIGTERM in their middle; returns what went wrong, in words."""
    with Daemon() as daemon:
        threads = [Stream(daemon, i, tokens) for i in range(streams)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.started.wait()
        running = sum(thread.is_alive() for thread in threads)
        daemon.terminate()
        wrong = []
        if running and not refused_while_draining(daemon):
            wrong.append("/ready did not turn to 503 after SIGTERM")
        for thread in threads:
            thread.join()
        wrong += [f"stream {t.number}: {t.error}" for t in threads if t.error]
        status = daemon.stop()
        if status != 0:
            wrong.append(f"exit status {status}\n{daemon.log_tail()}")
        print(f"  {running} of {streams} streams ran at SIGTERM")
        if running == 0:
            wrong.append("no stream was running at SIGTERM: the round shows nothing")
    return wrong


if __name__ == "__main__":
    given = options.parse_args()
    failed = 0
    for number in range(given.rounds):
        print(f"- sigterm_lets_streams_end (round {number + 1})")
        try:
            wrong = drain(given.streams, given.tokens)
        except Exception as error:
            wrong = [str(error)]
        for line in wrong:
            print(f"  {line}")
        failed += bool(wrong)
    sys.exit(close(given.rounds - failed, failed))
