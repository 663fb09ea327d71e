"""An engine of vLLM in this process as a policy, against the embedded engine on the same checkpoint."""

import os
import unittest
from pathlib import Path

import outthink
from toys import SUM

os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

try:
    import vllm
except ImportError:
    vllm = None

MICRO = Path(__file__).resolve().parents[2] / "models" / "micro"


def solutions(outcome):
    return sorted(own.text for own in outcome.solutions)


@unittest.skipIf(vllm is None, "vLLM is not installed")
class Policies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # A seeded prompt that is computed in parts kills vLLM 0.32 on CPUs, so every batch is large enough.
        llm = vllm.LLM(
            str(MICRO / "micro-0.3m"), dtype="float32", max_model_len=512, enforce_eager=True, block_size=32, max_num_batched_tokens=65536
        )
        cls.policy = outthink.vllm_policy(llm)

    def test_greedy_draws_are_the_embedded_engines(self):
        for row in outthink.problems("micro", 8):
            ours, theirs = (outthink.solve(row["text"], policy=own, method="cot") for own in (self.policy, "micro-0.3m"))
            self.assertEqual([own.tokens for own in ours.solutions], [own.tokens for own in theirs.solutions], row["text"])

    def test_searches_over_steps_find_answers_and_repeat(self):
        outcomes = [outthink.solve(SUM, policy=self.policy, verifier="micro-prm", method="beam", budget=16) for _ in range(2)]
        self.assertEqual(outcomes[0].answer, "128")
        self.assertEqual(*map(solutions, outcomes))
        tree = outcomes[0].tree
        self.assertTrue(all("\n\n" not in tree[node].text for node in range(1, len(tree))))
        other = outthink.solve(SUM, policy=self.policy, verifier="micro-prm", method="beam", budget=16, seed=1)
        self.assertNotEqual(solutions(other), solutions(outcomes[0]))

    def test_tokens_and_their_likelihoods_are_known(self):
        for selection in ("likelihood-softmax",):
            ours, theirs = (
                outthink.solve(SUM, policy=own, method="cot", selection=selection) for own in (self.policy, "micro-0.3m")
            )
            self.assertAlmostEqual(ours.solution.score, theirs.solution.score, places=3)
        outcome = outthink.solve(SUM, policy=self.policy, method="majority", budget=4, max_tokens=7)
        self.assertTrue(all(len(sum(own.tokens, [])) == 7 for own in outcome.solutions))
        self.assertEqual(outcome.usage["policy"]["generated"], 28)


if __name__ == "__main__":
    unittest.main()
