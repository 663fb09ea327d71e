"""Reward functions of TRL both ways, and a model in training as a policy."""

import tempfile
import unittest
from pathlib import Path

import outthink
from toys import PROBLEM, SUM, Adder

try:
    import datasets
    import transformers
    import trl
except ImportError:
    trl = None

MICRO = Path(__file__).resolve().parents[2] / "models" / "micro"


class Rewards(unittest.TestCase):
    def test_the_grader_is_a_reward_function(self):
        texts = [r"\boxed{\frac12}", "The answer is 0.5.", r"\boxed{2}", "I do not know."]
        right = [1.0, 1.0, 0.0, 0.0]
        self.assertEqual(outthink.grade_reward(prompts=["?"] * 4, completions=texts, answer=["1/2"] * 4), right)
        chats = [[{"role": "assistant", "content": text}] for text in texts]
        self.assertEqual(outthink.grade_reward(prompts=[[]] * 4, completions=chats, solution=[r"So $\boxed{0.5}$."] * 4, trainer_state=None), right)
        self.assertEqual(outthink.grade_reward(["?"] * 2, texts[:2], answer=["half of it\n#### 0.5", None]), [1.0, None])
        with self.assertRaisesRegex(ValueError, "no column with the right answers"):
            outthink.grade_reward(["?"], ["1"], problem=["?"])

    def test_a_reward_function_is_a_verifier(self):
        asked = []

        def right(prompts, completions, **columns):
            asked.append((prompts, completions, columns))
            return [1.0 if "14" in text else -1.0 for text in completions]

        outcome = outthink.solve(PROBLEM, policy=Adder(), verifier=outthink.reward_verifier(right, low=-1, high=1, level=[3]), method="best-of-n", budget=16)
        self.assertEqual(outcome.answer, "14")
        self.assertEqual(set(outcome.solution.rewards), {1.0})
        prompts, completions, columns = asked[0]
        self.assertEqual((prompts[0], columns["level"]), (PROBLEM, [[3]] * len(prompts)))
        self.assertEqual(len(asked), 1)
        self.assertTrue(all("\n\n" in text for text in completions))

        def good(prompts, completions, **_):
            said = [own[-1]["content"] for own in completions]
            self.assertEqual({own[0]["role"] for own in prompts}, {"user"})
            steps = [[step for step in text.split("\n\n") if "=" in step] for text in said]
            true = lambda step: sum(map(int, step.split("=")[0].split("+"))) == int(step.split("=")[1])
            return [0.9 if all(map(true, own)) else 0.1 for own in steps]

        outcome = outthink.solve(PROBLEM, policy=Adder(), verifier=outthink.reward_verifier(good, steps=True, chat=True), method="beam", budget=16)
        self.assertEqual((outcome.answer, set(outcome.solution.rewards)), ("14", {0.9}))

    def test_wrong_rewards_say_what_is_wrong(self):
        for returned, told in (([2.0], "not from 0 to 1"), ([None], "not from 0 to 1"), ([], "0 rewards for 1 completions")):
            verifier = outthink.reward_verifier(lambda prompts, completions, returned=returned: returned)
            with self.assertRaisesRegex(outthink.RunError, told):
                outthink.solve(PROBLEM, policy=Adder(0), verifier=verifier, method="best-of-n", budget=1)
        with self.assertRaises(ValueError):
            outthink.reward_verifier(print, low=1, high=1)


@unittest.skipIf(trl is None, "trl is not installed")
class Training(unittest.TestCase):
    def test_a_model_in_training_is_a_policy_and_its_rewards_are_the_graders(self):
        rows = outthink.problems("micro", 4)
        train = datasets.Dataset.from_list([{"prompt": [{"role": "user", "content": row["text"]}], "gold": row["gold"]} for row in rows])
        folder = MICRO / "micro-0.3m"
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left")
        rewards = []

        def graded(**given):
            rewards.append(outthink.grade_reward(**given))
            return rewards[-1]

        with tempfile.TemporaryDirectory() as out:
            settings = trl.GRPOConfig(
                out, max_steps=1, num_generations=4, per_device_train_batch_size=4, max_completion_length=96, learning_rate=1e-2,
                use_cpu=True, bf16=False, report_to=[], save_strategy="no", disable_tqdm=True, logging_strategy="no",
            )  # fmt: skip
            model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
            trainer = trl.GRPOTrainer(model=model, reward_funcs=graded, args=settings, train_dataset=train, processing_class=tokenizer)
            policy = outthink.transformers_policy(trainer.model, trainer.processing_class)
            before = outthink.solve(SUM, policy=policy, method="majority", budget=8)
            self.assertEqual(before.answer, outthink.solve(SUM, policy="micro-0.3m", method="majority", budget=8).answer)
            trainer.train()
            self.assertTrue(trainer.model.training)
            after = outthink.solve(SUM, policy=policy, method="majority", budget=8)
        self.assertEqual(len(rewards[0]), 4)
        self.assertLessEqual(set(rewards[0]), {0.0, 1.0})
        self.assertTrue(after.solutions)


if __name__ == "__main__":
    unittest.main()
