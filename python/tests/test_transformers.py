"""A model of transformers as a policy: a tiny one with random weights, and its embedded self where a checkpoint is at hand."""

import os
import unittest

import outthink

try:
    import torch
    import transformers
except ImportError:
    torch = None

#: A folder with a Llama-like checkpoint that the embedded engine reads, too.
CHECKPOINT = os.environ.get("OUTTHINK_TEST_CHECKPOINT")


@unittest.skipIf(torch is None, "torch and transformers are not installed")
@unittest.skipIf(CHECKPOINT is None, "OUTTHINK_TEST_CHECKPOINT names no checkpoint")
class Transformers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        tokenizer = transformers.AutoTokenizer.from_pretrained(CHECKPOINT)
        model = transformers.AutoModelForCausalLM.from_pretrained(CHECKPOINT, dtype=torch.float32)
        cls.policy = outthink.transformers_policy(model, tokenizer, batch=3)

    def draw(self, **options):
        return outthink.solve("What is 2 + 3?", policy=self.policy, max_tokens=48, **options)

    def test_draws_have_tokens_and_a_seed(self):
        outcome = self.draw(method="majority", budget=4)
        self.assertEqual(sum(own.count for own in outcome.solutions), 4)
        for own in outcome.solutions:
            self.assertLessEqual(sum(map(len, own.tokens)), 48)
            self.assertTrue(all(own.tokens))
        again = self.draw(method="majority", budget=4)
        self.assertEqual([own.tokens for own in again.solutions], [own.tokens for own in outcome.solutions])
        self.assertGreater(len({own.text for own in outcome.solutions}), 1)
        self.assertEqual(outcome.usage["policy"]["generated"], sum(own.count * len(sum(own.tokens, [])) for own in outcome.solutions))

    def test_steps_end_at_blank_lines(self):
        class Even:
            def score(self, prefixes):
                return [[0.5] * len(prefix.steps) for prefix in prefixes]

        outcome = self.draw(verifier=Even(), method="beam", budget=2, max_steps=3)
        for node in range(1, len(outcome.tree)):
            self.assertNotIn("\n\n", outcome.tree[node].text)
            self.assertTrue(outcome.tree[node].tokens)

    def test_greedy_draws_are_the_embedded_engines(self):
        embedded = outthink.solve("What is 2 + 3?", policy=CHECKPOINT, method="cot", max_tokens=24)
        ours = outthink.solve("What is 2 + 3?", policy=self.policy, method="cot", max_tokens=24)
        text = lambda outcome: [" ".join(own.text.split()) for own in outcome.solutions] or [" ".join(outcome.tree.steps(len(outcome.tree) - 1))]
        self.assertEqual(text(ours)[0][:20], text(embedded)[0][:20])


if __name__ == "__main__":
    unittest.main()
