"""Keys that a test makes up, and the key file that the daemon reads them from."""

import hashlib
from pathlib import Path


def key_of(name):
    return "sk-inst-" + name


def key_file(directory, people):
    """people: {name: "SCOPES [user=...] [role=...]"}; the file's path."""
    lines = []
    for name, rights in people.items():
        scopes, _, more = rights.partition(" ")
        digest = hashlib.sha256(key_of(name).encode()).hexdigest()
        lines.append(f"{name} {scopes} {digest} {more}".rstrip() + "\n")
    path = Path(directory, "keys")
    path.write_text("".join(lines))
    return str(path)
