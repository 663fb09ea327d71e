r"""Makes a small language model outthink a big one: test-time scaling (after arXiv 2502.06703).

A *policy* proposes steps, a *verifier* scores them, a *method* decides where a *budget* of N samples goes, and a *selection* takes the
answer. Rewards, agreements and confidences are in [0, 1]; lengths are in tokens; log-probabilities and entropies in nats.

>>> import outthink
>>> outcome = outthink.solve(r"Evaluate $(17+19)\cdot 4-16$.", policy="micro-90k", verifier="micro-prm", method="dvts", budget=64)
>>> outcome.answer
'128'

Your own policy and verifier are objects:

>>> class Policy:
...     def extend(self, requests):
...         return [[rf"It is \boxed{{{seed % 3}}}." for seed in request.seeds] for request in requests]
>>> class Verifier:
...     def score(self, prefixes):
...         return [[0.9 if "{2}" in step else 0.1 for step in prefix.steps] for prefix in prefixes]
>>> outthink.solve("What is 1 + 1?", policy=Policy(), verifier=Verifier(), method="beam", budget=16).answer
'2'

The guide is docs/python.md of the repository.
"""

from . import _native
from ._answers import Verdict, extract, grade
from ._errors import Error, InputError, ModelError, RunError
from ._lab import Accuracy, Pool, StoredStudy, Strategy, Study, problems
from ._native import (
    Continuation,
    Grown,
    LoadedPolicy,
    LoadedVerifier,
    Node,
    Outcome,
    Plan,
    Prefix,
    Request,
    Signals,
    Solution,
    Tree,
    __version__,
    load_policy,
    load_verifier,
)
from ._register import domains, methods, register_domain, register_method, register_score, register_vote, selections
from ._rows import Rows
from ._solve import solve, solve_async
from ._transformers import TransformersPolicy, TransformersVerifier, transformers_policy, transformers_verifier
from ._trl import RewardVerifier, grade_reward, reward_verifier
from ._vllm import VllmPolicy, vllm_policy

__all__ = [
    "Accuracy",
    "Continuation",
    "Error",
    "Grown",
    "InputError",
    "LoadedPolicy",
    "LoadedVerifier",
    "ModelError",
    "Node",
    "Outcome",
    "Plan",
    "Pool",
    "Prefix",
    "Request",
    "RewardVerifier",
    "Rows",
    "RunError",
    "Signals",
    "Solution",
    "StoredStudy",
    "Strategy",
    "Study",
    "TransformersPolicy",
    "TransformersVerifier",
    "Tree",
    "Verdict",
    "VllmPolicy",
    "__version__",
    "domains",
    "extract",
    "grade",
    "grade_reward",
    "load_policy",
    "load_verifier",
    "methods",
    "problems",
    "register_domain",
    "register_method",
    "register_score",
    "register_vote",
    "reward_verifier",
    "selections",
    "solve",
    "solve_async",
    "transformers_policy",
    "transformers_verifier",
    "vllm_policy",
]
