"""PPO iterations of TRL on the CPU in float32, as one JSON line.

    peer_ppo.py --model DIR --prompts FILE --threads N --minibatch B --tokens T --rounds R

The model is a Hugging Face directory; reward and value model are its body with a random score head.
FILE has one JSON string a line: an iteration takes them all. Everything is TRL's own trainer
(trl.experimental.ppo): generate, reference, value and reward passes, advantages, one epoch of
minibatches, AdamW. What it logs per iteration comes with it; sample generations and checkpoints are
off. One optimizer step a minibatch, as ours: a minibatch is one micro-batch."""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

import datasets
import torch
import transformers
import trl
from trl.experimental.ppo import PPOConfig, PPOTrainer, ppo_trainer

WARM_UP = 1


class Clock(transformers.TrainerCallback):
    """Seconds of each iteration, and of the generation in it."""

    def __init__(self):
        self.iterations, self.rollouts = [], []
        self.last = None
        generate = ppo_trainer.batch_generation

        def timed(*args, **kwargs):
            begin = time.perf_counter()
            out = generate(*args, **kwargs)
            self.rollouts.append(time.perf_counter() - begin)
            return out

        ppo_trainer.batch_generation = timed

    def on_train_begin(self, *_, **__):
        self.last = time.perf_counter()

    def on_step_end(self, *_, **__):
        now = time.perf_counter()
        self.iterations.append(now - self.last)
        self.last = now


def load(kind, directory):
    more = {"num_labels": 1} if "Sequence" in kind.__name__ else {}
    return kind.from_pretrained(directory, dtype=torch.float32, attn_implementation="sdpa", **more)


def make_trainer(args, tokenizer, prompts, folder, clock):
    lm, score = (transformers.AutoModelForCausalLM, transformers.AutoModelForSequenceClassification)
    config = PPOConfig(
        output_dir=folder, use_cpu=True, bf16=False, report_to="none", save_strategy="no",
        disable_tqdm=True, num_sample_generations=0, logging_steps=1000,
        per_device_train_batch_size=len(prompts), gradient_accumulation_steps=1,
        num_mini_batches=len(prompts) // args.minibatch, num_ppo_epochs=1,
        local_rollout_forward_batch_size=len(prompts), gradient_checkpointing=False,
        total_episodes=len(prompts) * (WARM_UP + args.rounds), response_length=args.tokens,
        temperature=1.0, kl_coef=0.02, learning_rate=1e-6)
    rows = datasets.Dataset.from_dict({"input_ids": [tokenizer(p)["input_ids"] for p in prompts]})
    return PPOTrainer(args=config, processing_class=tokenizer, model=load(lm, args.model),
                      ref_model=load(lm, args.model), reward_model=load(score, args.model),
                      value_model=load(score, args.model), train_dataset=rows, eval_dataset=rows,
                      callbacks=[clock])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--prompts", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--minibatch", type=int, required=True)
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with open(args.prompts) as file:
        prompts = [json.loads(line) for line in file]
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.model, padding_side="left")
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(0)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.redirect_stdout(sys.stderr):  # it prints what it logs
            make_trainer(args, tokenizer, prompts, folder, clock).train()
    print(json.dumps({
        "iteration_seconds": clock.iterations[WARM_UP:], "rollout_seconds": clock.rollouts[WARM_UP:],
        "response_tokens": args.tokens,
        "about": f"TRL {trl.__version__}, PyTorch {torch.__version__}, "
                 f"transformers {transformers.__version__}, "
                 f"{torch.backends.cpu.get_cpu_capability()}"}))


main()
