"""A model of transformers as a policy."""

from __future__ import annotations

from typing import Any, Literal

from ._native import Continuation, Request

SYSTEM = (
    "Solve the following math problem efficiently and clearly. Write one step of reasoning per paragraph, with a blank line between "
    r"steps, and end with the final answer in \boxed{}."
)


class TransformersPolicy:
    """Draws with ``model.generate``; :func:`transformers_policy` makes it.

    All draws of a round are one batch, of at most ``batch`` rows. A step ends at a blank line. The same seeds give the same draws for the same
    batches: torch has one generator for a batch, so a draw does depend on what else is in it.
    """

    def __init__(self, model: Any, tokenizer: Any, *, system: str | None, batch: int) -> None:
        self.model, self.tokenizer, self.system, self.batch = model, tokenizer, system, batch
        count = getattr(model, "num_parameters", None)
        self.parameters = int(count()) if count else None

    def prompt(self, problem: str) -> list[int]:
        """The token ids that a problem is asked with: the chat template's, or without one the text's."""
        if getattr(self.tokenizer, "chat_template", None):
            messages = [{"role": "user", "content": problem}]
            if self.system is not None:
                messages.insert(0, {"role": "system", "content": self.system})
            text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        text = problem if self.system is None else f"{self.system}\n\n{problem}\n\n"
        return list(self.tokenizer(text)["input_ids"])

    def extend(self, requests: list[Request]) -> list[list[Continuation]]:
        """For each request one continuation a seed."""
        draws = [(request, seed) for request in requests for seed in request.seeds]
        # What is drawn alike is drawn together.
        order = sorted(range(len(draws)), key=lambda place: _alike(draws[place][0]))
        drawn: dict[int, Continuation] = {}
        begin = 0
        while begin < len(order):
            same = [place for place in order[begin : begin + self.batch] if _alike(draws[place][0]) == _alike(draws[order[begin]][0])]
            for place, own in zip(same, self._draw([draws[place] for place in same])):
                drawn[place] = own
            begin += len(same)
        rows = iter([drawn[place] for place in range(len(draws))])
        return [[next(rows) for _ in request.seeds] for request in requests]

    def _draw(self, draws: list[tuple[Request, int]]) -> list[Continuation]:
        import torch
        from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

        first = draws[0][0]
        prefixes = [self.prompt(request.problem) + [token for step in request.tokens for token in step] for request, _ in draws]
        longest = max(map(len, prefixes))
        end = self._ends()
        pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else end[0]
        device = self.model.device
        # Padded on the left: what is drawn stands in the same columns of all rows.
        ids = torch.tensor([[pad] * (longest - len(own)) + own for own in prefixes], device=device)
        mask = torch.tensor([[0] * (longest - len(own)) + [1] * len(own) for own in prefixes], device=device)
        settings: dict[str, Any] = {"max_new_tokens": first.max_tokens, "eos_token_id": end, "pad_token_id": pad}
        if first.temperature > 0:
            settings.update(do_sample=True, temperature=first.temperature, top_p=first.top_p, top_k=first.top_k)
            if first.min_p > 0:
                settings.update(min_p=first.min_p)
        else:
            settings.update(do_sample=False)
        tokenizer = self.tokenizer

        class StepEnds(StoppingCriteria):  # type: ignore[misc]
            def __call__(self, ids: Any, scores: Any, **_: Any) -> Any:
                done = [_is_step(tokenizer.decode(row[longest:])) for row in ids]
                return torch.tensor(done, device=ids.device)

        criteria = StoppingCriteriaList([StepEnds()] if first.until == "step" else [])
        seed = 0
        for _, own in draws:
            seed = (seed * 6364136223846793005 + own + 1) % (1 << 63)
        devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.no_grad():
            torch.manual_seed(seed)
            out = self.model.generate(
                input_ids=ids, attention_mask=mask, generation_config=GenerationConfig(**settings), stopping_criteria=criteria
            )
        return [self._continuation(row, request) for row, (request, _) in zip(out[:, longest:].tolist(), draws)]

    def _ends(self) -> list[int]:
        """The tokens that end an answer: the model's, else the tokenizer's."""
        own = getattr(getattr(self.model, "generation_config", None), "eos_token_id", None)
        own = self.tokenizer.eos_token_id if own is None else own
        return list(own) if isinstance(own, (list, tuple)) else [own]

    def _continuation(self, tokens: list[int], request: Request) -> Continuation:
        ends = self._ends()
        is_answer = any(token in ends for token in tokens)
        if is_answer:
            # The token itself is drawn and counted; what follows it is padding.
            tokens = tokens[: min(tokens.index(end) for end in ends if end in tokens) + 1]
        steps: list[list[int]] = [[]]
        for token in tokens:
            steps[-1].append(token)
            if _is_step(self.tokenizer.decode(steps[-1], skip_special_tokens=True)):
                steps.append([])
        if request.until == "step" and len(steps) > 1 and not is_answer:
            return Continuation(self._text(steps[0]), "step", tokens=steps[0])
        if len(steps) > 1 and not self._text(steps[-1]):
            # What is left after the last separator belongs to the step before.
            steps[-2].extend(steps.pop())
        stop: Literal["answer", "length"] = "answer" if is_answer else "length"
        if request.until == "step":
            steps = [[token for step in steps for token in step]]
        return Continuation([self._text(step) for step in steps], stop, tokens=steps)

    def _text(self, tokens: list[int]) -> str:
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True)).strip()


def _alike(request: Request) -> tuple[Any, ...]:
    """What draws have in common that can be drawn together."""
    return request.temperature, request.top_p, request.top_k, request.min_p, request.until, request.max_tokens


def _is_step(text: str) -> bool:
    """Does a text that was drawn end a step? A blank line before anything is said ends none."""
    return "\n\n" in text.lstrip()


def transformers_policy(model: Any, tokenizer: Any, *, system: str | None = SYSTEM, batch: int = 64) -> TransformersPolicy:
    """A causal language model of transformers as a policy. Needs torch and transformers.

    Args:
        model: As ``AutoModelForCausalLM.from_pretrained`` returns it, on any device.
        tokenizer: Its tokenizer; with a chat template, problems are asked as a chat.
        system: What stands before the problem; None is nothing.
        batch: Most draws at once, which bounds memory.

    ::

        model = AutoModelForCausalLM.from_pretrained("HuggingFaceTB/SmolLM2-135M-Instruct")
        tokenizer = AutoTokenizer.from_pretrained("HuggingFaceTB/SmolLM2-135M-Instruct")
        policy = outthink.transformers_policy(model, tokenizer)
        outthink.solve("What is 12 times 12?", policy=policy, method="majority", budget=8)
    """
    return TransformersPolicy(model, tokenizer, system=system, batch=batch)
