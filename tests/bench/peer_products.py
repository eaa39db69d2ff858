"""The products of bench-engine's sgemm case by a peer: rates as JSON, in the same order.

    peer_products.py --with openblas|torch --threads N --seconds S SHAPES.json"""

import argparse
import ctypes
import ctypes.util
import json
import os
import time

ROW_MAJOR, PLAIN, TRANSPOSED = 101, 111, 112


def floats(n):
    return (ctypes.c_float * n)(*(float(i % 17) - 8 for i in range(min(n, 4096))))


class OpenBlas:
    """cblas_sgemm of $INSTRUCTD_OPENBLAS or the system's library."""

    def __init__(self, threads):
        path = os.environ.get("INSTRUCTD_OPENBLAS") or ctypes.util.find_library("openblas")
        if not path:
            raise SystemExit("no libopenblas; INSTRUCTD_OPENBLAS may name one")
        self.lib = ctypes.CDLL(path)
        self.lib.openblas_set_num_threads(threads)
        self.lib.openblas_get_config.restype = ctypes.c_char_p
        self.lib.openblas_get_corename.restype = ctypes.c_char_p

    def about(self):
        version = self.lib.openblas_get_config().decode().split()[1]
        return f"OpenBLAS {version}, {self.lib.openblas_get_corename().decode()}"

    def product(self, s):
        m, n, k = s["m"], s["n"], s["k"]
        a, b, c = floats(m * k), floats(k * n), floats(m * n)
        ints = [ctypes.c_int(v) for v in (
            ROW_MAJOR, TRANSPOSED if s["a_transposed"] else PLAIN,
            TRANSPOSED if s["b_transposed"] else PLAIN, m, n, k)]
        lda, ldb = (m if s["a_transposed"] else k), (k if s["b_transposed"] else n)
        alpha, beta = ctypes.c_float(1), ctypes.c_float(s["beta"])
        return lambda: self.lib.cblas_sgemm(*ints, alpha, a, ctypes.c_int(lda), b,
                                            ctypes.c_int(ldb), beta, c, ctypes.c_int(n))


class Torch:
    def __init__(self, threads):
        import torch
        self.torch = torch
        torch.set_num_threads(threads)

    def about(self):
        return f"torch {self.torch.__version__}"

    def product(self, s):
        torch, m, n, k = self.torch, s["m"], s["n"], s["k"]
        a = torch.rand(k, m).t() if s["a_transposed"] else torch.rand(m, k)
        b = torch.rand(n, k).t() if s["b_transposed"] else torch.rand(k, n)
        c = torch.zeros(m, n)
        if s["beta"]:
            return lambda: c.addmm_(a, b)
        return lambda: torch.mm(a, b, out=c)


def rate(run, s, seconds):
    run()
    runs, begin = 0, time.perf_counter()
    while not runs or time.perf_counter() - begin < seconds:
        run()
        runs += 1
    return 2e-9 * s["m"] * s["n"] * s["k"] * runs / (time.perf_counter() - begin)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--with", dest="peer", choices=["openblas", "torch"], required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=0.02)
    parser.add_argument("shapes")
    args = parser.parse_args()
    with open(args.shapes) as file:
        shapes = json.load(file)
    peer = {"openblas": OpenBlas, "torch": Torch}[args.peer](args.threads)
    rates = [rate(peer.product(s), s, args.seconds) for s in shapes]
    print(json.dumps({"about": peer.about(), "gflop_s": rates}))


main()
