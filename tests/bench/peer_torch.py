"""Training steps of PyTorch on the CPU in float32, as one JSON line.

    peer_torch.py --shape JSON --threads N --seqs B --tokens T --rounds R [--compile] [--eager-attention]

The shape is a Hugging Face LlamaConfig's numbers; weights are random, which costs what trained ones
do. A step is what bench-engine's is: gradients cleared, forward, mean cross-entropy over every next
token, backward, clipping by norm, AdamW. PyTorch gets its fastest parts: fused attention, the fused
AdamW, no cache, gradients set to None."""

import argparse
import json
import time

import torch
import transformers

WARM_UP = 2


def make_model(shape, compiled):
    config = transformers.LlamaConfig(**shape, attn_implementation="sdpa", use_cache=False)
    torch.manual_seed(1)
    model = transformers.LlamaForCausalLM(config).float().train()
    return torch.compile(model) if compiled else model


def make_step(model, ids):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, betas=(0.9, 0.95), weight_decay=0,
                                  fused=True)

    def step():
        optimizer.zero_grad(set_to_none=True)
        logits = model(input_ids=ids).logits
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=json.loads, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seqs", type=int, required=True)
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    model = make_model(args.shape, args.compile)
    ids = torch.randint(args.shape["vocab_size"], (args.seqs, args.tokens))
    step = make_step(model, ids)
    rates = []
    for i in range(WARM_UP + args.rounds):
        begin = time.perf_counter()
        step()
        if i >= WARM_UP:
            rates.append(args.seqs * args.tokens / (time.perf_counter() - begin))
    print(json.dumps({"tokens_per_s": rates, "version": torch.__version__,
                      "system": torch.backends.cpu.get_cpu_capability()}))


main()
