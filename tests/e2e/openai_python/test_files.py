"""The official openai client's files against the daemon, with a tiny model."""

import hashlib
import io
import json
import sys
import tempfile
from pathlib import Path

import openai
from openai import OpenAI

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from daemon import ROOT, Daemon  # noqa: E402
from harness import check, equal, main, test  # noqa: E402

MODEL = ROOT / "tests/golden/models/tiny-llama-f32.gguf"
ROWS = "".join(json.dumps({"prompt": f"Say {i}.", "completion": f" {i}"}) + "\n" for i in range(20))
MIB = 1 << 20


def client_of(daemon, key=None):
    return OpenAI(base_url=daemon.url + "/v1", api_key=key or daemon.admin_key(), max_retries=0,
                  timeout=300)


def create(daemon, name="rows.jsonl", content=ROWS):
    return client_of(daemon).files.create(file=(name, content.encode()), purpose="fine-tune")


def refused(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, but the request was answered")


@test
def a_file_is_created_retrieved_read_and_deleted(daemon):
    client = client_of(daemon)
    created = create(daemon)
    check(created.id.startswith("file-"), f"id is {created.id}")
    equal("object", created.object, "file")
    equal("bytes", created.bytes, len(ROWS))
    equal("filename", created.filename, "rows.jsonl")
    equal("purpose", created.purpose, "fine-tune")
    equal("status", created.status, "processed")
    equal("retrieved", client.files.retrieve(created.id), created)
    equal("content", client.files.content(created.id).text, ROWS)
    deleted = client.files.delete(created.id)
    equal("deleted", (deleted.id, deleted.object, deleted.deleted), (created.id, "file", True))
    error = refused(openai.NotFoundError, lambda: client.files.retrieve(created.id))
    equal("code", error.code, "not_found")


@test
def files_come_from_paths_and_open_files_too(daemon):
    client = client_of(daemon)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "from a path.jsonl")
        path.write_text(ROWS)
        by_path = client.files.create(file=path, purpose="fine-tune")
        with open(path, "rb") as handle:
            by_handle = client.files.create(file=handle, purpose="fine-tune")
    equal("filename", by_path.filename, "from a path.jsonl")
    equal("content", client.files.content(by_handle.id).read(), ROWS.encode())
    equal("waited for", client.files.wait_for_processing(by_path.id).status, "processed")
    for file in (by_path, by_handle):
        client.files.delete(file.id)


@test
def names_that_are_not_ascii_arrive(daemon):
    name = 'Fragen "für" später.jsonl'
    file = create(daemon, name)
    check("für" in file.filename or "f%C3%BCr" in file.filename, f"filename is {file.filename}")
    client_of(daemon).files.delete(file.id)


@test
def lists_are_paged_through_in_both_orders(daemon):
    client = client_of(daemon)
    ids = [create(daemon, f"{i}.jsonl").id for i in range(5)]
    listed = [file.id for file in client.files.list(limit=2)]
    equal("newest first", listed, ids[::-1])
    listed = [file.id for file in client.files.list(limit=2, order="asc", purpose="fine-tune")]
    equal("oldest first", listed, ids)
    equal("after", [f.id for f in client.files.list(after=ids[1])], [ids[0]])
    for file in ids:
        client.files.delete(file)
    equal("nothing", list(client.files.list()), [])


@test
def refusals_are_the_clients_own_exceptions(daemon):
    client = client_of(daemon)
    error = refused(openai.BadRequestError,
                    lambda: client.files.create(file=("a", b"x"), purpose="assistants"))
    equal("param", error.param, "purpose")
    refused(openai.AuthenticationError, lambda: client_of(daemon, "none").files.list())
    refused(openai.NotFoundError, lambda: client.files.content("file-none"))
    refused(openai.NotFoundError, lambda: client.files.delete("file-none"))


@test
def a_large_file_passes_through_without_being_held(daemon):
    """Up and down, the daemon's memory stays where it was."""
    client = client_of(daemon)
    row = json.dumps({"prompt": "x" * 8000, "completion": " y"}).encode() + b"\n"
    content = row * (96 * MIB // len(row))
    before = daemon.rss_bytes()
    file = client.files.create(file=("large.jsonl", io.BytesIO(content)), purpose="fine-tune")
    equal("bytes", file.bytes, len(content))
    digest, length = hashlib.sha256(), 0
    with client.files.with_streaming_response.content(file.id) as reply:
        for piece in reply.iter_bytes(MIB):
            digest.update(piece)
            length += len(piece)
    equal("length", length, len(content))
    equal("sha256", digest.hexdigest(), hashlib.sha256(content).hexdigest())
    grown = daemon.rss_bytes() - before
    check(grown < 24 * MIB, f"the daemon grew by {grown / MIB:.1f} MiB")
    client.files.delete(file.id)


if __name__ == "__main__":
    with Daemon(model=str(MODEL)) as running:
        status = main(running)
    sys.exit(status)
