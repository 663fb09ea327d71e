"""A vLLM engine in this process as a policy."""

from __future__ import annotations

from typing import Any

from ._errors import RunError
from ._native import Continuation, PolicyReader, Request
from ._reading import Round, Row, files, text_tokenizer, tokens
from ._together import Together

#: Seeds are signed numbers of 64 bits there.
_LARGEST = (1 << 63) - 1


class VllmPolicy:
    """Draws with ``llm.generate``; :func:`vllm_policy` makes it."""

    #: How it is asked and where its steps end.
    reader: PolicyReader
    #: How many parameters it has, for costs in FLOPs: vLLM does not tell; set it if you know.
    parameters: int | None = None

    def __init__(self, llm: Any, *, profile: str | None, system: str | None, thinking: str | None) -> None:
        self.llm = llm
        config = llm.llm_engine.model_config
        tokenizer = text_tokenizer(llm.get_tokenizer())
        generation = config.try_get_generation_config() or {}
        ends = tokens(generation.get("eos_token_id")) or tokens(getattr(config.hf_text_config, "eos_token_id", None))
        ends = ends or tokens(tokenizer.eos_token_id)
        own = files(tokenizer, config.hf_config, profile)
        self.reader = PolicyReader(own, ends, int(config.max_model_len), system, thinking)
        self._together: Together[Request, list[Continuation]] = Together(self._extend)

    def extend(self, requests: list[Request]) -> list[list[Continuation]]:
        """For each request one continuation a seed."""
        return self._together(requests)

    def _extend(self, requests: list[Request]) -> list[list[Continuation]]:
        own = Round(self.reader, requests)
        rows = own.rows
        while rows:
            prompts = [{"prompt_token_ids": row.tokens} for row in rows]
            outputs = self.llm.generate(prompts, [self._settings(row) for row in rows], use_tqdm=False)
            for row, output in zip(rows, outputs):
                drawn = output.outputs[0]
                if not drawn.token_ids:
                    raise RunError(f"vLLM drew nothing ({drawn.finish_reason})")
                for token, likely in zip(drawn.token_ids, drawn.logprobs or [None] * len(drawn.token_ids)):
                    row.push(token, likely[token].logprob if likely else None)
            # vLLM also stops at a separator before any text, which ends no step.
            rows = [row for row in rows if not row.draw.is_over]
        return own.continuations()

    def _settings(self, row: Row) -> Any:
        from vllm import SamplingParams

        request = row.request
        return SamplingParams(
            # The rest of a draw has a seed of its own.
            seed=(row.seed + 0x9E3779B97F4A7C15 * len(row.drawn)) & _LARGEST,
            temperature=request.temperature,
            top_p=request.top_p,
            top_k=request.top_k,
            min_p=request.min_p,
            max_tokens=row.draw.left,
            stop=[self.reader.separator] if request.until == "step" else None,
            include_stop_str_in_output=True,
            stop_token_ids=self.reader.ends,
            # What ends an answer is said above.
            ignore_eos=True,
            # Of the drawn tokens alone.
            logprobs=0,
        )


def vllm_policy(llm: Any, *, profile: str | None = None, system: str | None = None, thinking: str | None = None) -> VllmPolicy:
    """A ``vllm.LLM`` as a policy: all draws of a round, and of searches that run at once, are one call of ``llm.generate``.

    A server is a policy by its address, without this (``policy="http://127.0.0.1:8000/v1"``).

    Args:
        llm: As ``vllm.LLM(model=…)`` returns it. Prefix caching, which is on as usual, saves computing prefixes again.
        profile: The name or .toml file of another profile than the one that fits (docs/profiles.md).
        system: Another system message than the profile's; ``""`` is none.
        thinking: How long a reasoning model thinks, as ``"cap:tokens=512"`` (docs/thinking.md).

    ::

        policy = outthink.vllm_policy(vllm.LLM("Qwen/Qwen2.5-1.5B-Instruct"))
        outthink.solve("What is 12 times 12?", policy=policy, method="majority", budget=64)
    """
    return VllmPolicy(llm, profile=profile, system=system, thinking=thinking)
