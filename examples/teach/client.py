"""Requests of the tutorial's scripts to a running instructd."""

import http.client
import json
import os
import sys
import urllib.parse
from pathlib import Path

DEFAULT_URL = "http://127.0.0.1:8080"


def add_options(parser):
    parser.add_argument("--url", default=os.environ.get("INSTRUCTD_URL") or DEFAULT_URL,
                        help="of the daemon (%(default)s)")
    parser.add_argument("--data-dir", help="of the daemon, for its admin key")


def find_key(url, data_dir):
    """(key or None, why there is none), as `instruct` finds it: a directory that nobody named is the
    default address's."""
    if os.environ.get("INSTRUCTD_API_KEY"):
        return os.environ["INSTRUCTD_API_KEY"], ""
    data_dir = data_dir or os.environ.get("INSTRUCTD_DATA_DIR")
    if not data_dir and url.rstrip("/") != DEFAULT_URL:
        return None, f"{url} is not the default address"
    home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local/share")
    path = Path(data_dir or home + "/instructd") / "admin.key"
    try:
        return path.read_text().strip(), ""
    except OSError as error:
        return None, f"{path}: {error.strerror}"


class Server:
    def __init__(self, url, key):
        parts = urllib.parse.urlsplit(url)
        self.host, self.port, self.key = parts.hostname, parts.port or 80, key

    def connect(self):
        return http.client.HTTPConnection(self.host, self.port, timeout=600)

    def call(self, method, path, body=None):
        connection = self.connect()
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = "Bearer " + self.key
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None,
                               headers)
            response = connection.getresponse()
            text = response.read()
        except OSError as error:
            sys.exit(f"nothing answers at {self.host}:{self.port} ({error}): "
                     "./quickstart up --detach starts it")
        connection.close()
        if response.status != 200:
            sys.exit(f"{method} {path}: {response.status} {text.decode(errors='replace')[:400]}")
        return json.loads(text)
