"""`instruct eval`: figures of files and of pipes, for people and for scripts. Needs the client only."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness
from harness import check, equal, test
from program import instruct, scratch_dir


@test
def a_file_and_a_pipe_give_the_same_figures():
    with scratch_dir() as where:
        votes = Path(where, "votes.csv")
        votes.write_text("result,group\n" + "win,a\n" * 12 + "tie,b\n" * 4 + "loss,a\n" * 4)
        of_file = instruct("eval", "win_rate", str(votes), "--json", "--seed", "4")
        piped = instruct("eval", "win_rate", "--json", "--seed", "4", stdin=votes.read_bytes())
        equal("exit codes", (of_file.code, piped.code, of_file.err), (0, 0, ""))
        equal("by the pipe", piped.out, of_file.out)
        told = json.loads(of_file.out)
        equal("values", [(v["name"], v["group"], v["rows"], round(v["value"], 4)) for v in
                         told["values"]],
              [("win_rate", None, 20, 0.7), ("win_rate", "a", 16, 0.75), ("win_rate", "b", 4, 0.5)])
        equal("half the interval", round(told["values"][0]["half_width"], 4), 0.2008)
        line = instruct("eval", "win_rate", str(votes)).out.splitlines()
        equal("a table", (line[0].split("\t")[0], line[1].split("\t")[3]), ("VALUE", "0.7"))


@test
def without_a_metric_all_are_listed_and_a_wrong_one_is_refused():
    listed = [line.split("\t")[0] for line in instruct("eval").out.splitlines()]
    equal("metrics", listed, ["win_rate", "likert", "flag_rate", "agreement", "reward_model",
                              "truthfulqa", "truthfulqa_mc", "toxicity", "bias_pairs", "hellaswag",
                              "qa_f1", "bleu", "rouge_l", "alignment_tax"])
    wrong = instruct("eval", "vibes", "-")
    check(wrong.code == 2 and "vibes" in wrong.err, str(wrong))
    row = instruct("eval", "likert", "-", stdin=b'{"score":"much"}\n')
    check(row.code == 2 and "row 1: score: expected a number" in row.err, str(row))
    check(instruct("eval", "likert", "/nowhere/f").code == 2, "a file that is not there")


@test
def bytes_that_are_no_text_are_refused_in_a_file_and_in_a_pipe():
    with scratch_dir() as where:
        path = Path(where, "votes.csv")
        for bad, told in ((b"result\nwin\xff\n", "is not UTF-8 (at byte 10)"),
                          (b"result\nwi\0n\n", "has a NUL character (at byte 9)")):
            path.write_bytes(bad)
            for name, done in ((str(path), instruct("eval", "win_rate", str(path))),
                               ("standard input", instruct("eval", "win_rate", stdin=bad))):
                check(done.code == 2 and f"{name} {told}" in done.err, str(done))


if __name__ == "__main__":
    sys.exit(harness.main())
