"""Training steps of PyTorch on the CPU in float32, as one JSON line.

    peer_torch.py --shape JSON --threads N --seqs B --tokens T --rounds R [--compile]

The shape is what bench-engine tells of the model it trains; weights are random, which costs what
trained ones do. A step is bench-engine's: gradients cleared, forward, mean cross-entropy over every
next token, backward, clipping by norm, AdamW. PyTorch gets its fastest parts: fused attention, the
fused AdamW, no cache, gradients set to None; --compile also torch.compile."""

import argparse
import json
import time

import torch
import transformers

WARM_UP = 2


def config_of(shape):
    if shape["arch"] == "gpt2":
        return transformers.GPT2Config(
            vocab_size=shape["vocab"], n_embd=shape["embd"], n_layer=shape["layers"],
            n_head=shape["heads"], n_inner=shape["ff"], n_positions=shape["context"],
            resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, attn_implementation="sdpa", use_cache=False)
    return transformers.LlamaConfig(
        vocab_size=shape["vocab"], hidden_size=shape["embd"], num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"], num_key_value_heads=shape["kv_heads"],
        head_dim=shape["head_dim"], intermediate_size=shape["ff"],
        max_position_embeddings=shape["context"], tie_word_embeddings=shape["tied"],
        attn_implementation="sdpa", use_cache=False)


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
    torch.manual_seed(1)
    model = transformers.AutoModelForCausalLM.from_config(config_of(args.shape)).float().train()
    ids = torch.randint(args.shape["vocab"], (args.seqs, args.tokens))
    step = make_step(torch.compile(model) if args.compile else model, ids)
    rates = []
    for i in range(WARM_UP + args.rounds):
        begin = time.perf_counter()
        step()
        if i >= WARM_UP:
            rates.append(args.seqs * args.tokens / (time.perf_counter() - begin))
    about = f"PyTorch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}"
    print(json.dumps({"tokens_per_s": rates, "about": about + (", compiled" * args.compile)}))


main()
