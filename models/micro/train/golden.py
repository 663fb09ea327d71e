"""What transformers computes on exported checkpoints, for the engine's tests: `golden.py MODELS_FOLDER FAMILY PROBLEMS.jsonl OUT.json`

f32, one sequence at a time, no padding: worked solutions, of whose tokens the first `asked` are the question. For a policy:
the log-probability of every token after the first, and the whole distribution after the last. For a process reward
model: the softmax over its labels at every `<extra_0>`, or for grids, at every token of the solution as it is written,
the logarithm of the probability of its own label where it was next.
"""
import json
import pathlib
import sys

import torch
import transformers
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForTokenClassification, AutoTokenizer

from data import read


@torch.inference_mode()
def main():
    models, family, problems, out = sys.argv[1:]
    golden = {"transformers": transformers.__version__, "torch": torch.__version__, "models": {}}
    for folder in sorted(path.parent for path in pathlib.Path(models).glob(f"{family}-*/config.json")):
        config = json.loads((folder / "config.json").read_text())
        marked, labelled = "auto_map" in config, "problem_type" in config
        load = AutoModel if marked else AutoModelForTokenClassification if labelled else AutoModelForCausalLM
        model = load.from_pretrained(folder, dtype=torch.float32, trust_remote_code=True).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder)
        cases = []
        for problem in read(problems):
            separator = "<extra_0>" if marked else "\n\n"
            solution = separator.join(problem["steps"]) + ("<extra_0>" if marked else "<|end|>")
            chat = tokenizer.apply_chat_template(
                [{"role": "user", "content": problem["problem"]}], tokenize=False, add_generation_prompt=True)
            tokens = tokenizer(chat + solution, return_tensors="pt").input_ids
            asked = len(tokenizer(chat).input_ids)
            logits = model(tokens).logits[0].double()
            if labelled:
                own = torch.nn.functional.logsigmoid(logits[:-1].gather(1, tokens[0, 1:, None]))[:, 0]
                values = {"rewards": own[asked - 1:].tolist()}
            elif marked:
                marks = tokens[0] == tokenizer.convert_tokens_to_ids("<extra_0>")
                values = {"rewards": logits[marks].softmax(-1)[:, 1].tolist()}
            else:
                logprobs = logits.log_softmax(-1)
                values = {"logprobs": logprobs[:-1].gather(1, tokens[0, 1:, None])[:, 0].tolist(),
                          "last": logprobs[-1].tolist()}
            rounded = {key: [float(f"{value:.8g}") for value in column] for key, column in values.items()}
            cases.append({"problem": problem["problem"], "steps": problem["steps"], "asked": asked,
                          "tokens": tokens[0].tolist(), **rounded})
        golden["models"][folder.name] = cases
    pathlib.Path(out).write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
