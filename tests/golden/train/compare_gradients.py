"""Compares what eng-gradients wrote with PyTorch's gradients, tensor by tensor.

usage: compare_gradients.py --model DIR --batch FILE.json --loss LOSS --gradients FILE.safetensors

The relative error of a tensor is |ours - theirs| / |theirs| in the 2-norm; "worst" is the greatest
difference of an element over the greatest element. Where theirs vanishes but for rounding (the score
bias under rankings, say), ours is measured against the norm of all gradients together."""

import argparse
import json

import torch
import transformers
from safetensors import safe_open
from safetensors.torch import load_file

from reference_losses import LOSSES, loss_and_gradients

VANISHED = 1e-7  # of the whole gradient's norm


def relative_errors(ours, theirs):
    """name -> (relative error, worst element)."""
    if set(ours) != set(theirs):
        raise SystemExit(f"other tensors: ours alone {sorted(set(ours) - set(theirs))}, theirs "
                         f"alone {sorted(set(theirs) - set(ours))}")
    whole = sum(g.double().norm() ** 2 for g in theirs.values()) ** 0.5
    errors = {}
    for name, want in theirs.items():
        got, want = ours[name].double(), want.double()
        if got.shape != want.shape:
            raise SystemExit(f"{name}: shape {list(got.shape)}, expected {list(want.shape)}")
        vanished = want.norm() <= VANISHED * whole
        norm, most = (whole, whole) if vanished else (want.norm(), want.abs().max())
        errors[name] = ((got - want).norm() / norm).item(), ((got - want).abs().max() / most).item()
    return errors


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--batch", required=True)
    parser.add_argument("--loss", required=True, choices=LOSSES)
    parser.add_argument("--gradients", required=True)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    a = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    with open(a.batch, encoding="utf-8") as f:
        loss, theirs = loss_and_gradients(a.model, a.loss, json.load(f))
    errors = relative_errors(load_file(a.gradients), theirs)
    with safe_open(a.gradients, "pt") as f:
        our_loss = float(f.metadata()["loss"])
    for name, (error, worst) in errors.items():
        print(f"{error:9.2e}  worst {worst:9.2e}  norm {theirs[name].norm():9.3e}  {name}")
    most = max(error for error, _ in errors.values())
    loss_error = abs(our_loss - loss) / max(abs(loss), 1)
    print(f"loss {our_loss:.9g}, theirs {loss:.9g}; greatest relative error {most:.2e} "
          f"over {len(errors)} tensors")
    return most < a.tolerance and loss_error < a.tolerance


if __name__ == "__main__":
    raise SystemExit(0 if main() else 1)
