"""Makes MODEL/LOSS.json and MODEL/LOSS.safetensors here: random batches, and PyTorch's loss and
gradients on the micro models.

usage: make_gradients.py [MODEL...]
Seeded: the same versions of PyTorch and transformers write the same bytes."""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.numpy import load_file
from safetensors.torch import save_file

from batches import Maker, write
from compare_gradients import relative_errors
from reference_losses import Network, loss_and_gradients

HERE = Path(__file__).resolve().parent
MODELS = HERE.parent / "models"
sys.path.append(str(HERE.parent))
from reference_gpt2 import Gpt2  # noqa: E402
PEER = f"transformers {transformers.__version__} torch {torch.__version__.split('+')[0]} f64"

# Each model's files, and what differs between their batches, so that every setting is seen.
SETTINGS = {
    "micro-llama": {"lm": {}, "reward": {}, "value": {}, "ppo": {}, "ptx": {}},
    "micro-gpt2": {"lm": {"temperature": 1.3}, "reward": {}, "value": {},
                   "ppo_with_ptx": {"temperature": 0.7}, "ptx": {}},
    "micro-qwen2": {"lm": {"temperature": 0.8}, "value": {"value_clip_range": 0.05},
                    "ppo": {"whiten_advantages": True}},
    "micro-gpt2-banded": {"lm": {}, "reward": {},
                          "ppo_with_ptx": {"clip_range": 0.1, "whiten_advantages": True}},
}


def check_bands(folder):
    """The mask that stands for banded layers, against the numpy model that has them."""
    cfg = json.loads((folder / "config.json").read_text())
    tensors = load_file(folder / "model.safetensors")
    want = Gpt2(cfg, {k.removeprefix("transformer."): v for k, v in tensors.items()})
    ids = list(range(3, 3 + cfg["n_positions"]))
    with torch.no_grad():
        got = Network(folder, torch.float64).lm(torch.tensor([ids]), use_cache=False).logits[0]
    worst = np.abs(got.numpy() - want.logits(ids)).max()
    if worst > 1e-4:
        raise SystemExit(f"{folder.name}: banded logits differ from reference_gpt2 by {worst}")


def make(name, seed):
    folder, target = MODELS / name, HERE / name
    if "banded" in name:
        check_bands(folder)
    settings = {kind.split("_")[0]: fields for kind, fields in SETTINGS[name].items()}
    maker = Maker(folder, seed, settings)
    target.mkdir(exist_ok=True)
    for kind in SETTINGS[name]:
        loss = kind.split("_")[0]
        batch = getattr(maker, kind)()
        write(target / f"{loss}.json", batch)
        value, gradients = loss_and_gradients(folder, loss, batch)
        rough = loss_and_gradients(folder, loss, batch, torch.float32)[1]
        worst = max(error for error, _ in relative_errors(rough, gradients).values())
        save_file({k: g.float().contiguous() for k, g in gradients.items()},
                  target / f"{loss}.safetensors",
                  {"golden": f"loss {value!r}, f32_error {worst:.1e}, {PEER}"})
        print(f"{name} {kind}: {value:.6f}, in f32 PyTorch's gradients differ by {worst:.1e}")


def main():
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    for seed, name in enumerate(SETTINGS, 21):
        if len(sys.argv) < 2 or name in sys.argv[1:]:
            make(name, seed)


if __name__ == "__main__":
    main()
