"""Requests to a daemon that a bench has started, with its admin key."""

import json
import sys


def call(daemon, method, path, body=None, headers=None):
    headers = {"Authorization": "Bearer " + daemon.admin_key()} | (headers or {})
    reply = daemon.request(method, path, body, headers)
    if reply.status != 200:
        sys.exit(f"{method} {path}: {reply.status} {reply.body[:300]!r}")
    return reply.json()


def upload(daemon, rows):
    data = "".join(json.dumps(row) + "\n" for row in rows)
    form = ('--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n--x\r\n'
            'Content-Disposition: form-data; name="file"; filename="rows.jsonl"\r\n\r\n'
            f"{data}\r\n--x--\r\n")
    return call(daemon, "POST", "/v1/files", form,
                {"Content-Type": "multipart/form-data; boundary=x"})["id"]
