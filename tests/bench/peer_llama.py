"""One measurement of llama.cpp, or of its fork ik_llama.cpp, through the low-level calls of its
Python package, as one JSON line.

    peer_llama.py [--library llama_cpp|ik_llama_cpp] --model PATH --threads N
                  --case prefill|decode --prompt N [--out N] [--streams N]

It mirrors what bench-engine does for the same case: one warm-up, then one timed run. llama.cpp gets
the easier work: its tokens are given, ours are drawn from the logits."""

import argparse
import ctypes
import importlib.metadata
import json
import sys
import time

BUDGET_S = 20  # a decode that takes longer is cut off, as in bench-engine
BATCH = 512
CONTEXT_STEP = 256



class LlamaCpp:
    """What the two libraries call differently."""

    def __init__(self):
        import llama_cpp
        self.calls = llama_cpp
        self.version = llama_cpp.__version__
        self.silent = llama_cpp.llama_log_callback(lambda _level, _text, _data: None)
        llama_cpp.llama_log_set(self.silent, ctypes.c_void_p(0))

    def model_params(self):
        return self.calls.llama_model_default_params()

    def system(self):
        return self.calls.llama_print_system_info().decode()

    def synchronize(self, context, _n_rows):
        self.calls.llama_synchronize(context)

    def forget(self, context):
        self.calls.llama_memory_clear(self.calls.llama_get_memory(context), True)


class IkLlamaCpp:
    """Weights are repacked as they are loaded, which its users ask for (-rtr) for speed."""

    def __init__(self):
        from ik_llama_cpp import _ctypes_api
        self.calls = _ctypes_api
        self.version = importlib.metadata.version("ik-llama-cpp-python")

    def model_params(self):
        how = self.calls.llama_model_default_params()
        how.repack_tensors, how.use_mmap = True, False
        return how

    def system(self):
        return "repacked"

    def synchronize(self, context, n_rows):
        self.calls.llama_get_logits_ith(context, n_rows - 1)

    def forget(self, context):
        self.calls.llama_kv_cache_clear(context)


LIBRARIES = {"llama_cpp": LlamaCpp, "ik_llama_cpp": IkLlamaCpp}


def die(text):
    sys.exit(f"peer_llama: {text}")


def ids(n, vocab, seed):
    return [(seed * 7919 + i * 2654435761) % vocab for i in range(n)]


class Peer:
    def __init__(self, library, path, threads, streams, positions):
        self.library, self.calls = library, library.calls
        self.calls.llama_backend_init()
        how = library.model_params()
        how.n_gpu_layers = 0
        self.model = self.calls.llama_model_load_from_file(path.encode(), how)
        if not self.model:
            die(f"cannot load {path}")
        self.vocab = self.calls.llama_vocab_n_tokens(self.calls.llama_model_get_vocab(self.model))
        each = -(-positions // CONTEXT_STEP) * CONTEXT_STEP
        params = self.calls.llama_context_default_params()
        params.n_ctx = each * streams
        params.n_batch = params.n_ubatch = BATCH
        params.n_seq_max = streams
        params.n_threads = params.n_threads_batch = threads
        self.context = self.calls.llama_init_from_model(self.model, params)
        if not self.context:
            die("cannot make a context")
        self.batch = self.calls.llama_batch_init(max(BATCH, streams), 0, 1)

    def run(self, rows):
        """rows: (token, position, sequence, wants logits); one llama_decode call."""
        batch = self.batch
        batch.n_tokens = len(rows)
        for i, (token, position, sequence, wants) in enumerate(rows):
            batch.token[i] = token
            batch.pos[i] = position
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = sequence
            batch.logits[i] = wants
        if self.calls.llama_decode(self.context, batch) != 0:
            die("llama_decode failed")
        self.library.synchronize(self.context, len(rows))

    def forget(self):
        self.library.forget(self.context)

    def prefill(self, sequence, tokens):
        for first in range(0, len(tokens), BATCH):
            part = tokens[first:first + BATCH]
            self.run([(t, first + i, sequence, first + i + 1 == len(tokens))
                      for i, t in enumerate(part)])


def time_prefill(peer, n):
    tokens = ids(n, peer.vocab, 1)
    peer.forget()
    begin = time.perf_counter()
    peer.prefill(0, tokens)
    return n / (time.perf_counter() - begin)


def time_decode(peer, streams, n_in, n_out):
    peer.forget()
    for s in range(streams):
        peer.prefill(s, ids(n_in, peer.vocab, s + 1))
    steps, seconds = 0, 0
    begin = time.perf_counter()
    while steps < n_out and seconds < BUDGET_S:
        token = (steps * 40503 + 11) % peer.vocab
        peer.run([(token, n_in + steps, s, True) for s in range(streams)])
        steps += 1
        seconds = time.perf_counter() - begin
    return steps * streams / seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", choices=list(LIBRARIES), default="llama_cpp")
    parser.add_argument("--model", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--case", choices=["prefill", "decode"], required=True)
    parser.add_argument("--prompt", type=int, required=True)
    parser.add_argument("--out", type=int, default=64)
    parser.add_argument("--streams", type=int, default=1)
    args = parser.parse_args()

    library = LIBRARIES[args.library]()
    positions = args.prompt + (args.out if args.case == "decode" else 0)
    peer = Peer(library, args.model, args.threads, args.streams, max(positions, 16))
    if args.case == "prefill":
        time_prefill(peer, args.prompt)
        rate = time_prefill(peer, args.prompt)
    else:
        time_decode(peer, 1, 8, 8)
        rate = time_decode(peer, args.streams, args.prompt, args.out)
    print(json.dumps({"tokens_per_s": rate, "version": library.version,
                      "system": library.system()}))


main()
